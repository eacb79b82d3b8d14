/// Writes one JSON object, member by member in the order of the calls. All that the reports need, without a dependency.
struct JSONObject {
    private var members: [String] = []

    /// The object on one line.
    var text: String { "{\(self.members.joined(separator: ","))}" }

    mutating func add(_ name: String, _ value: Int) { self.addRaw(name, String(value)) }
    mutating func add(_ name: String, _ value: UInt64) { self.addRaw(name, String(value)) }
    mutating func add(_ name: String, _ value: Bool) { self.addRaw(name, value ? "true" : "false") }
    mutating func add(_ name: String, _ value: Double, decimals: Int) { self.addRaw(name, fixed(value, decimals: decimals)) }
    mutating func add(_ name: String, _ values: [Double], decimals: Int) {
        self.addRaw(name, "[\(values.map { fixed($0, decimals: decimals) }.joined(separator: ","))]")
    }
    mutating func add(_ name: String, _ value: String) { self.addRaw(name, Self.quoted(value)) }
    mutating func add(_ name: String, _ values: [String]) { self.addRaw(name, "[\(values.map(Self.quoted).joined(separator: ","))]") }
    mutating func add(_ name: String, _ value: JSONObject) { self.addRaw(name, value.text) }
    mutating func add(_ name: String, _ values: [JSONObject]) { self.addRaw(name, "[\(values.map(\.text).joined(separator: ","))]") }
    mutating func addNull(_ name: String) { self.addRaw(name, "null") }

    private mutating func addRaw(_ name: String, _ json: String) { self.members.append("\(Self.quoted(name)):\(json)") }

    /// The text as a JSON string: quotes, backslashes and control characters escaped (RFC 8259, §7).
    private static func quoted(_ text: String) -> String {
        var json = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": json += "\\\""
            case "\\": json += "\\\\"
            case "\n": json += "\\n"
            case "\r": json += "\\r"
            case "\t": json += "\\t"
            case "\u{0}"..."\u{1f}":
                let digits = String(scalar.value, radix: 16)
                json += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: json.unicodeScalars.append(scalar)
            }
        }
        return json + "\""
    }
}
