import Node
import Simulation
import Storage
import Testing

/// A store that has joined a cluster and not got everything.
@Suite struct LoadingTests {
    @Test func `started without peers it shows no part of the data, and says how to go on (I28)`() throws {
        let former = try ReplicaWorld()
        var contents = former.base.contents
        contents.checkpoint!.control = [.joining: [1]]
        let world = try ReplicaWorld(contents: contents)
        let client = world.connect()
        for command in [["GET", "key"], ["SET", "key", "value"], ["DBSIZE"]] {
            let answer = try client.send(command)
            #expect(answer.line.hasPrefix("-LOADING ") && answer.line.contains("--seed"), "\(command): \(answer)")
        }
    }
}
