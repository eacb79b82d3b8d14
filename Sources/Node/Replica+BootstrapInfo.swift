import AntiEntropy
import Basics
import Versioning

/// What INFO and STATUS show of bootstraps, got and given.
extension Replica {
    /// Fields of INFO's Hearsay section.
    func bootstrapFields(_ peers: PeerSet) -> [(String, String)] {
        let (joining, given) = (peers.joining, peers.given)
        let progress = self.isJoining ? joining.progress : nil
        let state = !self.isJoining ? "none" : joining.current == nil ? "waiting" : "receiving"
        return [
            ("bootstrap_state", state), ("bootstrap_donor", joining.current?.name ?? ""), ("bootstrap_stored_entries", "\(progress?.entries ?? 0)"),
            ("bootstrap_stored_bytes", "\(progress?.bytes ?? 0)"), ("bootstrap_expected_entries", "\(progress?.capture.entries ?? 0)"),
            ("bootstraps_begun", "\(joining.counters.begun)"), ("bootstraps_resumed", "\(joining.counters.resumed)"),
            ("bootstraps_failed", "\(joining.counters.failed)"), ("bootstrap_entries_in", "\(joining.counters.entries)"),
            ("bootstrap_bytes_in", "\(joining.counters.bytes)"), ("bootstrap_messages_dropped", "\(joining.counters.dropped)"),
            ("givings_running", "\(peers.links.count { $0.giving != nil })"), ("givings_begun", "\(given.begun)"),
            ("givings_resumed", "\(given.resumed)"), ("givings_ended", "\(given.ended)"), ("given_entries", "\(given.entries)"),
            ("given_bytes", "\(given.bytes)"),
        ]
    }

    /// A line for what this node gets as a joiner, and one for each that it gives to, for STATUS.
    func bootstrapLines(_ peers: PeerSet, at now: Instant) -> [String] {
        var lines: [String] = []
        if self.isJoining, let current = peers.joining.current {
            lines.append("bootstrap   from \(current.name): \(Self.progressText(peers.joining.progress, current, at: now))")
        }
        for link in peers.links {
            guard let giving = link.giving else { continue }
            let text = Self.rateText(entries: giving.entries, bytes: giving.bytes, took: now.since(giving.began))
            lines.append("giving      to \(link.peerName ?? "?"): \(text)")
        }
        return lines
    }

    /// What is stored, of how much, how fast it comes and how long it takes yet.
    private static func progressText(_ progress: BootstrapProgress?, _ current: Joining.Current, at now: Instant) -> String {
        let took = now.since(current.began)
        let rate = self.rateText(entries: current.entries, bytes: current.bytes, took: took)
        guard let progress else { return rate }
        let left = Double(progress.capture.entries) - Double(progress.entries)
        var text =
            "\(progress.entries) of about \(max(progress.capture.entries, progress.entries)) entries stored (\(Int(progress.share * 100))%); \(rate)"
        if current.entries > 0, left > 0 { text += ", \(Int(min(left * took.inSeconds / Double(current.entries), 1e9)) + 1) s to go" }
        return text
    }

    private static func rateText(entries: Int, bytes: Int, took: Duration) -> String {
        let rate = Double(entries) / max(took.inSeconds, 0.001)
        return "\(entries) entries and \(humanBytes(UInt64(bytes))) in \(seconds(took)) s, \(Int(rate)) a second"
    }

    /// How far a joiner has got, for clients that are told to wait.
    var joiningText: String {
        let text = "getting what the cluster holds"
        guard let progress = self.peers?.joining.progress, progress.entries > 0 else { return text }
        if progress.isWhole, let wait = self.wait(until: self.store.greatestStamp >> UInt64(Stamp.counterBits)) {
            let span = spanText(UInt64(clamping: wait.wholeNanoseconds / 1_000_000))
            return "all \(progress.entries) entries are here, and some are stamped ahead of this node's clock: \(span) to go"
        }
        return "\(text): \(progress.entries) of about \(max(progress.capture.entries, progress.entries)) entries so far"
    }
}
