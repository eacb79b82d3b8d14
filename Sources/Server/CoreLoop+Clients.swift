import Basics
import Logging
import NIOCore
import Node
import RESP

/// Who is connected, what their buffers hold, and who has to go.
extension CoreLoop {
    /// Takes a client in; nil where there are too many.
    func admit(_ client: ClientConnection, _ channel: any Channel) -> Session? {
        let needsPassword = self.replica.configuration.password != nil
        guard self.clients.count < self.replica.configuration.maximumClients, self.stopping == nil,
            !needsPassword || self.clients.values.count(where: { !$0.isAuthenticated }) < ClientLimits.unauthenticatedClients
        else { return nil }
        let session = Session(
            id: self.nextClientID, address: channel.remoteAddress.map(text) ?? "?", localAddress: channel.localAddress.map(text) ?? "?",
            isAuthenticated: !needsPassword, at: SystemClock.now())
        self.nextClientID += 1
        self.clients[ObjectIdentifier(client)] = client
        self.replica.connected(session)
        self.scheduleHousekeeping()
        return session
    }

    func connectionRefused() { self.meters.refusedConnections += 1 }

    func gone(_ client: ClientConnection, accountedBytes: Int, job: Job?) {
        guard self.clients.removeValue(forKey: ObjectIdentifier(client)) != nil else { return }
        self.clientBytes -= accountedBytes
        if let job { self.replica.end(job) }
        self.replica.disconnected(client.session)
        self.parked.removeAll { $0 === client }
        self.working.removeAll { $0 === client }
        self.finishStop()
    }

    func protocolFailed(_ session: Session, _ error: ProtocolError) {
        self.logger.debug("client lost its framing", metadata: ["client": "\(session.address)", "cause": "\(error.message)"])
    }

    func closeKilled() {
        let killed = self.replica.takeKilled()
        guard !killed.isEmpty else { return }
        for client in self.clients.values where client.session.isKilled { client.kill() }
    }

    func received(byteCount: Int) { self.meters.receivedBytes += byteCount }
    func sent(byteCount: Int) { self.meters.sentBytes += byteCount }

    /// Counts what clients' buffers hold, and makes room by disconnecting those that hold most.
    func account(_ difference: Int) {
        self.clientBytes += difference
        guard difference > 0, self.clientBytes > self.replica.configuration.maximumClientMemoryBytes else { return }
        guard let largest = self.clients.values.filter(\.isEvictable).max(by: { $0.bufferedBytes < $1.bufferedBytes }) else { return }
        self.evict(largest, because: "all clients' buffers together are over the limit, and its are the largest")
    }

    func evict(_ client: ClientConnection, because reason: String) {
        guard client.isEvictable else { return }
        self.meters.evictedClients += 1
        // Anyone can connect, and must not fill the log.
        self.logger.log(
            level: client.isAuthenticated ? .warning : .debug, "client disconnected",
            metadata: ["client": "\(client.session.address)", "cause": "\(reason)", "bytes": "\(client.bufferedBytes)"])
        client.closeNow()
    }

    // MARK: Housekeeping

    /// Once a second, while there are clients, those are looked for that have waited too long.
    private func scheduleHousekeeping() {
        guard !self.isHousekeeping, !self.clients.isEmpty else { return }
        self.isHousekeeping = true
        self.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) {
            self.isHousekeeping = false
            self.keepHouse()
            self.scheduleHousekeeping()
        }
    }

    private func keepHouse() {
        let now = SystemClock.now()
        let idle = Duration.seconds(self.replica.configuration.idleTimeoutSeconds)
        for client in self.clients.values {
            let session = client.session!
            if let since = client.stalledSince, now.since(since) > ClientLimits.softOutputTime {
                self.evict(client, because: "it has not read its answers for 60 s")
            } else if !session.isAuthenticated, now.since(session.begunAt) > ClientLimits.unauthenticatedTime {
                client.closeNow()
            } else if idle > .zero, now.since(session.lastActive) > idle, !client.isBusy {
                client.closeNow()
            }
        }
    }
}

/// An address as Redis shows it: 127.0.0.1:7379, [::1]:7379.
private func text(_ address: SocketAddress) -> String {
    switch address {
    case .v4: "\(address.ipAddress ?? "?"):\(address.port ?? 0)"
    case .v6: "[\(address.ipAddress ?? "?")]:\(address.port ?? 0)"
    case .unixDomainSocket: address.pathname ?? "?"
    }
}
