import Testing

/// What the commands on keys answer, word by word.
@Suite struct KeyCommandTests {
    @Test func `EXISTS and TOUCH count a key as often as it is named`() throws {
        try expectTranscript(
            #"""
            > MSET a 1 b 2 c 3
            +OK
            > EXISTS a b c d a a
            :5
            > TOUCH a b d a
            :3
            > DEL a
            :1
            > EXISTS a b
            :1
            """#)
    }

    @Test func `DEL and UNLINK count the keys that were there`() throws {
        try expectTranscript(
            #"""
            > MSET a 1 b 2 c 3
            +OK
            > DEL a a d
            :1
            > EXISTS a
            :0
            > UNLINK b d c b
            :2
            > DEL d
            :0
            > MGET a b c
            *3 $-1 $-1 $-1
            > SET a again
            +OK
            > GET a
            $5 again
            """#)
    }

    @Test func `TYPE knows strings and nothing`() throws {
        try expectTranscript(
            #"""
            > SET a 1
            +OK
            > TYPE a
            +string
            > TYPE none
            +none
            > DEL a
            :1
            > TYPE a
            +none
            """#)
    }

    @Test func `RENAME moves a value over another`() throws {
        try expectTranscript(
            #"""
            > MSET a 1 b 2
            +OK
            > RENAME a b
            +OK
            > MGET a b
            *2 $-1 $1 1
            > RENAME b b
            +OK
            > GET b
            $1 1
            > RENAME none b
            -ERR no such key
            > RENAME none none
            -ERR no such key
            > GET b
            $1 1
            > DEL b
            :1
            > RENAME b c
            -ERR no such key
            """#)
    }

    @Test func `RENAMENX moves a value to a free name only`() throws {
        try expectTranscript(
            #"""
            > MSET a 1 b 2
            +OK
            > RENAMENX a b
            :0
            > MGET a b
            *2 $1 1 $1 2
            > RENAMENX a c
            :1
            > MGET a b c
            *3 $-1 $1 2 $1 1
            > RENAMENX c c
            :0
            > RENAMENX none x
            -ERR no such key
            > RENAMENX none none
            -ERR no such key
            > DEL b
            :1
            > RENAMENX c b
            :1
            > MGET b c
            *2 $1 1 $-1
            """#)
    }

    @Test func `COPY copies to a free name, and over another with REPLACE`() throws {
        try expectTranscript(
            #"""
            > MSET a 1 b 2
            +OK
            > COPY a c
            :1
            > COPY a c
            :0
            > COPY b c
            :0
            > GET c
            $1 1
            > COPY b c REPLACE
            :1
            > GET c
            $1 2
            > COPY none c
            :0
            > COPY none c REPLACE
            :0
            > GET c
            $1 2
            > COPY a d DB 0
            :1
            > COPY a d DB 0 REPLACE
            :1
            > COPY a d replace db 0
            :1
            > COPY a d replace replace
            :1
            > COPY a a
            -ERR source and destination objects are the same
            > COPY a a REPLACE
            -ERR source and destination objects are the same
            > COPY none none
            -ERR source and destination objects are the same
            > MGET a b c d
            *4 $1 1 $1 2 $1 2 $1 1
            """#)
    }

    @Test func `COPY refuses other databases and unknown options`() throws {
        try expectTranscript(
            #"""
            > SET a 1
            +OK
            > COPY a b DB
            -ERR syntax error
            > COPY a b DB x
            -ERR value is not an integer or out of range
            > COPY a b DB -1
            -ERR DB index is out of range
            > COPY a b DB 100000
            -ERR DB index is out of range
            ~ COPY a b DB 1
            -ERR DB index is out of range
            > COPY a b FOO
            -ERR syntax error
            > EXISTS b
            :0
            """#)
    }

    @Test func `DBSIZE and KEYS see keys, not tombstones`() throws {
        try expectTranscript(
            #"""
            > MSET one 1 two 2 three 3
            +OK
            > DBSIZE
            :3
            > KEYS t?o
            *1 $3 two
            > KEYS o*
            *1 $3 one
            > KEYS [x]*
            *0
            > DEL two
            :1
            > DBSIZE
            :2
            > KEYS t?o
            *0
            > SET two again
            +OK
            > DBSIZE
            :3
            """#)
    }

    @Test func `RANDOMKEY names a key, or nothing`() throws {
        try expectTranscript(
            #"""
            > RANDOMKEY
            $-1
            > SET a 1
            +OK
            > RANDOMKEY
            $1 a
            > DEL a
            :1
            > RANDOMKEY
            $-1
            """#)
    }

    @Test func `FLUSHALL and FLUSHDB delete everything`() throws {
        try expectTranscript(
            #"""
            > MSET a 1 b 2
            +OK
            > FLUSHALL
            +OK
            > MGET a b
            *2 $-1 $-1
            > DBSIZE
            :0
            > SET c 3
            +OK
            > FLUSHDB ASYNC
            +OK
            > EXISTS c
            :0
            > flushall sync
            +OK
            > FLUSHALL FOO
            -ERR syntax error
            > FLUSHALL SYNC ASYNC
            -ERR syntax error
            > FLUSHDB x
            -ERR syntax error
            > KEYS *
            *0
            > RANDOMKEY
            $-1
            """#, in: try ReplicaWorld(configuration: flushing))
    }

    @Test func `SCAN answers a cursor and keys that match`() throws {
        try expectTranscript(
            #"""
            > SCAN 0
            *2 $1 0 *0
            > SET a 1
            +OK
            > SCAN 0
            *2 $1 0 *1 $1 a
            > SCAN 0 MATCH a COUNT 100
            *2 $1 0 *1 $1 a
            > SCAN 0 MATCH b COUNT 100
            *2 $1 0 *0
            > SCAN 0 MATCH a MATCH b COUNT 100
            *2 $1 0 *0
            > SCAN 0 COUNT 100 TYPE string
            *2 $1 0 *1 $1 a
            > SCAN 0 COUNT 100 TYPE STRING
            *2 $1 0 *1 $1 a
            > SCAN 0 COUNT 100 TYPE list
            *2 $1 0 *0
            > SCAN 0 COUNT 100 TYPE nonsense
            *2 $1 0 *0
            > DEL a
            :1
            > SCAN 0
            *2 $1 0 *0
            """#)
    }

    @Test func `SCAN refuses what is no cursor and what is no option`() throws {
        try expectTranscript(
            #"""
            > SCAN x
            -ERR invalid cursor
            > SCAN 18446744073709551616
            -ERR invalid cursor
            > SCAN 0 COUNT
            -ERR syntax error
            > SCAN 0 COUNT 0
            -ERR syntax error
            > SCAN 0 COUNT -1
            -ERR syntax error
            > SCAN 0 COUNT x
            -ERR value is not an integer or out of range
            > SCAN 0 MATCH
            -ERR syntax error
            > SCAN 0 FOO
            -ERR syntax error
            > SCAN 0 FOO bar
            -ERR syntax error
            """#)
    }

    @Test func `the wrong number of words is refused for each command on keys`() throws {
        try expectTranscript(
            #"""
            > DEL
            -ERR wrong number of arguments for 'del' command
            > UNLINK
            -ERR wrong number of arguments for 'unlink' command
            > EXISTS
            -ERR wrong number of arguments for 'exists' command
            > TOUCH
            -ERR wrong number of arguments for 'touch' command
            > TYPE
            -ERR wrong number of arguments for 'type' command
            > TYPE a b
            -ERR wrong number of arguments for 'type' command
            > RENAME a
            -ERR wrong number of arguments for 'rename' command
            > RENAME a b c
            -ERR wrong number of arguments for 'rename' command
            > RENAMENX a
            -ERR wrong number of arguments for 'renamenx' command
            > COPY a
            -ERR wrong number of arguments for 'copy' command
            > SCAN
            -ERR wrong number of arguments for 'scan' command
            > KEYS
            -ERR wrong number of arguments for 'keys' command
            > KEYS a b
            -ERR wrong number of arguments for 'keys' command
            > RANDOMKEY x
            -ERR wrong number of arguments for 'randomkey' command
            > DBSIZE x
            -ERR wrong number of arguments for 'dbsize' command
            """#)
    }
}
