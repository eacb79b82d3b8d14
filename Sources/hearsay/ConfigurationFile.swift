import Configuration
import FoundationEssentials
import Server

/// A JSON object of options by their long names, without the dashes: `{"max-clients": 500, "allow-flush": true}`.
struct ConfigurationFile {
    /// The values as text, as flags give them.
    let values: [String: String]

    /// - Throws: where the file cannot be read, is no such object, or has an option that is not one of `names`.
    init(path: String, names: Set<String>) throws(NodeFailure) {
        do {
            let scalars = try JSONDecoder().decode([String: Scalar].self, from: Data(contentsOf: URL(filePath: path)))
            self.values = scalars.mapValues(\.text)
        } catch let error as DecodingError {
            throw NodeFailure(.usage, "\(path) is not a JSON object of options: \(Self.describe(error))")
        } catch {
            throw NodeFailure(.usage, "cannot read the configuration file \(path): \(Self.describe(error))")
        }
        if let unknown = self.values.keys.filter({ !names.contains($0) }).min() {
            throw NodeFailure(.usage, "\(path): unknown option \"\(unknown)\" (hearsay node --help lists them)")
        }
    }

    private static func describe(_ error: DecodingError) -> String {
        switch error {
        case .dataCorrupted(let context), .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context):
            let place = context.codingPath.map(\.stringValue).joined(separator: ".")
            return place.isEmpty ? context.debugDescription : "\"\(place)\": \(context.debugDescription)"
        @unknown default: return "\(error)"
        }
    }

    private static func describe(_ error: any Error) -> String {
        guard let code = (error as? CocoaError)?.code else { return "\(error)" }
        switch code {
        case .fileReadNoSuchFile: return "there is no such file"
        case .fileReadNoPermission: return "permission denied"
        default: return "\(error)"
        }
    }

    /// What an option may be.
    private struct Scalar: Decodable {
        let text: String

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let flag = try? container.decode(Bool.self) {
                self.text = "\(flag)"
            } else if let number = try? container.decode(Int.self) {
                self.text = "\(number)"
            } else if let text = try? container.decode(String.self) {
                self.text = text
            } else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "neither text nor a whole number nor true or false")
            }
        }
    }
}
