import Basics

/// A value that all nodes of a cluster share. Of two values that were given apart that with the greater version counts, then that of the greater
/// proposer.
///
/// - Invariant: the name has 1 to 64 bytes of lower-case ASCII letters, digits, `.` and `-`; the value up to 256 of printable ASCII.
package struct SharedSetting: Equatable, Sendable {
    package static let maximumCount = 64
    package static let maximumNameBytes = 64
    package static let maximumValueBytes = 256
    /// Beyond any number of changes that a cluster will see, and so that versions add up without overflow.
    package static let maximumVersion: UInt64 = 1 << 48

    package let name: String
    package let value: String
    package let version: UInt64
    package let proposer: ReplicaID

    /// - Precondition: name and value are as the invariant says.
    init(name: String, value: String, version: UInt64, proposer: ReplicaID) {
        precondition(Self.isName(name) && Self.isValue(value), "setting \(name) \(value)")
        (self.name, self.value, self.version, self.proposer) = (name, value, version, proposer)
    }

    package static func isName(_ text: String) -> Bool {
        (1...Self.maximumNameBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"): true
                default: false
                }
            }
    }

    package static func isValue(_ text: String) -> Bool {
        text.utf8.count <= Self.maximumValueBytes && text.utf8.allSatisfy { (0x20..<0x7f).contains($0) }
    }

    func supersedes(_ other: SharedSetting) -> Bool {
        (self.version, self.proposer, self.value) > (other.version, other.proposer, other.value)
    }
}

/// The encoding: length of name 1 | name | length of value 2 | value | version 8 | proposer 16, numbers big endian. At most 347 bytes.
extension SharedSetting {
    func encode(into bytes: inout [UInt8]) {
        bytes.append(UInt8(self.name.utf8.count))
        bytes.append(contentsOf: self.name.utf8)
        bytes.append(bigEndian: UInt16(self.value.utf8.count))
        bytes.append(contentsOf: self.value.utf8)
        bytes.append(bigEndian: self.version)
        bytes.append(self.proposer)
    }

    /// Removes a setting from the front.
    init(taking rest: inout Slice<UnsafeRawBufferPointer>) throws(MalformedMembership) {
        let name = try rest.takeText()
        let value = String(decoding: try rest.take(count: Int(try rest.take(UInt16.self))), as: UTF8.self)
        let (version, proposer) = (try rest.take(UInt64.self), try rest.takeReplica())
        guard Self.isName(name), Self.isValue(value), (1...Self.maximumVersion).contains(version) else { throw .setting }
        self.init(name: name, value: value, version: version, proposer: proposer)
    }
}
