import Basics
import Digests
import Membership
import PeerWire
import Storage

/// Who belongs to the cluster, as this node knows it: durable before anything depends on it, told to all.
extension Replica {
    // MARK: Starting

    /// What the store knows of the cluster, with this process in it.
    ///
    /// - Throws: where the stored roster cannot be read.
    func restoredTable(_ name: MemberName) throws(StoreError) -> MemberTable {
        let own = self.store.identity.replica
        guard self.store.isFounded else { return MemberTable(ownReplica: own, ownName: name) }
        guard let bytes = self.store.control(.members) else { return MemberTable(ownReplica: own, ownName: name, roster: Roster(founders: [own])) }
        do throws(MalformedMembership) {
            let roster = try bytes.span.bytes.withUnsafeBytes { bytes throws(MalformedMembership) in try Roster(decoding: bytes) }
            return MemberTable(ownReplica: own, ownName: name, roster: roster)
        } catch {
            throw .foreign(reason: "the list of members in the store cannot be read: \(error)")
        }
    }

    /// Where the store came back under another id than it had, that takes the old one's place; and this start is noted.
    func enterRoster(at now: Instant) {
        guard self.store.isFounded, self.peers!.ownStatus ?? .active == .active else { return }
        let (before, member) = (self.peers!.table.roster, self.ownMember)
        do throws(RosterRefusal) {
            try self.peers!.table.change { roster throws(RosterRefusal) in
                if let former = self.store.formerReplica, roster[member.replica] == nil {
                    try roster.replace(former, with: member)
                } else {
                    _ = try roster.describe(member)
                }
            }
        } catch {
            return self.tell("the other members may refuse this node: \(error)")
        }
        // Alone there is nobody to tell, and nothing to be remembered that a start does not tell again.
        if !self.peers!.table.members.isEmpty { self.rosterChanged(from: before, at: now) }
    }

    var ownMember: Member {
        let peers = self.peers!
        return Member(
            replica: self.store.identity.replica, name: peers.table.ownName, address: peers.configuration.advertised, start: self.store.start)
    }

    func describingOurselves(_ roster: Roster) -> Roster {
        var roster = roster
        _ = try? roster.describe(self.ownMember)
        return roster
    }

    // MARK: Changing

    /// Takes over what another's roster has beyond ours.
    ///
    /// - Returns: why that cannot be; nil where it is done.
    func merge(_ roster: Roster, at now: Instant) -> String? {
        let before = self.peers!.table.roster
        guard roster != before else { return nil }  // Nearly always, where a link comes up.
        do throws(RosterRefusal) {
            if try self.peers!.table.change({ own throws(RosterRefusal) in try own.merge(roster) }) { self.rosterChanged(from: before, at: now) }
            return nil
        } catch { return "its list of members cannot be taken over: \(error)" }
    }

    /// Keeps what a member has said of itself.
    func describe(_ member: Member, at now: Instant) -> String? {
        let before = self.peers!.table.roster
        do throws(RosterRefusal) {
            if try self.peers!.table.change({ roster throws(RosterRefusal) in try roster.describe(member) }) {
                self.rosterChanged(from: before, at: now)
            }
            return nil
        } catch { return "\(error)" }
    }

    /// Makes a changed roster durable, tells it, and draws the consequences.
    func rosterChanged(from before: Roster, at now: Instant) {
        self.peers!.tickIsMixed = true
        let (roster, own) = (self.peers!.table.roster, self.store.identity.replica)
        self.store.setControl(.members, self.peers!.table.encodedRoster)
        self.learnAddresses(before: before.active.compactMap(\.address), at: now)
        let others = self.peers!.table.members.map(\.replica)
        self.peers!.identity.membersChanged(from: before.active.map(\.replica).filter { $0 != own }, to: others)
        // What members say of themselves they tell each other; who did not hear it finds out in the next round.
        guard roster.epoch != before.epoch else { return }
        for relation in self.peers!.relations { (relation.current, relation.confirmed) = (nil, nil) }  // E unchanged during the evaluation.
        self.sweeping.adopts = nil
        self.sweeping.nextAt = now  // The window may be another one, and who was waited for gone.
        for link in self.peers!.links where link.hasIntroduced {
            self.send(.roster(self.peers!.table.encodedRoster), on: link, dependsOn: self.store.appliedPosition)
        }
        for link in self.peers!.links where link.hasIntroduced {
            guard let status = roster[link.peer!]?.status, status != .active else { continue }
            // Once it has been told, which waits for the log.
            link.farewell = PeerLink.Farewell(behind: self.store.appliedPosition, reason: "\(link.peerName ?? "it") \(status.text)")
        }
        self.peers!.relations.removeAll { !roster.isActive($0.replica) }
        if let exclusion, before.isActive(own), self.peers!.leave == nil { self.exclude(exclusion) }
    }

    /// The members' addresses are those to dial.
    func learnAddresses(before: [PeerAddress], at now: Instant) {
        let addresses = self.peers!.table.addresses
        for address in addresses where !before.contains(address) { self.perform(self.peers!.dialer.handle(.learned(address), at: now)) }
        for address in before where !addresses.contains(address) { self.perform(self.peers!.dialer.handle(.forgot(address), at: now)) }
    }

    /// A member has told its roster.
    func learn(_ bytes: [UInt8], on link: PeerLink, at now: Instant) {
        guard let roster = try? self.peers!.table.roster(decoding: bytes) else {
            return self.refuse(link, because: "it sent a malformed roster")
        }
        link.theirEpoch = roster.epoch
        if let refusal = self.merge(roster, at: now) { return self.refuse(link, because: refusal) }
        let own = self.peers!.table.roster
        if own.epoch == roster.epoch { self.peers!.leave?.wasHeard() }
        // It lacks something: where ours has changed all have been told.
        if own != roster, !link.isClosing {
            self.send(.roster(self.peers!.table.encodedRoster), on: link, dependsOn: self.store.appliedPosition)
        }
    }

    /// Whether the other side counts the same members as this node. What it sends under another epoch is not taken (I21): one of both has yet to hear of
    /// something, and what is dropped meanwhile comes again.
    func isCurrent(_ link: PeerLink) -> Bool { link.theirEpoch == self.peers!.table.roster.epoch }

    // MARK: Not belonging any more

    /// Why this node is no member any more; nil where it is one, or was none yet.
    var exclusion: String? {
        if self.store.isForgetful {
            return
                "this node's data are older than deletes that all members have forgotten: it comes back with theirs, and with what only it has, once one answers"
        }
        guard let status = self.peers?.ownStatus, status != .active else { return nil }
        if status == .fenced {
            return "this node was fenced: it comes back with the data of the other members, and with what only it has, once one answers"
        }
        return "this node \(status.text); its data are in its folder as they were, and an empty folder can join anew"
    }

    /// Who belongs to the cluster, as this node knows it; nil for a node that was started to be alone.
    package var roster: Roster? { self.peers?.table.roster }

    /// Of the whole list of members; nil for a node that was started to be alone.
    package var rosterHash: UInt64? { self.peers?.table.rosterHash }

    /// True where this node is no member any more.
    package var isExcluded: Bool { self.store.isForgetful || self.peers?.ownStatus.map { $0 != .active } ?? false }

    func exclude(_ reason: String) {
        self.tell(reason)
        for link in self.peers!.links where !link.isClosing { self.close(link, because: nil) }
    }
}
