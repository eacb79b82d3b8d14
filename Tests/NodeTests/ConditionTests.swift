import Node
import Testing

/// Conditions are judged on this node alone: they are counted, and an operator may have them refused.
@Suite struct ConditionTests {
    private static let conditional = [
        "SETNX old x", "SET old x NX", "SET old x XX", "SET old x NX GET", "MSETNX old x", "RENAMENX old new", "COPY old new", "WATCH old",
        "SET old x NX EX 10", "EXPIRE old 10 NX", "PEXPIRE old 10 XX", "EXPIREAT old 10 GT", "PEXPIREAT old 10 LT",
    ]
    private static let unconditional = [
        "SET old x", "SET old x GET", "GETSET old x", "GETDEL old", "MSET old x", "RENAME old new", "COPY old new REPLACE", "APPEND old x", "UNWATCH",
        "MULTI", "SET old x EX 10", "SET old x KEEPTTL", "SETEX old 10 x", "EXPIRE old 10", "PERSIST old", "GETEX old EX 10",
    ]

    @Test(arguments: Self.conditional)
    func `a condition is counted`(command: String) throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try client.send("SET", "old", "1")
        #expect(try !client.type(command).line.hasPrefix("-"))
        #expect(try world.info("local_conditions") == "1")
        #expect(try world.info("refused_conditions") == "0")
    }

    @Test(arguments: Self.unconditional)
    func `what has no condition is neither counted nor refused`(command: String) throws {
        var configuration = ReplicaConfiguration()
        configuration.localConditions = .refuse
        let world = try ReplicaWorld(configuration: configuration)
        let client = world.connect()
        try client.send("SET", "old", "1")
        #expect(try !client.type(command).line.hasPrefix("-"))
        #expect(try world.info("local_conditions") == "0")
        #expect(try world.info("refused_conditions") == "0")
    }

    @Test(arguments: Self.conditional)
    func `a condition is refused where the operator says so, and nothing is written`(command: String) throws {
        var configuration = ReplicaConfiguration()
        configuration.localConditions = .refuse
        let world = try ReplicaWorld(configuration: configuration)
        let client = world.connect()
        try client.send("SET", "old", "1")
        let refusal = "-ERR conditions are judged on one node alone and are refused here (--local-conditions refuse)"
        #expect(try client.type(command).line == refusal)
        #expect(world.store.counters.recordsApplied == 1)
        #expect(try world.info("refused_conditions") == "1")
        #expect(try world.info("local_conditions") == "0")
    }

    @Test func `CONFIG SET changes the rule at once`() throws {
        let client = try ReplicaWorld().connect()
        try client.send("CONFIG", "SET", "local-conditions", "refuse")
        #expect(try client.send("SETNX", "a", "1").line.hasPrefix("-ERR conditions"))
        try client.send("CONFIG", "SET", "local-conditions", "allow")
        #expect(try client.send("SETNX", "a", "1").line == ":1")
    }
}
