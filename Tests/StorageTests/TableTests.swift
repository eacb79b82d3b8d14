import Basics
import Digests
import TestSupport
import Testing

@testable import Storage

@Suite struct TableTests {
    /// What a table should hold: sorted by token, then by key.
    private struct Model {
        struct Entry: Equatable {
            let token: Token
            let key: [UInt8]
            var sequence: UInt64
            var fold: Table.Fold
        }
        var entries: [Entry] = []

        func place(_ token: Token, _ key: [UInt8]) -> (index: Int, isPresent: Bool) {
            let index = self.entries.firstIndex { !($0.token < token || ($0.token == token && $0.key.lexicographicallyPrecedes(key))) }
            guard let index else { return (self.entries.count, false) }
            return (index, self.entries[index].token == token && self.entries[index].key == key)
        }
    }

    /// How tokens are drawn: spread, crowded on few values, or all at the end, where a run passes the last home slot.
    enum Crowd: CaseIterable {
        case none, values, end

        func draw(using generator: inout SplitMix64) -> Token {
            switch self {
            case .none: Token(rawValue: generator.next())
            case .values: Token(rawValue: generator.next() & 7 << 61 | generator.next() & 1)
            case .end: Token(rawValue: .max - generator.next() % 100)
            }
        }
    }

    @Test(arguments: Crowd.allCases, seeds(8))
    func `a table is a sorted array, whatever is put, removed, restored and folded`(crowd: Crowd, seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        var (table, model) = (Table(), Model())
        let steps = crowd == .none ? 2_000 : 400
        for step in 1...UInt64(steps) {
            self.change(&table, &model, crowd, step, using: &generator)
            if step.isMultiple(of: 97) || step == UInt64(steps) { self.compare(table, model, crowd, using: &generator) }
        }
    }

    private func change(_ table: inout Table, _ model: inout Model, _ crowd: Crowd, _ step: UInt64, using generator: inout SplitMix64) {
        let kind = generator.next() % 10
        if kind < 7 || model.entries.isEmpty {
            // At the end no more than the slack holds: real tokens are a secret hash and never crowd so.
            guard crowd != .end || model.entries.count < 200 else { return }
            let (token, key) = (crowd.draw(using: &generator), [UInt8](repeating: 7, count: Int(generator.next() % 4)))
            self.put(&table, &model, Model.Entry(token: token, key: key, sequence: step, fold: .below))
            return
        }
        let entry = model.entries[Int(generator.next() % UInt64(model.entries.count))]
        let (index, place) = (entry.key.withUnsafeBytes { table.index(of: entry.token, key: $0) }!, model.place(entry.token, entry.key).index)
        switch kind {
        case 7:
            table.remove(at: index)
            model.entries.remove(at: place)
        case 8:
            let fold: Table.Fold = generator.next() & 1 == 0 ? .this : .nothing
            table.setFold(fold, at: index)
            model.entries[place].fold = fold
        default:
            let earlier = table[index]
            self.put(&table, &model, Model.Entry(token: entry.token, key: entry.key, sequence: step, fold: .this))
            table.restore(earlier, at: index)
            model.entries[place] = entry
        }
    }

    private func put(_ table: inout Table, _ model: inout Model, _ entry: Model.Entry) {
        let (slot, chunk) = TestRecord.slot(
            TestRecord.header(sequence: entry.sequence), key: entry.key, token: entry.token, position: entry.sequence, fold: entry.fold)
        let replaced = table.put(slot, chunk: chunk)
        let (index, isPresent) = model.place(entry.token, entry.key)
        if isPresent {
            #expect(replaced?.position == model.entries[index].sequence)
            model.entries[index] = entry
        } else {
            #expect(replaced == nil)
            model.entries.insert(entry, at: index)
        }
    }

