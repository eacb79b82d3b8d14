import Digests
import Storage

/// Comparing a store with its model. Each check throws a `StoreModel.Violation` that names the first difference.
extension StoreWorld {
    /// All checks that hold at any moment; the digest, which waits for a running drain, only where none runs.
    package func check() throws {
        try self.checkEntries()
        try self.checkSeen()
        try self.checkDigest()
    }

    /// A walk over all entries and a lookup of every key show the model's versions and nothing else.
    package func checkEntries() throws {
        var expected = self.model.entries()
        var problems: [String] = []
        var tokens: [Token] = []
        try self.store.scan(Token.first...Token.last) { entry in
            let key = Array(entry.key)
            tokens.append(entry.token)
            if let problem = Self.difference(entry.record, expected.removeValue(forKey: key)) { problems.append("scan of \(key): \(problem)") }
            return true
        }
        problems += expected.keys.map { "scan misses \($0)" }
        if tokens != tokens.sorted() { problems.append("scan out of order") }
        for (key, write) in self.model.entries() {
            if let problem = try self.differenceFound(key, write) { problems.append("lookup of \(key): \(problem)") }
        }
        if let first = problems.min() { throw StoreModel.Violation(description: "\(first) (\(problems.count) in all)") }
    }

    /// `seen` covers the model's writes and none besides.
    package func checkSeen() throws {
        for replica in self.store.seen.replicas where self.store.seen.watermark(of: replica) != self.model.watermark(of: replica) {
            throw StoreModel.Violation(
                description: "seen \(self.store.seen), but the last write of \(replica) is \(self.model.watermark(of: replica))")
        }
        if let last = self.model.writes.last?.header, !self.store.seen.covers(last.dot) {
            throw StoreModel.Violation(description: "seen \(self.store.seen) lacks \(last.dot)")
        }
        if let last = self.model.writes.last?.header, self.store.greatestStamp < last.stamp.time {
            throw StoreModel.Violation(description: "greatest stamp \(self.store.greatestStamp) is below \(last.stamp)")
        }
    }

    /// Once folded, the digest is the model's, the count of live keys too, and a recount of every leaf agrees.
    package func checkDigest() throws {
        guard try self.store.fold(budget: .max) else { return }
        let expected = self.model.digest(under: self.store.identity.digestKey)
        guard self.store.foldedDigest == expected else {
            throw StoreModel.Violation(description: "digest \(self.store.foldedDigest), expected \(expected)")
        }
        guard self.store.liveKeys == self.model.liveKeys else {
            throw StoreModel.Violation(description: "\(self.store.liveKeys) live keys, expected \(self.model.liveKeys)")
        }
        guard self.store.expiringKeys == self.model.expiringKeys else {
            throw StoreModel.Violation(description: "\(self.store.expiringKeys) keys with a deadline, expected \(self.model.expiringKeys)")
        }
        let recount = try self.store.recount(from: Token(rawValue: 0), budget: .max)
        guard let recount, recount.mismatch == nil, recount.damaged == 0, recount.next == nil else {
            throw StoreModel.Violation(description: "recount \(String(describing: recount))")
        }
    }

    private func differenceFound(_ key: [UInt8], _ write: StoreModel.Write) throws -> String? {
        try key.withUnsafeBytes { key in
            switch try self.store.find(self.store.token(of: key), key: key) {
            case .nothing: "nothing, expected \(write.header)"
            case .damaged: "damaged"
            case .record(let record, let position, let layer):
                if let problem = Self.difference(record, write) {
                    problem
                } else if layer != .base && position != write.position {
                    "position \(position), expected \(write.position)"
                } else {
                    nil
                }
            }
        }
    }

    /// Nil where both are the same version.
    private static func difference(_ record: RecordView?, _ write: StoreModel.Write?) -> String? {
        guard let record else { return "unreadable, expected \(String(describing: write?.header))" }
        guard let write else { return "\(record.versionHeader), expected nothing" }
        guard record.versionHeader == write.header else { return "\(record.versionHeader), expected \(write.header)" }
        return record.payload.elementsEqual(write.payload) ? nil : "another value than \(write.payload.count) bytes of \(write.header)"
    }
}
