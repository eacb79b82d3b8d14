import Basics

/// Changes as disks, cables and people who mean harm make them.
enum Mutation {
    /// One to four changes of one of the inputs.
    static func mutant(of inputs: [[UInt8]], using random: inout SplitMix64) -> [UInt8] {
        var bytes = inputs.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...4, using: &random) { self.change(&bytes, inputs, &random) }
        return bytes
    }

    private static func change(_ bytes: inout [UInt8], _ inputs: [[UInt8]], _ random: inout SplitMix64) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        let rest = bytes.count - place
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes.removeLast(rest)
        case 1: bytes.removeSubrange(place..<place + Int.random(in: 0...min(rest, 16), using: &random))
        case 2: bytes.insert(contentsOf: (0..<Int.random(in: 1...8, using: &random)).map { _ in self.byte(&random) }, at: place)
        case 3:
            let other = inputs.randomElement(using: &random) ?? []
            bytes.replaceSubrange(place..., with: other.dropFirst(Int.random(in: 0...other.count, using: &random)))
        case 4 where rest > 0: bytes[place] = self.byte(&random)
        default: if rest > 0 { bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
        }
    }

    /// The ends of every range more often than what lies between.
    private static func byte(_ random: inout SplitMix64) -> UInt8 {
        [0, 1, 0x7f, 0x80, 0xff, UInt8.random(in: 0...255, using: &random)].randomElement(using: &random) ?? 0
    }
}
