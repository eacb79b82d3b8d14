import Basics
import Logging
import Membership
import NIOCore
import NIOPosix
import Node
import Storage

/// The peers' side of the loop: connections in both directions, and what the replica asks for.
extension CoreLoop {
    /// Connections that have not greeted yet: strangers may hold so many.
    static let maximumGreeting = 64
    /// Connections from and to peers; members are at most 1,024.
    static let maximumPeerConnections = 2_200

    func admit(_ connection: PeerConnection) -> Bool {
        guard self.replica.hasPeers, self.stopping == nil, self.peerConnections.count < Self.maximumPeerConnections,
            self.peerConnections.count(where: { $0.link?.hasGreeted == false }) < Self.maximumGreeting
        else { return false }
        self.peerConnections.append(connection)
        return true
    }

    func received(_ bytes: UnsafeRawBufferPointer, on link: PeerLink) -> Int {
        self.orFail { () throws(StoreError) in try self.replica.received(bytes, on: link, at: self.moment) }
    }

    func nextOutput(_ link: PeerLink) -> [UInt8]? {
        self.orFail { () throws(StoreError) in try self.replica.nextOutput(link, at: self.moment) }
    }

    func gone(_ connection: PeerConnection, _ link: PeerLink) {
        self.peerConnections.removeAll { $0 === connection }
        self.replica.linkClosed(link, at: self.moment.now)
    }

    /// Does what peers need in a tick.
    func tendPeers() {
        guard self.replica.hasPeers else { return }
        self.orFail { () throws(StoreError) in try self.replica.tendPeers(at: self.moment) }
        let connections = self.peerConnections  // One that closes takes itself out.
        for connection in connections { connection.process() }
    }

    /// Sends what may leave, and does what the replica asks for.
    func servePeers() {
        let connections = self.peerConnections
        for connection in connections { connection.pump() }
        if let failure = self.replica.peerFailure { self.fail(failure) }
        for request in self.replica.takePeerRequests() {
            switch request {
            case .dial(let address): self.dial(address)
            case .tell(let text): self.logger.notice("\(text)")
            case .reopen: self.reopens()
            case .readLog(let link, let number, let read):
                let core = NIOLoopBound(self, eventLoop: self.eventLoop)
                self.threads.read(read) { records in core.value.logWasRead(link: link, number: number, records) }
            case .close(let id, let reason):
                guard let connection = self.peerConnections.first(where: { $0.link?.id == id }) else { continue }
                if let reason { self.log(reason, connection.link!) }
                connection.finish()
            }
        }
    }

    /// The log's reader has done what `PeerRequest.readLog` asked for.
    func logWasRead(link: UInt64, number: UInt16, _ records: [UInt8]?) {
        self.beginTickIfNeeded()
        self.replica.logWasRead(link: link, number: number, records, at: self.moment.now)
    }

    /// Peers are dialled for ever; what ends the same way every time is told once.
    private func log(_ reason: String, _ link: PeerLink) {
        let peer = link.dialed.map { "\($0)" } ?? link.peerName ?? "unknown"
        guard self.toldReasons[peer] != reason else { return }
        if link.dialed == nil {
            // Whoever reaches the port could fill the disk with lines otherwise, each with another reason.
            guard self.moment.now >= self.callersToldFrom else {
                self.untoldCallers += 1
                return
            }
            self.callersToldFrom = self.moment.now + .seconds(1)
        }
        if self.toldReasons.count > 1_000 { self.toldReasons.removeAll() }
        self.toldReasons[peer] = reason
        var metadata: Logger.Metadata = ["peer": "\(peer)", "cause": "\(reason)"]
        if self.untoldCallers > 0 { metadata["not-told"] = "\(self.untoldCallers)" }
        self.untoldCallers = 0
        self.logger.warning("connection to a peer closed", metadata: metadata)
    }

    private func dial(_ address: PeerAddress) {
        let core = NIOLoopBound(self, eventLoop: self.eventLoop)
        let connected = ClientBootstrap(group: self.eventLoop)
            .connectTimeout(.seconds(5))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: Self.peerWaterMark)
            .channelOption(.recvAllocator, value: Self.peerReceiveBuffers)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PeerConnection(core: core.value, dialed: address))
                }
            }
            .connect(host: address.host, port: Int(address.port))
        connected.assumeIsolated().whenFailure { _ in self.dialFailed(address) }
    }

    func dialFailed(_ address: PeerAddress) {
        self.beginTickIfNeeded()
        self.replica.dialFailed(address, at: self.moment.now)
    }

    /// Enough that a peer on another continent is kept busy, and little beside a table.
    static let peerWaterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 256 << 10, high: 512 << 10)

    /// Some frames at a time where much comes: what is left over of a frame is copied with each read.
    static let peerReceiveBuffers = AdaptiveRecvByteBufferAllocator(minimum: 1 << 10, initial: 4 << 10, maximum: 256 << 10)

    /// Runs what may find the base broken, which ends the process.
    func orFail<Result>(_ body: () throws(StoreError) -> Result) -> Result {
        do throws(StoreError) { return try body() } catch { self.fail(error) }
    }
}
