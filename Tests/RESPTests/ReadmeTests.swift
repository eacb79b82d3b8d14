import Foundation
import RESP
import Testing

/// The README's list of commands is the table's own text, between two marks.
@Suite struct ReadmeTests {
    private static let readme = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("README.md")

    @Test func `README lists exactly the commands of the table`() throws {
        let text = try String(contentsOf: Self.readme, encoding: .utf8)
        let begin = try #require(text.range(of: "<!-- commands: CommandTable.markdown() -->\n"))
        let end = try #require(text.range(of: "<!-- end of commands -->\n", range: begin.upperBound..<text.endIndex))
        let listed = text[begin.upperBound..<end.lowerBound].split(separator: "\n", omittingEmptySubsequences: false)
        let declared = CommandTable.markdown().split(separator: "\n", omittingEmptySubsequences: false)
        for (number, pair) in zip(listed, declared).enumerated() where pair.0 != pair.1 {
            Issue.record("line \(number + 1) of the list is:\n\(pair.0)\nand should be:\n\(pair.1)")
        }
        #expect(listed.count == declared.count)
    }
}
