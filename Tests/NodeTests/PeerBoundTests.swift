import AntiEntropy
import Testing

@testable import Node

@Suite struct PeerBoundTests {
    @Test func `pushes are taken up to their bound and dropped above it`() {
        var output = PeerOutput()
        let taken = [PeerOutput.maximumPushBytes - 1, 2, 1, 1].map { output.appendPush([UInt8](repeating: 0, count: $0)) }
        #expect(taken == [true, false, true, false])
        #expect(output.byteCount == PeerOutput.maximumPushBytes)
        _ = output.pop(synced: 0)
        let isTaken = output.appendPush([1, 2])
        #expect(isTaken && output.byteCount == 3)
    }

    @Test func `a peer that reads nothing is kept no more answers than the bound, and all are in order`() {
        var output = PeerOutput()
        let answer = [UInt8](repeating: 7, count: 1 << 20)
        for number in 0..<20 { output.append([UInt8(number)] + answer, dependsOn: 0) }
        #expect(output.byteCount < PeerOutput.maximumBytes + answer.count + 1)
        var numbers: [UInt8] = []
        while let bytes = output.pop(synced: 0) { numbers.append(bytes[0]) }
        #expect(numbers == Array(0..<9) && output.byteCount == 0)
        output.append([20], dependsOn: 0)
        #expect(output.pop(synced: 0) == [20])
    }

    @Test func `a session's messages wait up to its window, counted by their length`() {
        var inbox = SessionInbox()
        let short = SessionMessage.acknowledge(units: 1)
        let taken = (0...SessionInbox.maximumUnits).map { _ in inbox.take(short) }
        #expect(taken.dropLast().allSatisfy { $0 } && taken.last == false)
        inbox.removeFirst()
        // The last one may be as long as a record; behind it nothing more is taken.
        let isLongTaken = inbox.take(.records([UInt8](repeating: 0, count: 8 << 20)))
        inbox.removeFirst()
        let isMoreTaken = inbox.take(short)
        #expect(isLongTaken && !isMoreTaken)
        while inbox.first != nil { inbox.removeFirst() }
        let isAgainTaken = inbox.take(short)
        #expect(isAgainTaken)
    }
}
