import Basics

extension Recipe {
    /// The history as text: the conditions, then what happens when, a line for each.
    package var story: String {
        let (plan, script) = self.draw()
        return ([plan.story] + script.steps.map { "  \($0)" }).joined(separator: "\n")
    }
}

extension WorldPlan {
    fileprivate var story: String {
        var parts = [
            "  \(self.nodes) nodes and \(self.joiners) joiners, \(self.keys) keys, \(self.clients) clients, durability \(self.durability.rawValue), \(self.length)"
        ]
        parts.append("tables of \(self.tableEntries) entries, logs of \(self.logCapBytes) bytes for others")
        parts.append("tombstones stay for \(self.windowSeconds) s")
        if self.lossPerThousand > 0 { parts.append("up to \(self.lossPerThousand) of 1,000 messages lost") }
        if self.duplicationPerThousand > 0 { parts.append("\(self.duplicationPerThousand) of 1,000 repeated") }
        if self.splitPerThousand > 0 { parts.append("\(self.splitPerThousand) of 1,000 cut in pieces") }
        if self.stallPerThousand > 0 { parts.append("\(self.stallPerThousand) of 1,000 held up for seconds") }
        if self.bootstrapBytesPerSecond > 0 { parts.append("\(self.bootstrapBytesPerSecond) bytes a second for joiners") }
        parts.append("delays up to \(self.greatestDelay)")
        if self.greatestClockOffset > .zero { parts.append("clocks off by up to \(self.greatestClockOffset)") }
        if self.greatestDrift > 0 { parts.append("drifting by up to \(self.greatestDrift) millionths") }
        if self.clocklessNodes > 0 { parts.append("a machine without a clock") }
        return parts.joined(separator: "; ")
    }
}

extension Step: CustomStringConvertible {
    package var description: String {
        let seconds = (self.at.inSeconds * 1_000).rounded() / 1_000
        return "\(self.number): at \(seconds) s \(self.action.text)"
    }
}

extension Step.Action {
    fileprivate var text: String {
        switch self {
        case .operate(let client, let node, let operation): "client \(client) has node \(node) \(operation.text)"
        case .partition(let kind, _, let duration): "the network falls apart, \(kind.rawValue), for \(duration)"
        case .reset: "a connection is reset"
        case .kill(let node, let down): "node \(node) is killed, and back after \(down)"
        case .cutPower(let node, let down, let waits):
            waits
                ? "the first node from \(node) on with unsynced bytes loses its power, and is back after \(down)"
                : "node \(node) loses its power, and is back after \(down)"
        case .pause(let node, let duration): "node \(node) is paused for \(duration)"
        case .failSync(let node, let down): "the next sync of node \(node) fails, and it is back \(down) after that"
        case .fillDisk(let node, let freeBytes, let duration): "the disk of node \(node) has \(freeBytes) bytes left for \(duration)"
        case .slowDisk(let node, let duration): "the disk of node \(node) is slow for \(duration)"
        case .flipBit(let node, let inLog, _, let down):
            "node \(node) is killed, a bit of its \(inLog ? "log" : "entries in the base") is another, and it is back after \(down)"
        case .stepClock(let node, let milliseconds): "the clock of node \(node) steps by \(milliseconds) ms"
        case .freezeClock(let node, let duration): "the clock of node \(node) stands still for \(duration)"
        case .leapClock(let node, let milliseconds, let duration):
            "the clock of node \(node) is set ahead by \(milliseconds) ms, and put right after \(duration)"
        case .endLeap(let node, let milliseconds): "the clock of node \(node) is set back by \(milliseconds) ms"
        case .appear(let node): "node \(node) is started, empty"
        case .join: "a new node joins"
        case .wipe(let node, let down): "the disk of node \(node) is exchanged for an empty one, and it is back after \(down)"
        case .snapshot(let node): "a copy of the disk of node \(node) is put aside"
        case .restore(let node, let down): "node \(node) gets the copy of its disk back, and is back itself after \(down)"
        case .copy(let node, let duration): "a second process runs on a copy of node \(node) for \(duration)"
        case .leave(let node): "node \(node) is told to leave"
        case .remove(let node, let by): "node \(node) is down for good, and node \(by) told to remove it"
        case .expel(let node, let by): "node \(by) is told to remove node \(node)"
        case .fence(let node, let by, let isDown, let duration):
            "node \(node) is \(isDown ? "killed, and back" : "cut off, and reached again") after \(duration); node \(by) will be told to fence it"
        case .confine(let node, let by): "node \(by) is told to fence node \(node)"
        case .replace(let node, let down): "node \(node) is down for good, and an empty one comes under its name after \(down)"
        }
    }
}

extension Step.Operation {
    fileprivate var text: String {
        switch self.kind {
        case .set: "set key\(self.key)"
        case .delete: "delete key\(self.key)"
        case .modify: "read key\(self.key) and change it"
        case .setAndWait(let members): "set key\(self.key) and wait for \(members) others"
        case .setExpiring(let milliseconds): "set key\(self.key) for \(milliseconds) ms"
        case .expire(let milliseconds): "let key\(self.key) expire in \(milliseconds) ms"
        case .setSibling(let milliseconds): "write key\(self.key) beside whatever there is\(milliseconds.map { ", for \($0) ms" } ?? "")"
        case .modifySiblings(let milliseconds):
            "read key\(self.key)'s siblings, and write one in their place elsewhere\(milliseconds.map { ", for \($0) ms" } ?? "")"
        case .deleteSiblings: "read key\(self.key)'s siblings, and delete them elsewhere"
        case .persist: "keep key\(self.key) from expiring"
        }
    }
}
