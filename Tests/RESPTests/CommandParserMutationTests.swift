import Basics
import RESP
import Testing

/// Inputs made by damaging good ones: they may give anything, but the same however they are split, and never a trap.
struct CommandParserMutationTests {
    private static let streamsPerSeed = 3_000

    @Test(arguments: [UInt64](1...10))
    func `damaged input never traps, and gives the same however it is split`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        let limits = CommandParser.Limits(
            maximumArguments: 5, maximumBulkBytes: 12, maximumCommandBytes: 30, maximumInlineBytes: 40, skipsOversized: seed % 2 == 0)
        for stream in 0..<Self.streamsPerSeed {
            let input = Self.damagedStream(using: &generator)
            let whole = events(whole: input, limits: limits)
            let split = events(of: input, limits: limits) { Int.random(in: 1...5, using: &generator) }
            #expect(whole == split, "seed \(seed), stream \(stream): \(input)")
        }
    }

    /// A few examples in random order with up to four bytes changed, lost, doubled or inserted.
    static func damagedStream(using generator: inout SplitMix64) -> [UInt8] {
        let examples = wholeExamples + brokenExamples
        var input: [UInt8] = []
        for _ in 0..<Int.random(in: 1...4, using: &generator) { input += examples.randomElement(using: &generator)?.input ?? [] }
        let telling = Array("*$\r\n\"'\\x-0123456789 \0\u{7f}".utf8)
        for _ in 0..<Int.random(in: 0...4, using: &generator) where !input.isEmpty {
            let index = Int.random(in: input.indices, using: &generator)
            let byte = telling.randomElement(using: &generator) ?? 0
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: input[index] = byte
            case 1: input.remove(at: index)
            case 2: input.insert(input[index], at: index)
            default: input.insert(byte, at: index)
            }
        }
        return input
    }
}
