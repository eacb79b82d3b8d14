import Versioning

/// What the log is kept for besides replay: peers that lack some of it.
extension Store {
    /// Notes what became durable.
    func index(through position: LogPosition) {
        while let first = self.unindexed.first, first.end <= position {
            self.unindexed.removeFirst()
            if let segment = first.segment { self.segments.append(segment.position) }
            if self.indexesLog, self.configuration.logCapBytes > 0, let segment = self.segments.last { self.logIndex.add(first, segment: segment) }
        }
    }

    /// Keeps what a member has not confirmed, as far as the cap allows.
    ///
    /// - Parameter members: what each other member has announced to have seen; nil for one that has announced nothing.
    package func keepLog(for members: [Seen?]) {
        let known = members.compactMap(\.self)
        // Of one that has not said anything yet everything may be asked.
        self.neededFrom = known.count < members.count ? 0 : self.logIndex.firstSegment(notCoveredBy: known) ?? .max
    }

    /// A block of the log does not read: no peer need ask for it again.
    package func foundUnreadable(_ block: LogBlock) { self.logIndex.remove(block) }

    /// The position up to which segments are to be removed now; nil where there is none that ends before it.
    ///
    /// A segment goes once the base holds all of it durably, and nobody needs it or it is beyond the cap. The newest stays: it is being written.
    func takeSweepable() -> LogPosition? {
        let cap = UInt64(self.configuration.logCapBytes)
        let capped = self.tail.head > cap ? self.tail.head - cap : 0
        let limit = min(self.drainedPosition, max(self.neededFrom, capped))
        guard self.segments.count > 1, self.segments[1] <= limit else { return nil }
        while self.segments.count > 1, self.segments[1] <= limit { self.segments.removeFirst() }
        self.logIndex.removeSegments(before: self.segments[0])
        return limit
    }
}
