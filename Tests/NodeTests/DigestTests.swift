import Basics
import TestSupport
import Testing

/// The digest says what a node holds, and nothing of how it came to hold it (I17).
@Suite struct DigestTests {
    @Test(arguments: seeds(20))
    func `two nodes of one identity that hold the same versions have one digest, however they were folded, drained and restarted`(seed: UInt64) throws
    {
        var random = SplitMix64(seed: seed)
        let plain = try ReplicaWorld(seed: 7)
        let other = try ReplicaWorld(seed: 7)
        let client = plain.connect()
        var otherClient = other.connect()
        for step in 0..<300 {
            let key = "key:\(Int.random(in: 0..<80, using: &random))"
            let words = Int.random(in: 0..<4, using: &random) == 0 ? ["DEL", key] : ["SET", key, "\(step)"]
            try client.send(words)
            try otherClient.send(words)
            switch Int.random(in: 0..<30, using: &random) {
            case 0: _ = try other.store.fold(budget: Int.random(in: 1...40, using: &random))
            case 1: try other.stepDrain()
            case 2: _ = try other.digest()
            case 3:
                try other.commit()
                try other.restart()
                otherClient = other.connect()
            default: break
            }
        }
        #expect(try other.digest() == plain.digest())
        #expect(try otherClient.send("HEARSAY", "VERIFY").text == plain.digest())
        #expect(try otherClient.send("DBSIZE").line == client.send("DBSIZE").line)
    }

    @Test func `nodes of two clusters do not compare`() throws {
        let (one, two) = (try ReplicaWorld(seed: 1), try ReplicaWorld(seed: 2))
        for world in [one, two] { try world.connect().send("SET", "a", "1") }
        #expect(try one.digest() != two.digest())
    }

    /// A slice, as the core loop grants one each millisecond.
    private func tend(_ world: ReplicaWorld) throws {
        world.now = world.now + .milliseconds(1)
        try world.replica.tendDigest(at: world.now)
    }

    @Test func `while writes come faster than a slice folds, folding is left to the drain`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        let keys = (0..<3_000).map { "key:\($0)" }
        for key in keys { try client.send("SET", key, "old") }
        _ = try world.digest()
        while world.replica.wantsTending { try self.tend(world) }
        for first in stride(from: 0, to: keys.count, by: 50) {
            for key in keys[first..<first + 50] { try client.send("SET", key, "new") }
            if world.replica.wantsTending { try self.tend(world) }
        }
        #expect(world.store.live.unfolded > keys.count / 3)
    }

    @Test(arguments: [500, 5_000])
    func `once writes stop, what is left is folded slice by slice`(count: Int) throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        for index in 0..<count { try client.send("SET", "key:\(index)", "value") }
        var slices = 0
        while world.replica.wantsTending, slices < 1_000 {
            try self.tend(world)
            slices += 1
        }
        #expect(world.store.isFolded)
        #expect(slices > 1)
    }
}
