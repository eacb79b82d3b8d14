import Testing

/// What the commands on values answer, word by word.
@Suite struct StringCommandTests {
    @Test func `SET stores under its conditions, and with GET answers what was there`() throws {
        try expectTranscript(
            #"""
            > SET a 1
            +OK
            > GET a
            $1 1
            > SET a 2 GET
            $1 1
            > SET b 1 GET
            $-1
            > GET b
            $1 1
            > SET a x NX
            $-1
            > SET c x NX
            +OK
            > GET c
            $1 x
            > SET c y XX
            +OK
            > SET d y XX
            $-1
            > GET d
            $-1
            > SET c z XX GET
            $1 y
            > SET d z XX GET
            $-1
            > SET c q NX GET
            $1 z
            > GET c
            $1 z
            > SET e q NX GET
            $-1
            > GET e
            $1 q
            > SET e r get nx
            $1 q
            > SET a 1 GET GET
            $1 2
            > SET a 1 NX NX
            $-1
            > SET a 1 XX XX
            +OK
            > seT a "tab \t and \xc3\xa9"
            +OK
            > get a
            $12 tab \x09 and \xc3\xa9
            > STRLEN a
            :12
            """#)
    }

    @Test func `SET refuses conditions that contradict each other, and unknown options`() throws {
        try expectTranscript(
            #"""
            > SET a 1 NX XX
            -ERR syntax error
            > SET a 1 XX NX
            -ERR syntax error
            > SET a 1 FOO
            -ERR syntax error
            > SET a 1 EX
            -ERR syntax error
            > GET a
            $-1
            """#)
    }

    @Test func `an empty value is a value, and an empty key is a key`() throws {
        try expectTranscript(
            #"""
            > SET a ""
            +OK
            > GET a
            $0 
            > EXISTS a
            :1
            > SET "" "the empty key"
            +OK
            > GET ""
            $13 the empty key
            > DEL ""
            :1
            > GET ""
            $-1
            """#)
    }

    @Test func `SETNX writes once`() throws {
        try expectTranscript(
            #"""
            > SETNX a 1
            :1
            > SETNX a 2
            :0
            > GET a
            $1 1
            > DEL a
            :1
            > SETNX a 3
            :1
            > GET a
            $1 3
            """#)
    }

    @Test func `GETSET and GETDEL answer the old value`() throws {
        try expectTranscript(
            #"""
            > GETSET a 1
            $-1
            > GETSET a 2
            $1 1
            > GET a
            $1 2
            > GETDEL a
            $1 2
            > GETDEL a
            $-1
            > GET a
            $-1
            > EXISTS a
            :0
            """#)
    }

    @Test func `MSET writes all of its pairs, the last of one key counts`() throws {
        try expectTranscript(
            #"""
            > MSET a 1 b 2 c 3
            +OK
            > MGET a b c d
            *4 $1 1 $1 2 $1 3 $-1
            > MGET d
            *1 $-1
            > MGET a a
            *2 $1 1 $1 1
            > MSET a 1 a 2
            +OK
            > GET a
            $1 2
            """#)
    }

    @Test func `MSETNX writes all or nothing`() throws {
        try expectTranscript(
            #"""
            > SET a 1
            +OK
            > MSETNX a 9 z 9
            :0
            > GET z
            $-1
            > MSETNX z 9 a 9
            :0
            > GET z
            $-1
            > MSETNX y 9 z 9
            :1
            > MGET a y z
            *3 $1 1 $1 9 $1 9
            > DEL y
            :1
            > MSETNX y 8 x 8
            :1
            > MSETNX q 1 q 2
            :1
            > GET q
            $1 2
            """#)
    }

    @Test func `MSET and MSETNX with an odd number of words write nothing`() throws {
        try expectTranscript(
            #"""
            > MSET a
            -ERR wrong number of arguments for 'mset' command
            > MSET a 1 b
            -ERR wrong number of arguments for 'mset' command
            > MSETNX x 1 y
            -ERR wrong number of arguments for 'msetnx' command
            > EXISTS a x
            :0
            """#)
    }

    @Test func `APPEND and STRLEN count bytes`() throws {
        try expectTranscript(
            #"""
            > APPEND a abc
            :3
            > APPEND a ""
            :3
            > APPEND a "\x00\xff"
            :5
            > GET a
            $5 abc\x00\xff
            > STRLEN a
            :5
            > STRLEN none
            :0
            > APPEND hollow ""
            :0
            > EXISTS hollow
            :1
            > GET hollow
            $0 
            """#)
    }

    @Test func `SETRANGE overwrites, and fills a gap with zeros`() throws {
        try expectTranscript(
            #"""
            > SET a "Hello World"
            +OK
            > SETRANGE a 6 Redis
            :11
            > GET a
            $11 Hello Redis
            > SETRANGE pad 5 x
            :6
            > GET pad
            $6 \x00\x00\x00\x00\x00x
            > SETRANGE pad 5 yz
            :7
            > GET pad
            $7 \x00\x00\x00\x00\x00yz
            > SETRANGE pad 8 !
            :9
            > GET pad
            $9 \x00\x00\x00\x00\x00yz\x00!
            > SETRANGE a 0 J
            :11
            > GET a
            $11 Jello Redis
            """#)
    }

    @Test func `SETRANGE of nothing writes nothing and makes no key`() throws {
        try expectTranscript(
            #"""
            > SET a 12345
            +OK
            > SETRANGE a 0 ""
            :5
            > SETRANGE a 99 ""
            :5
            > SETRANGE none 5 ""
            :0
            > SETRANGE none 9223372036854775807 ""
            :0
            > EXISTS none
            :0
            > GET a
            $5 12345
            """#)
    }

    @Test func `SETRANGE refuses offsets that are negative, no numbers or beyond the longest value`() throws {
        try expectTranscript(
            #"""
            > SET a 12345
            +OK
            > SETRANGE a -1 x
            -ERR offset is out of range
            > SETRANGE a -1 ""
            -ERR offset is out of range
            > SETRANGE a x y
            -ERR value is not an integer or out of range
            > SETRANGE a 536870912 x
            -ERR string exceeds maximum allowed size (proto-max-bulk-len)
            > SETRANGE none 536870911 ab
            -ERR string exceeds maximum allowed size (proto-max-bulk-len)
            > SETRANGE a 9223372036854775807 x
            -ERR string exceeds maximum allowed size (proto-max-bulk-len)
            > SETRANGE a 9223372036854775808 x
            -ERR value is not an integer or out of range
            > GET a
            $5 12345
            > EXISTS none
            :0
            """#)
    }

    @Test func `GETRANGE takes offsets from either end`() throws {
        try expectTranscript(
            #"""
            > SET a "Hello World"
            +OK
            > GETRANGE a 0 -1
            $11 Hello World
            > GETRANGE a 0 4
            $5 Hello
            > GETRANGE a -5 -1
            $5 World
            > GETRANGE a -3 -5
            $0 
            > GETRANGE a 5 2
            $0 
            > GETRANGE a 20 30
            $0 
            > GETRANGE a -100 2
            $3 Hel
            > GETRANGE a -100 -50
            $1 H
            > GETRANGE a 3 100000
            $8 lo World
            > GETRANGE none 0 -1
            $0 
            > GETRANGE a -9223372036854775808 9223372036854775807
            $11 Hello World
            > GETRANGE a 9223372036854775807 -9223372036854775808
            $0 
            > GETRANGE a x 1
            -ERR value is not an integer or out of range
            > GETRANGE a 0 1.5
            -ERR value is not an integer or out of range
            > GETRANGE a 9223372036854775808 1
            -ERR value is not an integer or out of range
            """#)
    }

    @Test func `the wrong number of words is refused for each command on values`() throws {
        try expectTranscript(
            #"""
            > SET
            -ERR wrong number of arguments for 'set' command
            > SET a
            -ERR wrong number of arguments for 'set' command
            > GET
            -ERR wrong number of arguments for 'get' command
            > GET a b
            -ERR wrong number of arguments for 'get' command
            > SETNX a
            -ERR wrong number of arguments for 'setnx' command
            > SETNX a b c
            -ERR wrong number of arguments for 'setnx' command
            > GETSET a
            -ERR wrong number of arguments for 'getset' command
            > GETDEL
            -ERR wrong number of arguments for 'getdel' command
            > GETDEL a b
            -ERR wrong number of arguments for 'getdel' command
            > GETRANGE a 0
            -ERR wrong number of arguments for 'getrange' command
            > GETRANGE a 0 1 2
            -ERR wrong number of arguments for 'getrange' command
            > MGET
            -ERR wrong number of arguments for 'mget' command
            > MSET
            -ERR wrong number of arguments for 'mset' command
            > MSETNX
            -ERR wrong number of arguments for 'msetnx' command
            > STRLEN
            -ERR wrong number of arguments for 'strlen' command
            > STRLEN a b
            -ERR wrong number of arguments for 'strlen' command
            > APPEND a
            -ERR wrong number of arguments for 'append' command
            > APPEND a b c
            -ERR wrong number of arguments for 'append' command
            > SETRANGE a 1
            -ERR wrong number of arguments for 'setrange' command
            > SETRANGE a 1 b c
            -ERR wrong number of arguments for 'setrange' command
            """#)
    }

    @Test func `RESP3 has a null of its own`() throws {
        try expectTranscript(
            #"""
            > HELLO 3 NOSUCH
            -ERR Syntax error in HELLO option 'NOSUCH'
            > SET a 1
            +OK
            > GET none
            $-1
            > SET a 2 NX
            $-1
            > GETDEL none
            $-1
            > MGET a none
            *2 $1 1 $-1
            """#)
    }
}
