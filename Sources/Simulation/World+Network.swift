import Basics
import Membership
import Node

/// Connections between nodes.
extension World {
    func connect(_ from: Int, _ incarnation: Int, _ address: PeerAddress) throws {
        guard self.nodes[from].incarnation == incarnation, self.nodes[from].replica != nil else { return }
        let index = Int(address.host.dropFirst(4))!
        let (dialer, target) = (self.nodes[from], index < self.nodes.count ? self.nodes[index] : nil)
        let partition = self.network.partition
        guard let target, target.replica != nil, partition.passes(from: from, to: index), partition.passes(from: index, to: from) else {
            return try self.turn(dialer) { $0.dialFailed(address, at: self.now) }
        }
        if target.pausedUntil > self.now {
            return self.queue.add(.connect(from: from, incarnation: incarnation, address), at: target.pausedUntil)
        }
        let connection = SimulatedConnection(id: self.connectionCount, from: from, to: index)
        self.connectionCount += 1
        for (node, side) in [(dialer, 0), (target, 1)] {
            try self.turn(node) { replica in
                connection.setLink(replica.linkOpened(dialed: side == 0 ? address : nil, at: self.now), of: side)
                node.ends.append(ConnectionEnd(connection: connection, side: side))
            }
        }
    }

    func send(_ bytes: [UInt8], on connection: SimulatedConnection, to side: Int) {
        let (from, to) = (connection.node(of: 1 - side), connection.node(of: side))
        let fate = self.network.fate(from: from, to: to, &self.counts)
        if fate.copies == 0 { connection.hasLost = true }
        for _ in 0..<fate.copies {
            var start = 0
            if fate.pieces > 1 {
                for cut in self.network.cuts(of: bytes.count, pieces: fate.pieces) {
                    self.carry(Array(bytes[start..<cut]), on: connection, to: side, stall: fate.stall)
                    start = cut
                }
            }
            self.carry(start == 0 ? bytes : Array(bytes[start...]), on: connection, to: side, stall: fate.stall)
        }
    }

    private func carry(_ piece: [UInt8], on connection: SimulatedConnection, to side: Int, stall: Duration) {
        let (from, to) = (connection.node(of: 1 - side), connection.node(of: side))
        let delay = self.network.delay(&self.counts) + self.network.lag(from: from, to: to) + stall
        let at = max(self.now + delay, connection.arrival(at: side) + .microseconds(1))
        connection.setArrival(at, at: side)
        self.queue.add(.deliver(connection, side: side, piece), at: at)
    }

    func deliver(_ bytes: [UInt8], on connection: SimulatedConnection, _ side: Int) throws {
        guard self.network.partition.passes(from: connection.node(of: 1 - side), to: connection.node(of: side)) else {
            connection.hasLost = true
            return
        }
        let node = self.nodes[connection.node(of: side)]
        guard connection.link(of: side) != nil else {
            // A process that knows nothing of the connection says so, once there is one.
            if node.replica != nil, connection.isOpen { self.tellClosed(connection, 1 - side) }
            return
        }
        connection.receive(bytes, at: side)
        try self.turn(node) { _ in }
    }

    /// A side closes, or hears that the other has.
    func hangUp(_ connection: SimulatedConnection, _ side: Int, isTold: Bool) throws {
        guard let link = connection.link(of: side) else { return }
        if isTold, !self.network.partition.passes(from: connection.node(of: 1 - side), to: connection.node(of: side)) {
            connection.hasLost = true
            self.counts[.halfOpen] += 1
            return
        }
        connection.setLink(nil, of: side)
        let node = self.nodes[connection.node(of: side)]
        node.ends.removeAll { $0.connection === connection && $0.side == side }
        if !isTold { self.tellClosed(connection, 1 - side) }
        try self.turn(node) { $0.linkClosed(link, at: self.now) }
    }

    /// Behind what is on its way: a refusal is heard.
    private func tellClosed(_ connection: SimulatedConnection, _ side: Int) {
        let at = max(self.now, connection.arrival(at: side)) + .microseconds(1)
        self.queue.add(.hangUp(connection, side: side, isTold: true), at: at)
    }

    /// All connections of a process that has ended. The system tells the other sides; where the power went nobody does.
    func closeAll(of node: SimulatedNode, tellsOthers: Bool) {
        for end in node.ends {
            end.connection.setLink(nil, of: end.side)
            if tellsOthers {
                self.tellClosed(end.connection, 1 - end.side)
            } else {
                end.connection.hasLost = true
                self.counts[.halfOpen] += 1
            }
        }
        node.ends = []
    }

    /// Breaks a connection in both directions.
    func reset(_ connection: SimulatedConnection) {
        for side in 0...1 { self.queue.add(.hangUp(connection, side: side, isTold: false), at: self.now + .microseconds(1)) }
    }

    /// What has lost something breaks: TCP either brings everything or ends.
    func resetLossy() {
        for node in self.nodes { for end in node.ends where end.connection.hasLost { self.reset(end.connection) } }
    }
}
