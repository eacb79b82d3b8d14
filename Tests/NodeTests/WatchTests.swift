import Testing

/// WATCH as redis-server answers it: every write of a watched key between WATCH and EXEC counts, whoever writes and whatever.
@Suite struct WatchTests {
    @Test func `EXEC answers null where a watched key was written`() throws {
        try expectTranscript(
            #"""
            > WATCH k
            +OK
            B> SET k other
            +OK
            > MULTI
            +OK
            > SET k mine
            +QUEUED
            > EXEC
            *-1
            > GET k
            $5 other
            > MULTI
            +OK
            > SET k mine
            +QUEUED
            > EXEC
            *1 +OK
            > GET k
            $4 mine
            """#)
    }

    @Test func `the watching client's own write counts as well`() throws {
        try expectTranscript(
            #"""
            > WATCH k
            +OK
            > SET k self
            +OK
            > MULTI
            +OK
            > EXEC
            *-1
            """#)
    }

    @Test func `a delete is a write, and so is one that a delete follows`() throws {
        try expectTranscript(
            #"""
            > MSET j 1 k 1
            +OK
            > WATCH j k
            +OK
            B> DEL k
            :1
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            *-1
            > WATCH none
            +OK
            B> SET none 1
            +OK
            B> DEL none
            :1
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            *-1
            """#)
    }

    @Test func `deleting a watched key that is not there writes nothing`() throws {
        try expectTranscript(
            #"""
            > WATCH none
            +OK
            B> DEL none
            :0
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            *1 +PONG
            """#)
    }

    @Test func `writes of other keys do not matter`() throws {
        try expectTranscript(
            #"""
            > WATCH k
            +OK
            B> SET unrelated 1
            +OK
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            *1 +PONG
            """#)
    }

    @Test func `a write after MULTI counts`() throws {
        try expectTranscript(
            #"""
            > WATCH k
            +OK
            > MULTI
            +OK
            B> SET k 3
            +OK
            > PING
            +QUEUED
            > EXEC
            *-1
            """#)
    }

    @Test func `the same value written again is another write`() throws {
        try expectTranscript(
            #"""
            > SET k 1
            +OK
            > WATCH k
            +OK
            B> SET k 1
            +OK
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            *-1
            """#)
    }

    @Test func `UNWATCH, EXEC, DISCARD and RESET forget what was watched`() throws {
        try expectTranscript(
            #"""
            > WATCH k
            +OK
            B> SET k 1
            +OK
            > UNWATCH
            +OK
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            *1 +PONG
            > WATCH k
            +OK
            B> SET k 2
            +OK
            > MULTI
            +OK
            > DISCARD
            +OK
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            *1 +PONG
            > WATCH k
            +OK
            B> SET k 3
            +OK
            > RESET
            +RESET
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            *1 +PONG
            > WATCH k
            +OK
            B> SET k 4
            +OK
            > MULTI
            +OK
            > EXEC
            *-1
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            *1 +PONG
            """#)
    }

    @Test func `UNWATCH inside a transaction comes too late`() throws {
        try expectTranscript(
            #"""
            > WATCH j
            +OK
            > WATCH k
            +OK
            B> SET k 2
            +OK
            > MULTI
            +OK
            > UNWATCH
            +QUEUED
            > PING
            +QUEUED
            > EXEC
            *-1
            """#)
    }
}
