import AntiEntropy
import Basics
import Digests
import RESP
import Storage
import Versioning

/// What was lost to damage, and when it counts as come back.
///
/// A node that has lost entries announces nothing of what it has seen (I26), and what other nodes have of them comes in a repair session, as the digests
/// differ. It has everything again where its root equals that of a complete member which has seen as much and lost nothing itself: of one that has seen
/// less, it may be what was lost that it lacks. Where its root equals those of all other members, what none of them has seen and no log holds is nowhere.
extension Replica {
    /// Which members have had this node's root since damage was last found.
    struct DamageWatch {
        var found = 0
        var equal: Set<ReplicaID> = []
        /// Those with which a session has compared everything since, whatever the roots are: one side may have dropped what the other holds.
        var compared: Set<ReplicaID> = []
    }

    /// What shows that a member has nothing that is missing here.
    enum Proof {
        case equalRoots
        /// A session in full.
        case session
    }

    /// A round has compared roots with a member that is complete, or a session everything.
    ///
    /// - Parameters:
    ///   - seen: what the member has seen; nil where it does not say.
    ///   - isWhole: the member has lost nothing.
    ///   - proof: nil where roots differ.
    func compared(_ proof: Proof?, with peer: ReplicaID, seen: Seen?, isWhole: Bool) {
        guard self.store.hasDamage, !self.store.hasRotten else { return }
        let missing = seen?.missing(of: self.store.seen, limit: GapWatch.maximumGaps)
        let (hasSeenAll, isNowhere) = (missing?.isEmpty ?? false, missing.map { self.store.logIndex.part(of: $0).isEmpty } ?? false)
        let found = self.store.counters.damagedEntries
        if self.damageWatch.found != found { self.damageWatch = DamageWatch(found: found) }
        guard let proof, hasSeenAll || isNowhere else {
            self.damageWatch.equal.remove(peer)
            return
        }
        if proof == .session { self.damageWatch.compared.insert(peer) } else { self.damageWatch.equal.insert(peer) }
        let isEverywhere = self.peers!.table.members.allSatisfy {
            self.damageWatch.equal.contains($0.replica) || self.damageWatch.compared.contains($0.replica)
        }
        let isBack = isWhole && hasSeenAll
        guard isBack || isEverywhere else { return }
        self.store.clearDamage()
        self.damageWatch = DamageWatch()
        self.peers!.tickIsMixed = true
        self.tell("what was lost to damage has come back" + (isBack ? "" : ", as far as any other member has it"))
    }

    // MARK: HEARSAY DAMAGE

    /// The open marks, or, with ACCEPT, none any more.
    func damage(_ call: Call, _ writer: inout ReplyWriter) -> LogPosition {
        guard call.arguments.count > 2 else {
            writer.array(count: self.store.damage.ranges.count)
            for range in self.store.damage.ranges { writer.bulk(Self.text(of: range)) }
            return self.store.appliedPosition
        }
        guard call.arguments.count == 3, call.arguments[2].equalsIgnoringCase("ACCEPT") else {
            self.answerSyntaxError(&writer)
            return 0
        }
        self.store.clearDamage()
        self.peers?.tickIsMixed = true
        writer.ok()
        return self.store.appliedPosition
    }

    private static func text(of range: ClosedRange<Token>) -> String {
        func digits(_ token: Token) -> String {
            let digits = String(token.rawValue, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
        return range.lowerBound == range.upperBound
            ? "key \(digits(range.lowerBound))" : "keys \(digits(range.lowerBound)) to \(digits(range.upperBound))"
    }

    /// For STATUS: what is open, and what was found.
    var damageText: String {
        let (open, counters) = (self.store.damage.ranges.count, self.store.counters)
        let found = "\(counters.damagedEntries) damaged entries found, \(counters.damagedReads) reads of them"
        if open > 0 { return "\(open) places where something was lost and has not come back (HEARSAY DAMAGE); \(found)" }
        return counters.damagedEntries == 0 ? "none known" : "none open; \(found)"
    }
}
