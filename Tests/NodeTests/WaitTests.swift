import Basics
import RESP
import Testing

/// WAIT and HEARSAY LAG on a node that is alone.
@Suite struct WaitTests {
    @Test func `a node without members answers 0: at once where nobody is asked for, else when the time is over`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try client.send("SET", "key", "value")
        #expect(try client.send("WAIT", "0", "0").reply == .integer(0))
        #expect(try client.send("WAIT", "-1", "0").reply == .integer(0))
        let job = try client.beginJob("WAIT", "1", "100")
        #expect(try job.advance() == nil)
        world.now = world.now + .milliseconds(99)
        #expect(try job.advance() == nil)
        world.now = world.now + .milliseconds(1)
        #expect(try job.advance()?.reply == .integer(0))
    }

    @Test func `what is no number of members, or no time, is refused in Redis's words`() throws {
        let client = try ReplicaWorld().connect()
        for (arguments, error) in [
            (["x", "0"], "ERR value is not an integer or out of range"), (["1", "x"], "ERR timeout is not an integer or out of range"),
            (["1", "-5"], "ERR timeout is negative"),
        ] { #expect(try client.send(["WAIT"] + arguments).reply == .error(error)) }
    }

    @Test func `neither WAIT nor a comparison with a member is part of a transaction`() throws {
        let client = try ReplicaWorld().connect()
        for command in [["WAIT", "0", "0"], ["HEARSAY", "REPAIR", "n2"], ["HEARSAY", "DIFF", "n2"]] {
            try client.send("MULTI")
            #expect(try client.send(command).reply == .error("ERR Command not allowed inside a transaction"))
            try client.send("DISCARD")
        }
    }
}
