import CXXHash

/// The secret that a cluster draws once and that seeds its tokens and fingerprints, so that nobody outside can choose keys that collide.
///
/// Tokens are on disk, so a store keeps its key for ever. It authenticates nobody: XXH3 is no cryptographic hash, and every member knows the key.
/// The bytes live in one array, whose address is handed to each call: nothing is copied or derived per entry.
package struct DigestKey: Equatable, Sendable {
    /// The length of XXH3's own default secret, which every one of its loops is tuned to; it demands at least 136.
    package static let byteCount = 192

    package let bytes: [UInt8]

    /// - Precondition: There are `byteCount` bytes, random ones: XXH3 is as good as its secret.
    package init(bytes: [UInt8]) {
        precondition(bytes.count == DigestKey.byteCount, "a digest key has \(DigestKey.byteCount) bytes, not \(bytes.count)")
        self.bytes = bytes
    }

    /// Draws a key. Production passes the system's generator, tests a seeded one.
    package init(using generator: inout some RandomNumberGenerator) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(DigestKey.byteCount)
        for _ in 0..<DigestKey.byteCount / 8 {
            withUnsafeBytes(of: generator.next().littleEndian) { bytes.append(contentsOf: $0) }
        }
        self.init(bytes: bytes)
    }

    /// XXH3_64 of a key's bytes.
    package func token(of key: UnsafeRawBufferPointer) -> Token {
        self.bytes.withUnsafeBytes { secret in
            Token(rawValue: XXH3_64bits_withSecret(key.baseAddress, key.count, secret.baseAddress, secret.count))
        }
    }

    /// XXH3_128 of an entry's encoding, high word first as in the canonical form.
    ///
    /// The encoding must be injective (I18): entries that differ must differ in their bytes.
    package func fingerprint(of encoding: UnsafeRawBufferPointer) -> Fingerprint {
        self.bytes.withUnsafeBytes { secret in
            let hash = XXH3_128bits_withSecret(encoding.baseAddress, encoding.count, secret.baseAddress, secret.count)
            return Fingerprint(hash.high64) << 64 | Fingerprint(hash.low64)
        }
    }
}

extension DigestKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Says that there is a key, never which: texts and reflections end up in logs.
    package var description: String { "DigestKey(secret)" }
    package var debugDescription: String { self.description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
