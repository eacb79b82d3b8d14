import Basics
import RESP

/// CLIENT: what a client can learn and do about connections.
extension Replica {
    func client(_ call: Call, _ writer: inout ReplyWriter) -> Outcome {
        let (session, now) = (call.session, call.moment.now)
        switch call.subcommand {
        case .clientID: writer.integer(Int(session.id))
        case .clientInfo: writer.verbatim(self.line(session, at: now) + "\n")
        case .clientList: self.list(call, &writer)
        case .clientGetName: if session.name.isEmpty { writer.null() } else { writer.bulk(session.name) }
        case .clientSetName: self.setName(call, &writer)
        case .clientSetInfo: self.setInfo(call, &writer)
        case .clientKill: self.kill(call, &writer)
        default: Command.client.writeHelp(to: &writer)
        }
        return .answered(dependsOn: 0)
    }

    private func setName(_ call: Call, _ writer: inout ReplyWriter) {
        guard isClientName(call.arguments[2]) else {
            self.statistics.errors += 1
            return writer.error("ERR Client names cannot contain spaces, newlines or special characters.")
        }
        call.session.name = call.arguments[2].copy()
        writer.ok()
    }

    private func setInfo(_ call: Call, _ writer: inout ReplyWriter) {
        let (option, value) = (call.arguments[2], call.arguments[3])
        let isName = option.equalsIgnoringCase("LIB-NAME")
        guard isName || option.equalsIgnoringCase("LIB-VER") else {
            self.statistics.errors += 1
            return writer.error("ERR", "Unrecognized option '\(option.prefix(128).text)'")
        }
        guard isClientName(value) else {
            self.statistics.errors += 1
            return writer.error("ERR", "\(isName ? "lib-name" : "lib-ver") cannot contain spaces, newlines or special characters.")
        }
        if isName { call.session.libraryName = value.copy() } else { call.session.libraryVersion = value.copy() }
        writer.ok()
    }

    // MARK: CLIENT LIST

    private func list(_ call: Call, _ writer: inout ReplyWriter) {
        let arguments = call.arguments
        var chosen = self.sessions.filter { !$0.isKilled }
        if arguments.count > 3, arguments[2].equalsIgnoringCase("ID") {
            var ids: [Int64] = []
            for index in 3..<arguments.count {
                guard let id = arguments[index].integer() else {
                    self.statistics.errors += 1
                    return writer.error("ERR Invalid client ID")
                }
                ids.append(id)
            }
            chosen = chosen.filter { ids.contains(Int64($0.id)) }
        } else if arguments.count == 4, arguments[2].equalsIgnoringCase("TYPE") {
            guard let isNormal = self.isNormalType(arguments[3], &writer) else { return }
            if !isNormal { chosen = [] }
        } else if arguments.count > 2 {
            return self.answerSyntaxError(&writer)
        }
        writer.verbatim(chosen.map { self.line($0, at: call.moment.now) + "\n" }.joined())
    }

    /// Every client is a normal one here; the other kinds that Redis knows have no members.
    private func isNormalType(_ name: Bytes, _ writer: inout ReplyWriter) -> Bool? {
        if name.equalsIgnoringCase("normal") { return true }
        if name.equalsIgnoringCase("master") || name.equalsIgnoringCase("replica") || name.equalsIgnoringCase("slave")
            || name.equalsIgnoringCase("pubsub")
        {
            return false
        }
        self.statistics.errors += 1
        writer.error("ERR", "Unknown client type '\(name.prefix(128).text)'")
        return nil
    }

