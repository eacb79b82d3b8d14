import Basics
import RESP
import Testing

struct BytesTests {
    @Test(
        arguments: [
            ("0", 0), ("1", 1), ("-1", -1), ("99", 99), ("9223372036854775807", .max), ("-9223372036854775808", .min),
            ("9223372036854775808", nil), ("-9223372036854775809", nil), ("18446744073709551616", nil), ("99999999999999999999999", nil),
            ("", nil), ("-", nil), ("-0", nil), ("+1", nil), ("01", nil), ("00", nil), ("-01", nil), (" 1", nil), ("1 ", nil), ("1.0", nil),
            ("1a", nil), ("a", nil), ("--1", nil), ("1\0", nil),
        ] as [(String, Int64?)])
    func `an integer is read as Redis reads it`(text: String, value: Int64?) {
        #expect(withBytes(text) { $0.integer() } == value)
    }

    @Test(
        arguments: [
            ("0", 0), ("18446744073709551615", .max), ("18446744073709551616", nil), ("28446744073709551615", nil), ("-1", nil), ("", nil),
            ("007", nil), ("1x", nil),
        ] as [(String, UInt64?)])
    func `a cursor is digits only, up to 64 bits`(text: String, value: UInt64?) {
        #expect(withBytes(text) { $0.unsignedInteger() } == value)
    }

    @Test func `every integer reads back`() {
        var generator = SplitMix64(seed: 1)
        for _ in 0..<2_000 {
            let value = Int64(bitPattern: generator.next()) >> Int64.random(in: 0..<64, using: &generator)
            #expect(withBytes("\(value)") { $0.integer() } == value)
            #expect(withBytes("\(value.magnitude)") { $0.unsignedInteger() } == value.magnitude)
        }
    }

    @Test(arguments: [("MATCH", true), ("match", true), ("mAtCh", true), ("matc", false), ("matchx", false), ("m\u{41}tch", true), ("", false)])
    func `options are compared without regard to case`(text: String, isEqual: Bool) {
        #expect(withBytes(text) { $0.equalsIgnoringCase("MATCH") } == isEqual)
        #expect(withBytes(text) { $0.equalsIgnoringCase("match") } == isEqual)
    }

    @Test func `only letters have a case`() {
        #expect(!withBytes("[") { $0.equalsIgnoringCase("{") })
        #expect(!withBytes("@") { $0.equalsIgnoringCase("`") })
    }

    @Test func `bytes are equal when all of them are`() {
        withBytes("key") { key in
            withBytes("key") { #expect($0 == key) }
            withBytes("kex") { #expect($0 != key) }
            withBytes("ke") { #expect($0 != key) }
            #expect(key.elementsEqual("key"))
            #expect(key.elementsEqual(Array("key".utf8)))
            #expect(!key.elementsEqual("keys"))
            #expect(key.prefix(2).elementsEqual("ke"))
            #expect(key.prefix(9).elementsEqual("key"))
        }
    }

    @Test(arguments: [
        ([] as [UInt8], #""""#), (Array("plain".utf8), #""plain""#), (Array("a\"\\\n\r\t\u{7}\u{8}".utf8), #""a\"\\\n\r\t\a\b""#),
        ([0, 0x1f, 0x7f, 0xff], #""\x00\x1f\x7f\xff""#),
    ])
    func `a description is one printable line, as Redis quotes`(bytes: [UInt8], quoted: String) {
        #expect(bytes.withUnsafeBytes { Bytes($0).description } == quoted)
    }
}
