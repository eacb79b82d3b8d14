import Testing

/// GETRANGE against Redis's rules, transcribed step by step from `getrangeCommand` (t_string.c).
@Suite struct GetRangeModelTests {
    private static func redis(_ value: String, _ first: Int, _ last: Int) -> String {
        var (start, end) = (first, last)
        if start < 0 && end < 0 && start > end { return "" }
        if start < 0 { start += value.count }
        if end < 0 { end += value.count }
        if start < 0 { start = 0 }
        if end < 0 { end = 0 }
        if end >= value.count { end = value.count - 1 }
        if start > end || value.isEmpty { return "" }
        return String(value.dropFirst(start).prefix(end - start + 1))
    }

    @Test(arguments: 0...5)
    func `every pair of offsets names the bytes that Redis answers`(length: Int) throws {
        let client = try ReplicaWorld().connect()
        let value = String("abcde".prefix(length))
        try client.send("SET", "k", value)
        for first in -7...7 {
            for last in -7...7 {
                let answer = try client.send("GETRANGE", "k", "\(first)", "\(last)").text
                #expect(answer == Self.redis(value, first, last), "GETRANGE \(first) \(last) of \(value)")
            }
        }
    }
}
