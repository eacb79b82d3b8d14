import Basics

/// The encoding, numbers big endian:
///
///     count of entries 2 | each entry, ascending by id | count of settings 1 | each setting, ascending by name
///
///     entry: member | status 1 | admitted 8 | 0, or 1 and the predecessor's id 16
///
/// It is injective: equal rosters have equal bytes, and the decoder accepts no others.
extension Roster {
    /// Of an entry with a name of one letter, without address and predecessor.
    private static let entryByteCount = 35 + 1 + 8 + 1

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: UInt16(self.entries.count))  // At most `maximumEntries`.
        for entry in self.entries {
            entry.member.encode(into: &bytes)
            bytes.append(entry.status.rawValue)
            bytes.append(bigEndian: entry.admitted)
            bytes.append(entry.predecessor == nil ? 0 : 1)
            if let predecessor = entry.predecessor { bytes.append(predecessor) }
        }
        bytes.append(UInt8(self.settings.count))  // At most `SharedSetting.maximumCount`.
        for setting in self.settings { setting.encode(into: &bytes) }
    }

    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        self.encode(into: &bytes)
        return bytes
    }

    /// Reads what `encode` wrote, all of `bytes`.
    package init(decoding bytes: UnsafeRawBufferPointer) throws(MalformedMembership) {
        var rest = bytes[...]
        let entries = try Self.takeEntries(&rest)
        let count = Int(try rest.take(UInt8.self))
        guard count <= SharedSetting.maximumCount else { throw .tooManyMembers(count: count, limit: SharedSetting.maximumCount) }
        var settings: [SharedSetting] = []
        for _ in 0..<count {
            let setting = try SharedSetting(taking: &rest)
            if let last = settings.last, setting.name <= last.name { throw .setting }
            settings.append(setting)
        }
        try rest.expectEnd()
        self.init(entries: entries, settings: settings)
    }

    private static func takeEntries(_ rest: inout Slice<UnsafeRawBufferPointer>) throws(MalformedMembership) -> [Entry] {
        let count = Int(try rest.take(UInt16.self))
        guard count <= Self.maximumEntries else { throw .tooManyMembers(count: count, limit: Self.maximumEntries) }
        var (entries, active) = ([Entry](), 0)
        entries.reserveCapacity(min(count, rest.count / Self.entryByteCount))
        for _ in 0..<count {
            let member = try Member(taking: &rest)
            if let last = entries.last, member.replica <= last.member.replica { throw .misplacedReplica(member.replica) }
            guard let status = Status(rawValue: try rest.take(UInt8.self)) else { throw .status }
            let admitted = try rest.take(UInt64.self)
            guard (1...Self.maximumNumber).contains(admitted) else { throw .status }
            let flag = try rest.take(UInt8.self)
            guard flag <= 1 else { throw .status }
            let predecessor = flag == 1 ? try rest.takeReplica() : nil
            let entry = Entry(member, status: status, admitted: admitted, predecessor: predecessor)
            if status == .active { active += 1 } else if member.address != nil { throw .status }
            guard active <= Self.maximumMembers else { throw .tooManyMembers(count: active, limit: Self.maximumMembers) }
            entries.append(entry)
        }
        if let name = Self.repeatedName(entries) { throw .repeatedName(name) }
        return entries
    }

    /// A name that two entries have. Of a roster that a peer has sent no second copy of the names is made to find out.
    private static func repeatedName(_ entries: [Entry]) -> MemberName? {
        let named = entries.indices.lazy.filter { entries[$0].hasName }.map { UInt16($0) }  // At most `maximumEntries`.
        let sorted = named.sorted { entries[Int($0)].member.name < entries[Int($1)].member.name }
        let pair = zip(sorted, sorted.dropFirst()).first { entries[Int($0)].member.name == entries[Int($1)].member.name }
        return pair.map { entries[Int($1)].member.name }
    }
}
