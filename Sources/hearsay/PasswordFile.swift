import Glibc

/// A file whose first line is a password.
enum PasswordFile {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// The longest password that AUTH takes.
    private static let maximumBytes = 512

    static func read(_ path: String) throws(Failure) -> [UInt8] {
        guard let file = fopen(path, "r") else {
            throw Failure(description: "cannot read the password file \(path): \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: Self.maximumBytes + 2)
        let count = fread(&bytes, 1, bytes.count, file)
        let password = bytes[..<count].prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        guard !password.isEmpty else { throw Failure(description: "the first line of the password file \(path) is empty") }
        guard password.count <= Self.maximumBytes else {
            throw Failure(description: "the password in \(path) is longer than \(Self.maximumBytes) bytes")
        }
        return Array(password)
    }
}
