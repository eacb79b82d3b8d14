import Basics

/// Of each replica the last write that siblings name, as one of them or in a context: so many it has made, whatever it knows of them.
package struct NamedWrites: Equatable, Sendable {
    private var last: [ReplicaID: UInt64] = [:]

    package init() {}

    package var isEmpty: Bool { self.last.isEmpty }

    /// 0 where none is named.
    package func greatest(of replica: ReplicaID) -> UInt64 { self.last[replica] ?? 0 }

    package mutating func note(_ siblings: Siblings) {
        for version in siblings.versions {
            self.note(version.dot)
            for entry in version.context.entries { self.note(Dot(replica: entry.replica, sequence: entry.last)) }
        }
    }

    private mutating func note(_ dot: Dot) { self.last[dot.replica] = max(dot.sequence, self.last[dot.replica] ?? 0) }

    package mutating func join(_ other: NamedWrites) { self.last.merge(other.last) { max($0, $1) } }

    package func joined(_ other: NamedWrites) -> NamedWrites {
        var joined = self
        joined.join(other)
        return joined
    }
}
