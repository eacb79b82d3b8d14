import Glibc

/// The seeds of a randomised test: the same in every run, and `HEARSAY_SEEDS` times as many where that is set.
///
/// Pass them as the test's arguments: a failure then names its seed.
package func seeds(_ count: Int) -> [UInt64] {
    let factor = getenv("HEARSAY_SEEDS").flatMap { Int(String(cString: $0)) } ?? 1
    return (1...UInt64(count * max(1, factor))).map { $0 }
}
