import Basics
import Digests
import Storage
import Versioning

/// Every version that any node has made durable, by its dot: what nodes say and hold is judged by it.
///
/// Three checks live where versions are noted, as each is about the moment: nothing leaves a node before it is durable there (I6), one dot has one
/// content (I8, I20), stamps under one replica id increase (I9).
struct Ledger {
    /// A version as its dot stands for it.
    struct Version: Equatable {
        let key: Int
        let stamp: Stamp
        let isTombstone: Bool
        let expiryMilliseconds: UInt64
        let checksum: UInt64
        /// What it was written in the place of; nil for a register.
        var context: CausalContext?
    }

    /// What one replica id has written, the first with sequence number 1.
    struct Origin {
        let replica: ReplicaID
        var versions: [Version] = []
    }

    private(set) var origins: [Origin] = []
    /// Numbers of writes that clients were told have failed.
    private var refused: Set<UInt64> = []

    private func index(of replica: ReplicaID) -> Int? { self.origins.firstIndex { $0.replica == replica } }

    /// A node's own write has become durable.
    mutating func note(_ dot: Dot, _ version: Version, by node: Int) throws {
        if self.index(of: dot.replica) == nil { self.origins.append(Origin(replica: dot.replica)) }
        let index = self.index(of: dot.replica)!
        let versions = self.origins[index].versions
        let place = Int(dot.sequence) - 1
        if place < versions.count {
            guard versions[place] == version else {
                throw Violation(.oneContentPerDot, "\(dot) is \(version) now on node \(node), and was \(versions[place])")
            }
            return
        }
        guard place == versions.count else {
            throw Violation(.oneContentPerDot, "node \(node) has written \(dot), and \(versions.count + 1) would be next")
        }
        // One that is written again keeps the stamp that it had under another id.
        if version.stamp.replica == dot.replica, let last = versions.last(where: { $0.stamp.replica == dot.replica }),
            last.stamp.time >= version.stamp.time
        {
            throw Violation(.stampsIncrease, "node \(node): \(dot) has stamp \(version.stamp), the one before it \(last.stamp)")
        }
        self.origins[index].versions.append(version)
    }

    /// A node has taken another's write into its log.
    func check(_ dot: Dot, _ version: Version, on node: Int) throws {
        guard let index = self.index(of: dot.replica), dot.sequence <= self.origins[index].versions.count else {
            throw Violation(.nothingUndurableLeaves, "node \(node) has \(dot), which is durable nowhere")
        }
        let noted = self.origins[index].versions[Int(dot.sequence) - 1]
        guard noted == version else { throw Violation(.oneContentPerDot, "\(dot) is \(version) on node \(node), and was written as \(noted)") }
    }

    /// Forgets a write and all later ones of its replica, of which the only disk is gone. One that is the same stays.
    mutating func forget(from dot: Dot, unless version: Version) {
        guard let index = self.index(of: dot.replica), let noted = self.version(of: dot), noted != version else { return }
        self.origins[index].versions.removeSubrange((Int(dot.sequence) - 1)...)
    }

    func version(of dot: Dot) -> Version? {
        guard let index = self.index(of: dot.replica), dot.sequence > 0, dot.sequence <= self.origins[index].versions.count else { return nil }
        return self.origins[index].versions[Int(dot.sequence) - 1]
    }

    /// All writes of a key, each with its dot.
    func versions(ofKey key: Int) -> [(dot: Dot, version: Version)] {
        self.origins.flatMap { origin in
            origin.versions.indices.compactMap { index in
                origin.versions[index].key == key ? (Dot(replica: origin.replica, sequence: UInt64(index) + 1), origin.versions[index]) : nil
            }
        }
    }

    mutating func refuse(_ number: UInt64) { self.refused.insert(number) }

    func isRefused(_ number: UInt64) -> Bool { self.refused.contains(number) }

    /// Whether a version of a key that is as great as a stamp, or greater, has been dropped.
    ///
    /// - Parameter expired: the latest deadline up to which entries were dropped, in milliseconds since 1970.
    func wasDropped(key: Int, atLeast stamp: Stamp, _ floors: Floors, expired: UInt64) -> Bool {
        self.origins.contains { origin in
            let floor = Int(clamping: floors.floor(of: origin.replica))
            return origin.versions.prefix(floor).contains { $0.mayBeDropped(expired: expired) && $0.key == key && $0.stamp >= stamp }
        }
    }

    /// Of each key the greatest version among those that are covered, as `Seen` says it.
    ///
    /// - Parameters:
    ///   - gone: up to which stamp versions of a key may be nowhere any more, although they were seen.
    func greatest(coveredBy seen: Seen, besides gone: [Int: Stamp], keys: Int) -> [(dot: Dot, version: Version)?] {
        var greatest = [(dot: Dot, version: Version)?](repeating: nil, count: keys)
        for origin in self.origins {
            let watermark = seen.watermark(of: origin.replica)
            for (index, version) in origin.versions.enumerated() {
                let sequence = UInt64(index) + 1
                let dot = Dot(replica: origin.replica, sequence: sequence)
                guard sequence <= watermark || seen.covers(dot) else { continue }
                if let lost = gone[version.key], version.stamp <= lost { continue }
                guard greatest.indices.contains(version.key) else { continue }
                if let other = greatest[version.key]?.version, version.stamp <= other.stamp { continue }
                greatest[version.key] = (dot, version)
            }
        }
        return greatest
    }
}

extension Ledger.Version: CustomStringConvertible {
    var description: String {
        "\(self.context == nil ? "" : "sibling ")\(self.isTombstone ? "a delete" : "a value") of key\(self.key) at \(self.stamp)"
    }
}

extension Ledger.Version {
    /// Whether it is a delete, or has expired, so that it is dropped where a floor covers it.
    func mayBeDropped(expired: UInt64) -> Bool { self.isTombstone || (self.expiryMilliseconds > 0 && self.expiryMilliseconds <= expired) }

    /// What a record was written as: of siblings the newest.
    init(_ record: RecordView) {
        let key = Self.number(ofKey: record.key)
        if let siblings = record.siblings {
            self.init(siblings.newest, key: key)
        } else {
            self.init(
                key: key, stamp: record.stamp, isTombstone: record.isTombstone, expiryMilliseconds: record.expiryMilliseconds,
                checksum: record.checksum)
        }
    }

    init(_ sibling: Sibling, key: Int) {
        let sum = sibling.value.map { Digests.checksum(of: $0, seed: 0) } ?? 0
        self.init(
            key: key, stamp: sibling.stamp, isTombstone: sibling.isDelete, expiryMilliseconds: sibling.expiryMilliseconds, checksum: sum,
            context: sibling.context)
    }

    /// All that a record is made of, each with its dot.
    static func all(in record: RecordView) -> [(dot: Dot, version: Self)] {
        guard let siblings = record.siblings else { return [(record.dot, Self(record))] }
        let key = Self.number(ofKey: record.key)
        return siblings.versions.map { ($0.dot, Self($0, key: key)) }
    }

    /// Clients' keys are "key" and a number; what stories write besides has none.
    static func number(ofKey key: UnsafeRawBufferPointer) -> Int {
        let digits = key.dropFirst(3)
        guard (1...9).contains(digits.count), digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return -1 }
        return digits.reduce(0) { $0 * 10 + Int($1) - 48 }
    }
}
