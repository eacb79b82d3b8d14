import Membership
import Storage

/// A data folder that has been opened as a store, on its way to the loop; checked before where its last process did not stop in order, and put aside
/// and founded anew where it is damaged and that was asked for.
struct OpenedNode: @unchecked Sendable {  // The store goes to the loop's thread once, before anything else knows it.
    let folder: StoreFolder
    let disk: PosixDisk
    let base: LMDBBase
    let store: Store
    let report: OpeningReport
    let isMember: Bool
    /// Set where a damaged store was put aside.
    let aside: Aside?
    /// How long the check took; nil where there was none.
    let checkSeconds: Double?
    /// The file is as the last process left it, and yet does not hold what it held.
    let hasLostEntries: Bool

    struct Aside {
        let folder: String
        let damage: String
    }

    var identity: Identity { self.store.identity }

    static func open(_ options: NodeOptions) throws(NodeFailure) -> OpenedNode {
        let folder = try stored { () throws(StoreError) in try StoreFolder(path: options.folder) }
        let sign = try stored { () throws(StoreError) in try folder.cleanStop() }
        let began = SystemClock.now()
        let isChecked = folder.hasBase && (sign == nil || options.rebuilds)
        var aside: Aside?
        if let damage = try self.damage(of: folder, isChecked: isChecked) { aside = try self.setAside(folder, damage, options) }
        let seconds = isChecked ? SystemClock.now().since(began).inSeconds : nil
        try stored { () throws(StoreError) in try folder.removeCleanStop() }
        let parts: Parts
        let crash = NodeFailure(damaged: folder.path, "reading it through LMDB ended in a crash", hasSeeds: !options.peers.seeds.isEmpty)
        do throws(StoreError) {
            parts = try CrashLine.during(crash) { () throws(StoreError) in try Parts(folder, options) }
        } catch {
            // What the check does not look at: a log that lost what was synced, and more damaged entries than can be mended. And what it would have
            // found, had the last stop not been an orderly one.
            guard aside == nil, error.isDamage else { throw NodeFailure(error) }
            aside = try self.setAside(folder, error.description, options, instead: NodeFailure(error))
            parts = try stored { () throws(StoreError) in try Parts(folder, options) }
        }
        let before = aside == nil ? sign?.digest : nil
        return OpenedNode(
            folder: folder, disk: parts.disk, base: parts.base, store: parts.store, report: parts.report,
            isMember: parts.store.control(.members) != nil || parts.store.control(.formerMembers) != nil, aside: aside, checkSeconds: seconds,
            hasLostEntries: parts.report.damagedEntries == 0 && parts.report.startedOver == nil && before.map { $0 != parts.report.digest } ?? false)
    }

    private struct Parts {
        let disk: PosixDisk
        let base: LMDBBase
        let store: Store
        let report: OpeningReport

        init(_ folder: StoreFolder, _ options: NodeOptions) throws(StoreError) {
            self.disk = PosixDisk(folder: folder.logFolder)
            self.base = try LMDBBase(folder: folder.baseFolder)
            var generator = SystemRandomNumberGenerator()
            (self.store, self.report) = try Store.open(
                disk: self.disk, base: self.base, configuration: options.store, dropsDamagedLog: options.dropsDamagedLog,
                founds: !options.peers.awaitsOthers, using: &generator)
        }
    }

    /// What is damaged beyond what members mend, in words; nil where nothing is.
    private static func damage(of folder: StoreFolder, isChecked: Bool) throws(NodeFailure) -> String? {
        if try stored({ () throws(StoreError) in try folder.hasLogAlone() }) { return "there is a log, and no LMDB file that goes with it" }
        guard isChecked else { return nil }
        let findings = try CheckProcess(baseFolder: folder.baseFolder).run().file
        guard let first = findings.texts.first else { return nil }
        return first + (findings.count > 1 ? ", and \(findings.count - 1) more" : "")
    }

    /// - Throws: what the way out is, where it was not asked for.
    private static func setAside(
        _ folder: StoreFolder, _ damage: String, _ options: NodeOptions, instead failure: NodeFailure? = nil
    ) throws(NodeFailure) -> Aside {
        guard options.rebuilds else { throw failure ?? NodeFailure(damaged: folder.path, damage, hasSeeds: !options.peers.seeds.isEmpty) }
        return Aside(folder: try stored { () throws(StoreError) in try folder.setAside() }, damage: damage)
    }
}

/// Runs what a store can fail at, for a node that does not start then.
private func stored<Result>(_ body: () throws(StoreError) -> Result) throws(NodeFailure) -> Result {
    do throws(StoreError) { return try body() } catch { throw NodeFailure(error) }
}
