import Testing

/// What the commands on time to live answer, word by word.
@Suite struct ExpiryTests {
    @Test func `SET gives a deadline in any of four ways, and a plain SET takes it away`() throws {
        try expectTranscript(
            #"""
            > SET a 1 EX 100
            +OK
            > PTTL a
            :100000
            > SET a 1 PX 1500
            +OK
            > TTL a
            :2
            > PTTL a
            :1500
            > PEXPIRETIME a
            :1800000001623
            > EXPIRETIME a
            :1800000002
            > SET a 1 EXAT 1800000100
            +OK
            > PEXPIRETIME a
            :1800000100000
            > set a 1 pxat 1800000000999
            +OK
            > EXPIRETIME a
            :1800000001
            > PTTL a
            :876
            > SET a 1
            +OK
            > TTL a
            :-1
            > SET a 1 EX 10 EX 20
            +OK
            > TTL a
            :20
            > SET a 1 KEEPTTL KEEPTTL
            +OK
            > TTL a
            :20
            > SETEX a 7 x
            +OK
            > TTL a
            :7
            > PSETEX a 2500 x
            +OK
            > PTTL a
            :2500
            > GET a
            $1 x
            """#)
    }

    @Test func `a key is read up to its deadline, that millisecond included, and not after`() throws {
        try expectTranscript(
            #"""
            > SET a value PX 100
            +OK
            @ 99
            > GET a
            $5 value
            > PTTL a
            :1
            @ 1
            > GET a
            $5 value
            > PTTL a
            :0
            > TTL a
            :0
            > EXISTS a
            :1
            @ 1
            > GET a
            $-1
            > PTTL a
            :-2
            > TTL a
            :-2
            > PEXPIRETIME a
            :-2
            """#)
    }

    @Test func `a clock that steps back shows what had expired, as it is judged anew by each command`() throws {
        let world = try ReplicaWorld()
        try expectTranscript("~ SET a 1 PX 5\n+OK\n@ 6\n~ GET a\n$-1", in: world)
        world.wall = .init(milliseconds: world.wall.milliseconds - 1)
        try expectTranscript("~ GET a\n$1 1", in: world)
    }

    @Test func `options of SET on time contradict each other, and SET's conditions hold beside them`() throws {
        try expectTranscript(
            #"""
            > SET a 1 EX
            -ERR syntax error
            > SET a 1 NX EX
            -ERR syntax error
            > SET a 1 EX 10 PX 20
            -ERR syntax error
            > SET a 1 EX 10 KEEPTTL
            -ERR syntax error
            > SET a 1 KEEPTTL EX 10
            -ERR syntax error
            > SET a 1 KEEPTTL PXAT 10
            -ERR syntax error
            > SET a 1 PERSIST
            -ERR syntax error
            > EXISTS a
            :0
            > SET a 1 NX EX 100
            +OK
            > SET a 2 EX 5 NX
            $-1
            > TTL a
            :100
            > SET a 2 XX GET EX 50
            $1 1
            > TTL a
            :50
            > SET a 3 GET KEEPTTL
            $1 2
            > TTL a
            :50
            > SET a 3 NX GET EX x
            -ERR value is not an integer or out of range
            > SET none 1 KEEPTTL
            +OK
            > TTL none
            :-1
            """#)
    }

    @Test func `numbers that give no deadline are refused by SET and its like, and nothing is written`() throws {
        try expectTranscript(
            #"""
            > SET a 1 EX 0
            -ERR invalid expire time in 'set' command
            > SET a 1 EX -1
            -ERR invalid expire time in 'set' command
            > SET a 1 PXAT 0
            -ERR invalid expire time in 'set' command
            > SET a 1 EX x
            -ERR value is not an integer or out of range
            > SET a 1 EX 1.5
            -ERR value is not an integer or out of range
            > SET a 1 PX 9223372036854775808
            -ERR value is not an integer or out of range
            > SET a 1 PX 9223372036854775807
            -ERR invalid expire time in 'set' command
            > SET a 1 PX -9223372036854775808
            -ERR invalid expire time in 'set' command
            > SET a 1 EX 9223372036854775
            -ERR invalid expire time in 'set' command
            > SET a 1 EX 9223372036854776
            -ERR invalid expire time in 'set' command
            > SET a 1 EXAT 9223372036854776
            -ERR invalid expire time in 'set' command
            > SETEX a 0 v
            -ERR invalid expire time in 'setex' command
            > SETEX a x v
            -ERR value is not an integer or out of range
            > SETEX a 9223372036854776 v
            -ERR invalid expire time in 'setex' command
            > PSETEX a -5 v
            -ERR invalid expire time in 'psetex' command
            > PSETEX a 9223372036854775807 v
            -ERR invalid expire time in 'psetex' command
            > EXISTS a
            :0
            > SET a 1 PX 9223370236854775684
            +OK
            > PEXPIRETIME a
            :9223372036854775807
            > SET a 1 PX 9223370236854775685
            -ERR invalid expire time in 'set' command
            > SET a 1 PXAT 9223372036854775807
            +OK
            > PEXPIRETIME a
            :9223372036854775807
            > EXPIRETIME a
            :9223372036854776
            > PTTL a
            :9223370236854775684
            > TTL a
            :9223370236854776
            > SET a 1 EXAT 9223372036854775
            +OK
            > EXPIRETIME a
            :9223372036854775
            """#)
    }

    @Test func `a deadline in the past is a delete`() throws {
        let world = try ReplicaWorld()
        try expectTranscript(
            #"""
            > SET a 1 PXAT 1
            +OK
            > GET a
            $-1
            > SET b 1
            +OK
            > SET b 2 EXAT 1 GET
            $1 1
            > EXISTS b
            :0
            > SET c 1
            +OK
            > EXPIRE c -1
            :1
            > EXISTS c
            :0
            > SET d 1
            +OK
            > PEXPIRE d -9223372036854775808
            :1
            > SET e 1
            +OK
            > EXPIREAT e 0
            :1
            > SET f 1
            +OK
            > GETEX f PXAT 1
            $1 1
            > EXISTS d e f
            :0
            """#, in: world)
        for key in ["a", "b", "c", "d", "e", "f"] { #expect(try world.version(of: key)?.isTombstone == true) }
    }

    @Test func `a deadline that is now is over for EXPIRE and GETEX, and not yet for SET, as in Redis`() throws {
        try expectTranscript(
            #"""
            > SET a 1
            +OK
            > PEXPIREAT a 1800000000124
            :1
            > PTTL a
            :1
            > PEXPIREAT a 1800000000123
            :1
            > EXISTS a
            :0
            > SET a 1 PXAT 1800000000123
            +OK
            > PTTL a
            :0
            > GETEX a PXAT 1800000000123
            $1 1
            > EXISTS a
            :0
            > SET a 1 PXAT 1800000000122
            +OK
            > EXISTS a
            :0
            > SET a 1
            +OK
            > PEXPIRE a 0
            :1
            > EXISTS a
            :0
            """#)
    }

    @Test func `GETEX answers the value and changes the deadline, or nothing`() throws {
        try expectTranscript(
            #"""
            > GETEX none
            $-1
            > GETEX none EX x
            $-1
            > GETEX none EX 0
            $-1
            > GETEX none EX
            -ERR syntax error
            > SET a v
            +OK
            > GETEX a
            $1 v
            > TTL a
            :-1
            > GETEX a EX 5 EX 7
            $1 v
            > TTL a
            :7
            > GETEX a
            $1 v
            > TTL a
            :7
            > GETEX a px 2500
            $1 v
            > PTTL a
            :2500
            > GETEX a EXAT 1800000100
            $1 v
            > PEXPIRETIME a
            :1800000100000
            > GETEX a EX 0
            -ERR invalid expire time in 'getex' command
            > GETEX a EX x
            -ERR value is not an integer or out of range
            > GETEX a FOO
            -ERR syntax error
            > GETEX a NX
            -ERR syntax error
            > GETEX a KEEPTTL
            -ERR syntax error
            > GETEX a GET
            -ERR syntax error
            > GETEX a PERSIST EX 1
            -ERR syntax error
            > GETEX a EX 1 PERSIST
            -ERR syntax error
            > PEXPIRETIME a
            :1800000100000
            > GETEX a PERSIST PERSIST
            $1 v
            > TTL a
            :-1
            > GETEX a PERSIST
            $1 v
            """#)
    }

    @Test func `EXPIRE and its like set deadlines under their conditions`() throws {
        try expectTranscript(
            #"""
            > EXPIRE none 10
            :0
            > EXPIRE none -1
            :0
            > SET a v
            +OK
            > EXPIRE a 10 XX
            :0
            > EXPIRE a 10 GT
            :0
            > EXPIRE a 10 XX LT
            :0
            > EXPIRE a 10 NX
            :1
            > TTL a
            :10
            > EXPIRE a 20 NX
            :0
            > EXPIRE a 20 gt
            :1
            > EXPIRE a 20 GT
            :0
            > EXPIRE a 20 LT
            :0
            > EXPIRE a 10 GT
            :0
            > TTL a
            :20
            > EXPIRE a 5 XX LT
            :1
            > TTL a
            :5
            > PEXPIRE a 2500
            :1
            > PTTL a
            :2500
            > EXPIREAT a 1800000100
            :1
            > PEXPIRETIME a
            :1800000100000
            > PEXPIREAT a 1800000000999 XX XX
            :1
            > PEXPIRETIME a
            :1800000000999
            > PERSIST a
            :1
            > PERSIST a
            :0
            > PERSIST none
            :0
            > TTL a
            :-1
            > EXPIRE a 10 LT
            :1
            > TTL a
            :10
            > EXPIRE a -1 GT
            :0
            > EXPIRE a -1 LT
            :1
            > EXISTS a
            :0
            """#)
    }

    @Test func `EXPIRE refuses conditions that contradict each other, unknown ones, and numbers that give no deadline`() throws {
        try expectTranscript(
            #"""
            > SET a v
            +OK
            > EXPIRE a 10 NX XX
            -ERR NX and XX, GT or LT options at the same time are not compatible
            > EXPIRE a 10 GT NX
            -ERR NX and XX, GT or LT options at the same time are not compatible
            > PEXPIRE a x NX LT
            -ERR NX and XX, GT or LT options at the same time are not compatible
            > EXPIREAT a 10 GT LT
            -ERR GT and LT options at the same time are not compatible
            > PEXPIREAT a 10 XX LT GT
            -ERR GT and LT options at the same time are not compatible
            > EXPIRE a 10 FOO
            -ERR Unsupported option FOO
            > EXPIRE a x FOO
            -ERR Unsupported option FOO
            > EXPIRE a 10 "two\r\nlines"
            -ERR Unsupported option two  lines
            > EXPIRE a x
            -ERR value is not an integer or out of range
            > PEXPIREAT a 9223372036854775808
            -ERR value is not an integer or out of range
            > EXPIRE none 9223372036854775807
            -ERR invalid expire time in 'expire' command
            > EXPIRE a 9223372036854775
            -ERR invalid expire time in 'expire' command
            > EXPIRE a 9223372036854776
            -ERR invalid expire time in 'expire' command
            > EXPIRE a -9223372036854776
            -ERR invalid expire time in 'expire' command
            > PEXPIRE a 9223372036854775807
            -ERR invalid expire time in 'pexpire' command
            > EXPIREAT a 9223372036854776
            -ERR invalid expire time in 'expireat' command
            > TTL a
            :-1
            > PEXPIREAT a 9223372036854775807
            :1
            > PEXPIREAT a 9223372036854775807 GT
            :0
            > PEXPIRETIME a
            :9223372036854775807
            > EXPIRE a -9223372036854775
            :1
            > EXISTS a
            :0
            """#)
    }

    @Test func `APPEND and SETRANGE keep a deadline, RENAME and COPY carry it, others drop it`() throws {
        try expectTranscript(
            #"""
            > SET a 1 EX 100
            +OK
            > APPEND a 2
            :2
            > SETRANGE a 0 x
            :2
            > SETRANGE a 0 ""
            :2
            > SETNX a 9
            :0
            > TTL a
            :100
            > RENAME a b
            +OK
            > TTL b
            :100
            > TTL a
            :-2
            > COPY b c
            :1
            > TTL c
            :100
            > SET d plain
            +OK
            > COPY d c REPLACE
            :1
            > TTL c
            :-1
            > RENAME d b
            +OK
            > TTL b
            :-1
            > EXPIRE b 100
            :1
            > RENAME b b
            +OK
            > RENAMENX b e
            :1
            > TTL e
            :100
            > GETSET e 1
            $5 plain
            > TTL e
            :-1
            > EXPIRE e 100
            :1
            > MSET e 1
            +OK
            > TTL e
            :-1
            > EXPIRE e 100
            :1
            > SET e 1 XX
            +OK
            > TTL e
            :-1
            """#)
    }

    @Test func `the wrong number of words is refused for each command on time to live`() throws {
        let client = try ReplicaWorld().connect()
        for line in [
            "SETEX a 10", "PSETEX a 10", "GETEX", "EXPIRE a", "PEXPIRE a", "EXPIREAT a", "PEXPIREAT a", "TTL", "TTL a b", "PTTL", "EXPIRETIME",
            "PEXPIRETIME a b", "PERSIST", "PERSIST a b", "SETEX a 10 v x",
        ] {
            let name = line.prefix { $0 != " " }.lowercased()
            #expect(try client.type(line).line == "-ERR wrong number of arguments for '\(name)' command")
        }
    }
}
