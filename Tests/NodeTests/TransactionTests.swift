import Testing

/// MULTI, EXEC and DISCARD as redis-server answers them.
@Suite struct TransactionTests {
    @Test func `EXEC runs what was queued and answers each command`() throws {
        try expectTranscript(
            #"""
            > MULTI
            +OK
            > SET a 1
            +QUEUED
            > GET a
            +QUEUED
            > GET none
            +QUEUED
            > APPEND a 2
            +QUEUED
            > MGET a none
            +QUEUED
            > EXEC
            *5 +OK $1 1 $-1 :2 *2 $2 12 $-1
            > GET a
            $2 12
            > MULTI
            +OK
            > EXEC
            *0
            """#)
    }

    @Test func `what happens between MULTI and EXEC is seen only after EXEC`() throws {
        try expectTranscript(
            #"""
            > MULTI
            +OK
            > SET a 1
            +QUEUED
            B> GET a
            $-1
            > EXEC
            *1 +OK
            B> GET a
            $1 1
            """#)
    }

    @Test func `DISCARD forgets what was queued`() throws {
        try expectTranscript(
            #"""
            > MULTI
            +OK
            > SET a 5
            +QUEUED
            > DISCARD
            +OK
            > GET a
            $-1
            > EXEC
            -ERR EXEC without MULTI
            """#)
    }

    @Test func `EXEC, DISCARD, MULTI and WATCH refuse the wrong moment, and a transaction goes on`() throws {
        try expectTranscript(
            #"""
            > EXEC
            -ERR EXEC without MULTI
            > DISCARD
            -ERR DISCARD without MULTI
            > MULTI
            +OK
            > MULTI
            -ERR MULTI calls can not be nested
            > WATCH a
            -ERR WATCH inside MULTI is not allowed
            > SET a 1
            +QUEUED
            > EXEC
            *1 +OK
            """#)
    }

    @Test func `an error while queueing makes EXEC discard everything`() throws {
        try expectTranscript(
            #"""
            > SET a 0
            +OK
            > MULTI
            +OK
            > SET a 1
            +QUEUED
            > GET
            -ERR wrong number of arguments for 'get' command
            > SET a 2
            +QUEUED
            > EXEC
            -EXECABORT Transaction discarded because of previous errors.
            > GET a
            $1 0
            > MULTI
            +OK
            > NOSUCH a
            -ERR unknown command 'NOSUCH', with args beginning with: 'a' 
            > EXEC
            -EXECABORT Transaction discarded because of previous errors.
            > MULTI
            +OK
            > CLIENT FOO
            -ERR unknown subcommand 'FOO'. Try CLIENT HELP.
            > EXEC
            -EXECABORT Transaction discarded because of previous errors.
            > MULTI
            +OK
            > CLIENT SETNAME
            -ERR wrong number of arguments for 'client|setname' command
            > EXEC
            -EXECABORT Transaction discarded because of previous errors.
            > MULTI
            +OK
            > CONFIG
            -ERR wrong number of arguments for 'config' command
            > EXEC
            -EXECABORT Transaction discarded because of previous errors.
            > EXEC
            -ERR EXEC without MULTI
            """#)
    }

    @Test func `EXEC with an argument ends the transaction`() throws {
        try expectTranscript(
            #"""
            > MULTI
            +OK
            > EXEC x
            -EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command
            > EXEC
            -ERR EXEC without MULTI
            > EXEC x
            -EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command
            > MULTI x
            -ERR wrong number of arguments for 'multi' command
            > DISCARD x
            -ERR wrong number of arguments for 'discard' command
            > WATCH
            -ERR wrong number of arguments for 'watch' command
            > UNWATCH x
            -ERR wrong number of arguments for 'unwatch' command
            """#)
    }

    @Test func `an error while executing stops nothing`() throws {
        try expectTranscript(
            #"""
            > MULTI
            +OK
            > SET b 1 FOO
            +QUEUED
            > SET b 2
            +QUEUED
            > SETRANGE b x y
            +QUEUED
            > GET b
            +QUEUED
            > EXEC
            *4 -ERR syntax error +OK -ERR value is not an integer or out of range $1 2
            > GET b
            $1 2
            """#)
    }

    @Test func `RESET and QUIT act at once inside a transaction`() throws {
        try expectTranscript(
            #"""
            > MULTI
            +OK
            > SET a 1
            +QUEUED
            > RESET
            +RESET
            > EXEC
            -ERR EXEC without MULTI
            > EXISTS a
            :0
            > MULTI
            +OK
            > SET a 1
            +QUEUED
            > QUIT
            +OK
            B> EXISTS a
            :0
            """#)
    }

    @Test func `commands that take slices are refused inside a transaction, which is then discarded`() throws {
        try expectTranscript(
            #"""
            > MULTI
            +OK
            ~ DBSIZE
            -ERR Command not allowed inside a transaction
            ~ EXEC
            -EXECABORT Transaction discarded because of previous errors.
            > MULTI
            +OK
            ~ KEYS *
            -ERR Command not allowed inside a transaction
            ~ EXEC
            -EXECABORT Transaction discarded because of previous errors.
            > MULTI
            +OK
            ~ RANDOMKEY
            -ERR Command not allowed inside a transaction
            ~ EXEC
            -EXECABORT Transaction discarded because of previous errors.
            > MULTI
            +OK
            ~ FLUSHALL
            -ERR Command not allowed inside a transaction
            ~ EXEC
            -EXECABORT Transaction discarded because of previous errors.
            > MULTI
            +OK
            ~ FLUSHDB
            -ERR Command not allowed inside a transaction
            ~ EXEC
            -EXECABORT Transaction discarded because of previous errors.
            > MULTI
            +OK
            ~ HEARSAY DIGEST
            -ERR Command not allowed inside a transaction
            ~ EXEC
            -EXECABORT Transaction discarded because of previous errors.
            > MULTI
            +OK
            ~ HEARSAY VERIFY
            -ERR Command not allowed inside a transaction
            ~ EXEC
            -EXECABORT Transaction discarded because of previous errors.
            """#)
    }
}
