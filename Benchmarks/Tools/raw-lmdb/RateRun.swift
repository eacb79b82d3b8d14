import ArgumentParser
import Basics
import Glibc

/// The measurements of `raw-lmdb rates`, in order, each on what the ones before left.
struct RateRun {
    /// The transactions that fill a store are as large as Hearsay's tables.
    private static let fillBatch = 200_000

    private let options: RatesCommand
    private let environment: LMDBEnvironment
    private let clock = ContinuousClock()
    private let value: [UInt8]
    private var generator: SplitMix64
    private var figures = Figures()

    init(_ options: RatesCommand) throws {
        let exists = access("\(options.folder)/data.mdb", F_OK) == 0
        if exists, !options.spoil {
            throw ValidationError("\(options.folder) has an LMDB environment, which this run would spoil; --spoil says that this is meant.")
        }
        guard exists || mkdir(options.folder, 0o700) == 0 || errno == EEXIST else {
            throw FileError(operation: "create", file: options.folder, code: errno)
        }
        self.options = options
        self.environment = try LMDBEnvironment(folder: options.folder, database: options.database)
        self.value = [UInt8](repeating: 0x76, count: options.valueBytes)
        self.generator = SplitMix64(seed: options.seed)
    }

    mutating func measure() throws -> Figures {
        var left = self.options.fill
        while left > 0 {
            let count = min(left, Self.fillBatch)
            try self.environment.put(self.randomKeys(count).sorted(), value: self.value)
            left -= count
        }
        self.figures.add("entries_before", try self.environment.entryCount())
        let (environment, value) = (self.environment, self.value)
        let sorted = self.randomKeys(self.options.sorted).sorted()
        try self.time("sorted_puts", sorted.count) { try environment.put(sorted, value: value) }
        let batches = (0..<self.options.batches).map { _ in self.randomKeys(self.options.batch) }
        try self.time("random_puts", self.options.batches * self.options.batch) {
            for batch in batches { try environment.put(batch, value: value) }
        }
        // Sought by random tokens, so that the GETs reach all of the store and not only what was put now.
        let present = try self.environment.keys(near: self.randomKeys(self.options.gets))
        try self.time("gets", present.count) {
            let found = try environment.get(present)
            precondition(found == present.count, "\(found) of \(present.count) keys found that had been read before")
        }
        self.figures.add("entries_after", try self.environment.entryCount())
        return self.figures
    }

    private mutating func time(_ name: String, _ count: Int, _ body: () throws -> Void) throws {
        let seconds = try self.clock.measure(body).inSeconds
        self.figures.add(name, count)
        self.figures.add("\(name)_ms", Int(seconds * 1_000))
        self.figures.add("\(name)_per_second", Int(Double(count) / seconds))
    }

    private mutating func randomKeys(_ count: Int) -> [LMDBKey] {
        (0..<count).map { _ in LMDBKey(using: &self.generator) }
    }
}

/// A token of 8 bytes and a key of 16, in LMDB's order.
struct LMDBKey: Comparable, BitwiseCopyable {
    static let byteCount = 24

    /// As they lie in memory: big endian.
    private let token: UInt64
    private let key: (UInt64, UInt64)

    init(using generator: inout SplitMix64) {
        (self.token, self.key) = (generator.next().bigEndian, (generator.next().bigEndian, generator.next().bigEndian))
    }

    /// Nil where LMDB's key has another length: a store's keys may.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.byteCount else { return nil }
        self.token = bytes.loadUnaligned(as: UInt64.self)
        self.key = (bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
    }

    static func == (left: Self, right: Self) -> Bool { left.token == right.token && left.key == right.key }

    static func < (left: Self, right: Self) -> Bool {
        (left.token.bigEndian, left.key.0.bigEndian, left.key.1.bigEndian) < (right.token.bigEndian, right.key.0.bigEndian, right.key.1.bigEndian)
    }
}