    private func compare(_ table: Table, _ model: Model, _ crowd: Crowd, using generator: inout SplitMix64) {
        #expect(table.count == model.entries.count)
        let unfolded = model.entries.filter { $0.fold != .this }.map(\.token)
        #expect(table.unfolded == unfolded.count)
        #expect(self.unfolded(table, stepsAtOnce: Int.random(in: 1...100, using: &generator)) == unfolded)
        var (copy, listed) = (table, Set<UInt64>())
        while let token = copy.takeUnfolded() { listed.insert(token.rawValue) }
        #expect(!table.hasFewUnfolded || listed.isSuperset(of: unfolded.map(\.rawValue)))
        #expect(self.walk(table, Token.first...Token.last) == model.entries)
        for _ in 0..<20 {
            let token = crowd.draw(using: &generator)
            #expect(self.walk(table, token...Token.last) == Array(model.entries.drop { $0.token < token }))
            let other = crowd.draw(using: &generator)
            let range = min(token, other)...max(token, other)
            #expect(self.walk(table, range) == model.entries.filter { range.contains($0.token) })
        }
        for entry in model.entries {
            let found = entry.key.withUnsafeBytes { table.find(entry.token, key: $0) }
            #expect(found?.position == entry.sequence)
            let missing = entry.key + [0]
            #expect(missing.withUnsafeBytes { table.find(entry.token, key: $0) == nil } || model.place(entry.token, missing).isPresent)
        }
    }

    /// A walk over unfolded entries that pauses.
    private func unfolded(_ table: Table, stepsAtOnce: Int) -> [Token] {
        var (index, tokens) = (0, [Token]())
        while true {
            var steps = stepsAtOnce
            while table.skipFolded(from: &index, steps: &steps) {
                tokens.append(table[index].token)
                index += 1
            }
            if steps > 0 { return tokens }
        }
    }

    private func walk(_ table: Table, _ range: ClosedRange<Token>) -> [Model.Entry] {
        var entries: [Model.Entry] = []
        var index = table.firstIndex(in: range)
        while let place = index {
            let slot = table[place]
            let view = slot.record!.view
            entries.append(Model.Entry(token: slot.token, key: Array(view.key), sequence: view.dot.sequence, fold: slot.fold))
            index = table.index(after: place, through: range.upperBound)
        }
        return entries
    }

    @Test func `keys of one token are told apart, and lie in the order of their bytes`() {
        let keys = ["b", "", "ab", "a", "aa"].map { [UInt8]($0) }
        var table = Table()
        for key in keys {
            let (slot, chunk) = TestRecord.slot(TestRecord.header(), key: key, token: Token(rawValue: 9))
            table.put(slot, chunk: chunk)
        }
        #expect(self.walk(table, Token(rawValue: 9)...Token.last).map(\.key) == ["", "a", "aa", "ab", "b"].map { [UInt8]($0) })
        #expect(self.walk(table, Token(rawValue: 10)...Token.last).isEmpty)
    }

    @Test func `unfolded entries are known one by one up to a bound, and again once all are folded`() {
        var table = Table()
        let (slot, chunk) = TestRecord.slot(TestRecord.header(), key: [1])
        func put(_ number: Int) {
            let token = Token(rawValue: UInt64(number) << 40)
            table.put(Table.Slot(token: token, record: slot.record!, position: 0, fold: .below), chunk: chunk)
        }
        for number in 1..<Table.fewUnfolded { put(number) }
        #expect(table.hasFewUnfolded)
        put(Table.fewUnfolded)
        #expect(table.hasFewUnfolded)
        put(Table.fewUnfolded + 1)
        #expect(!table.hasFewUnfolded && table.takeUnfolded() == nil)
        var (index, steps) = (0, Int.max)
        while table.skipFolded(from: &index, steps: &steps) { table.setFold(.this, at: index) }
        #expect(table.unfolded == 0)
        put(0)
        #expect(table.hasFewUnfolded && table.takeUnfolded() == Token(rawValue: 0))
    }

    @Test func `a table keeps the records that it names, and counts their bytes until it goes`() {
        var table = Table()
        weak var held: Chunk?
        do {
            let (slot, chunk) = TestRecord.slot(TestRecord.header(), key: [1], payload: [2, 3])
            held = chunk
            table.put(slot, chunk: chunk)
        }
        #expect(held != nil && table.recordBytes == 8 + 1 + 48 + 2)
        let (newer, chunk) = TestRecord.slot(TestRecord.header(sequence: 2), key: [1])
        table.put(newer, chunk: chunk)
        #expect(held != nil && table.count == 1 && table.recordBytes == 59 + 57)
        table = Table()
        #expect(held == nil)
    }
}