    private func line(_ session: Session, at now: Instant) -> String {
        let fields: [(String, String)] = [
            ("id", "\(session.id)"), ("addr", session.address), ("laddr", session.localAddress),
            ("name", String(decoding: session.name, as: UTF8.self)), ("age", "\(Int(now.since(session.connectedAt).inSeconds))"),
            ("idle", "\(Int(now.since(session.lastActive).inSeconds))"), ("flags", session.transaction == nil ? "N" : "x"), ("db", "0"), ("sub", "0"),
            ("psub", "0"), ("multi", session.transaction.map { "\($0.commands.count)" } ?? "-1"), ("watch", "\(session.watches.count)"),
            ("qbuf", "\(session.bufferedInputBytes)"), ("omem", "\(session.bufferedOutputBytes)"),
            ("cmd", session.lastCommand.map { "\($0.specification.name)" } ?? "NULL"), ("user", "default"),
            ("resp", session.version == .three ? "3" : "2"), ("lib-name", String(decoding: session.libraryName, as: UTF8.self)),
            ("lib-ver", String(decoding: session.libraryVersion, as: UTF8.self)),
        ]
        return fields.map { "\($0)=\($1)" }.joined(separator: " ")
    }

    // MARK: CLIENT KILL

    private struct KillFilter {
        var id: UInt64?
        var address: Bytes?
        var localAddress: Bytes?
        var skipsCaller = true
        var matchesNone = false

        func matches(_ session: Session, caller: Session) -> Bool {
            guard !self.matchesNone, !(self.skipsCaller && session === caller) else { return false }
            if let id, session.id != id { return false }
            if let address, !address.elementsEqual(session.address.utf8) { return false }
            if let localAddress, !localAddress.elementsEqual(session.localAddress.utf8) { return false }
            return true
        }
    }

    /// The old form names one address and answers OK; the new one has filters and answers a number.
    private func kill(_ call: Call, _ writer: inout ReplyWriter) {
        if call.arguments.count == 3 {
            var filter = KillFilter()
            (filter.address, filter.skipsCaller) = (call.arguments[2], false)
            guard self.kill(filter, by: call.session) > 0 else {
                self.statistics.errors += 1
                return writer.error("ERR No such client")
            }
            return writer.ok()
        }
        guard let filter = self.parseKill(call.arguments, &writer) else {
            self.statistics.errors += 1
            return
        }
        writer.integer(self.kill(filter, by: call.session))
    }

    private func kill(_ filter: KillFilter, by caller: Session) -> Int {
        var count = 0
        for session in self.sessions where !session.isKilled && filter.matches(session, caller: caller) {
            session.isKilled = true
            count += 1
        }
        if count > 0 { self.hasKilled = true }
        return count
    }

    private func parseKill(_ arguments: Arguments, _ writer: inout ReplyWriter) -> KillFilter? {
        var filter = KillFilter()
        for index in stride(from: 2, to: arguments.count, by: 2) {
            guard index + 1 < arguments.count else {
                writer.error("ERR syntax error")
                return nil
            }
            let (word, value) = (arguments[index], arguments[index + 1])
            if word.equalsIgnoringCase("ID") {
                guard let id = value.unsignedInteger(), id > 0 else {
                    writer.error("ERR client-id should be greater than 0")
                    return nil
                }
                filter.id = id
            } else if word.equalsIgnoringCase("ADDR") {
                filter.address = value
            } else if word.equalsIgnoringCase("LADDR") {
                filter.localAddress = value
            } else if word.equalsIgnoringCase("SKIPME"), value.equalsIgnoringCase("YES") || value.equalsIgnoringCase("NO") {
                filter.skipsCaller = value.equalsIgnoringCase("YES")
            } else if word.equalsIgnoringCase("USER") {
                guard value.elementsEqual("default") else {
                    writer.error("ERR", "No such user '\(value.prefix(128).text)'")
                    return nil
                }
            } else if word.equalsIgnoringCase("TYPE") {
                guard let isNormal = self.isNormalType(value, &writer) else { return nil }
                filter.matchesNone = filter.matchesNone || !isNormal
            } else {
                writer.error("ERR syntax error")
                return nil
            }
        }
        return filter
    }

    /// The clients that CLIENT KILL has named since the last call; the driver closes them.
    package func takeKilled() -> [Session] {
        guard self.hasKilled else { return [] }
        self.hasKilled = false
        return self.sessions.filter(\.isKilled)
    }
}
