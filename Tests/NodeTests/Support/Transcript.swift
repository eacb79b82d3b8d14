import Basics
import Node
import RESP
import Testing

/// Runs a conversation, written as a person sees it, and expects exactly its answers.
///
///     > SET greeting "hello world"
///     +OK
///     > GET greeting
///     $11 hello world
///
/// Each line of an answer but its last is joined to the next by a space. `B>` is a second client, and so on. `>` marks what
/// redis-server 7.0.15 answers alike, checked by hand; `~` what is Hearsay's own. Every command's tick is synced before the next.
/// `@ 100` alone on a line moves the wall clock on by so many milliseconds.
func expectTranscript(
    _ text: String, in world: ReplicaWorld, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    var clients: [Substring: TestClient] = [:]
    var command: String?
    var answer = ""
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
        if line.hasPrefix("@ "), let milliseconds = UInt64(line.dropFirst(2)) {
            world.wall = WallTime(milliseconds: world.wall.milliseconds + milliseconds)
            continue
        }
        guard let mark = line.firstIndex(where: { $0 == ">" || $0 == "~" }), line.distance(from: line.startIndex, to: mark) <= 1,
            line[line.index(after: mark)...].hasPrefix(" ")
        else {
            #expect(line == answer, "\(command ?? "no command")", sourceLocation: sourceLocation)
            (command, answer) = (nil, "")
            continue
        }
        if let command { Issue.record("\(command) answered \(answer), and nothing is expected", sourceLocation: sourceLocation) }
        let name = line[..<mark]
        let client = clients[name] ?? world.connect()
        clients[name] = client
        let words = String(line[line.index(mark, offsetBy: 2)...])
        answer = try client.type(words).line
        command = words
        try world.commit()
    }
    if let command { Issue.record("\(command) answered \(answer), and nothing is expected", sourceLocation: sourceLocation) }
    for client in clients.values { client.disconnect() }
}

func expectTranscript(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    try expectTranscript(text, in: try ReplicaWorld(), sourceLocation: sourceLocation)
}
