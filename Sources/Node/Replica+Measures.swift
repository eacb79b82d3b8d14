import AntiEntropy
import Basics

/// What one who judges a replica from outside may know of its inside.
extension Replica {
    /// Questions that rounds have asked since the start.
    package var roundQuestions: Int { self.peers?.counters.rounds ?? 0 }

    /// How many peers a round has.
    package var fanout: Int { self.peers?.rounds.fanout ?? 0 }

    /// How many sessions go on, and how many entries they have given so far.
    package var openSessions: (count: Int, given: Int) {
        (self.peers?.links ?? []).reduce((0, 0)) { sum, link in
            link.exchange.map { (sum.0 + 1, sum.1 + $0.progress.entriesOut) } ?? sum
        }
    }

    /// The greatest share of its bound that anything which waits for a peer, or came from one, takes: above 1 something grows without end.
    package var greatestPeerLoad: Double {
        guard self.peers != nil else { return 0 }
        var greatest = Double(self.peers!.rumors.byteCount) / Double(Rumors.maximumBytes)
        for link in self.peers!.links {
            greatest = max(greatest, Double(link.output.byteCount) / Double(PeerOutput.maximumBytes + RepairSession.messageBytes))
            if let inbox = link.exchange?.inbox { greatest = max(greatest, inbox.load) }
        }
        return greatest
    }
}
