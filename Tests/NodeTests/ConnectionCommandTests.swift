import Testing

/// What the commands on the connection answer, word by word.
@Suite struct ConnectionCommandTests {
    @Test func `PING, ECHO and SELECT answer as Redis does`() throws {
        try expectTranscript(
            #"""
            > PING
            +PONG
            > PING hello
            $5 hello
            > PING a b
            -ERR wrong number of arguments for 'ping' command
            > ECHO hi
            $2 hi
            > ECHO
            -ERR wrong number of arguments for 'echo' command
            > ECHO a b
            -ERR wrong number of arguments for 'echo' command
            > SELECT 0
            +OK
            > SELECT -1
            -ERR DB index is out of range
            > SELECT 16
            -ERR DB index is out of range
            > SELECT x
            -ERR value is not an integer or out of range
            > SELECT 99999999999
            -ERR value is out of range, value must between -2147483648 and 2147483647
            > SELECT
            -ERR wrong number of arguments for 'select' command
            ~ SELECT 1
            -ERR DB index is out of range
            > TIME x
            -ERR wrong number of arguments for 'time' command
            """#)
    }

    @Test func `unknown commands are named, with the beginning of their words`() throws {
        try expectTranscript(
            #"""
            > NOSUCH
            -ERR unknown command 'NOSUCH', with args beginning with: 
            > NOSUCH a b "c d"
            -ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' 'c d' 
            > nosuch aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b
            -ERR unknown command 'nosuch', with args beginning with: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' 
            > "NO\r\nSUCH" "a\r\nb"
            -ERR unknown command 'NO  SUCH', with args beginning with: 'a  b' 
            > ""
            -ERR unknown command '', with args beginning with: 
            """#)
    }

    @Test func `AUTH without a password to ask for`() throws {
        try expectTranscript(
            #"""
            > AUTH x
            -ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
            > AUTH default x
            +OK
            > AUTH nobody x
            -WRONGPASS invalid username-password pair or user is disabled.
            > AUTH
            -ERR wrong number of arguments for 'auth' command
            > AUTH a b c
            -ERR syntax error
            """#)
    }

    @Test func `HELLO refuses other versions, bad options and bad names, and changes nothing then`() throws {
        try expectTranscript(
            #"""
            > HELLO 1
            -NOPROTO unsupported protocol version
            > HELLO 4
            -NOPROTO unsupported protocol version
            > HELLO x
            -ERR Protocol version is not an integer or out of range
            > HELLO 99999999999999999999
            -ERR Protocol version is not an integer or out of range
            > HELLO 3 AUTH
            -ERR Syntax error in HELLO option 'AUTH'
            > HELLO 3 AUTH default
            -ERR Syntax error in HELLO option 'AUTH'
            > HELLO 3 AUTH nobody x
            -WRONGPASS invalid username-password pair or user is disabled.
            > HELLO 3 SETNAME
            -ERR Syntax error in HELLO option 'SETNAME'
            > HELLO 3 SETNAME "a b"
            -ERR Client names cannot contain spaces, newlines or special characters.
            > HELLO 3 FOO
            -ERR Syntax error in HELLO option 'FOO'
            > HELLO 3 SETNAME x FOO
            -ERR Syntax error in HELLO option 'FOO'
            ~ CLIENT GETNAME
            $-1
            > GET none
            $-1
            """#)
    }

    @Test func `HELLO changes the protocol and the name`() throws {
        try expectTranscript(
            #"""
            ~ HELLO 3 SETNAME three AUTH default any
            %7 $6 server $7 hearsay $7 version $5 0.1.0 $5 proto :3 $2 id :1 $4 mode $10 standalone $4 role $6 master $7 modules *0
            > CLIENT GETNAME
            $5 three
            > GET none
            _
            > CONFIG GET maxmemory
            %1 $9 maxmemory $1 0
            ~ HELLO
            %7 $6 server $7 hearsay $7 version $5 0.1.0 $5 proto :3 $2 id :1 $4 mode $10 standalone $4 role $6 master $7 modules *0
            ~ HELLO 2
            *14 $6 server $7 hearsay $7 version $5 0.1.0 $5 proto :2 $2 id :1 $4 mode $10 standalone $4 role $6 master $7 modules *0
            > GET none
            $-1
            """#)
    }

    @Test func `RESET goes back to RESP2 without a name`() throws {
        try expectTranscript(
            #"""
            ~ HELLO 3 SETNAME three
            %7 $6 server $7 hearsay $7 version $5 0.1.0 $5 proto :3 $2 id :1 $4 mode $10 standalone $4 role $6 master $7 modules *0
            > GET none
            _
            > RESET
            +RESET
            > CLIENT GETNAME
            $-1
            > GET none
            $-1
            > RESET x
            -ERR wrong number of arguments for 'reset' command
            """#)
    }

    @Test func `HELLO inside a transaction takes effect when its turn comes`() throws {
        try expectTranscript(
            #"""
            > MULTI
            +OK
            > GET none
            +QUEUED
            ~ HELLO 3
            +QUEUED
            > GET none
            +QUEUED
            > MGET none
            +QUEUED
            ~ EXEC
            *4 $-1 %7 $6 server $7 hearsay $7 version $5 0.1.0 $5 proto :3 $2 id :1 $4 mode $10 standalone $4 role $6 master $7 modules *0 _ *1 _
            > GET none
            _
            """#)
    }

    @Test func `a transaction whose watched key was written answers RESP3's null`() throws {
        try expectTranscript(
            #"""
            ~ HELLO 3
            %7 $6 server $7 hearsay $7 version $5 0.1.0 $5 proto :3 $2 id :1 $4 mode $10 standalone $4 role $6 master $7 modules *0
            > WATCH k
            +OK
            B> SET k 5
            +OK
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            _
            """#)
    }

    @Test func `CLIENT SETNAME takes names without spaces`() throws {
        try expectTranscript(
            #"""
            > CLIENT GETNAME
            $-1
            > CLIENT SETNAME me
            +OK
            > CLIENT GETNAME
            $2 me
            > CLIENT SETNAME "a b"
            -ERR Client names cannot contain spaces, newlines or special characters.
            > CLIENT SETNAME "a\nb"
            -ERR Client names cannot contain spaces, newlines or special characters.
            > CLIENT GETNAME
            $2 me
            > CLIENT SETNAME ""
            +OK
            > CLIENT GETNAME
            $-1
            """#)
    }

    @Test func `CLIENT SETINFO takes what client libraries tell of themselves`() throws {
        try expectTranscript(
            #"""
            ~ CLIENT SETINFO LIB-NAME redis-py
            +OK
            ~ CLIENT SETINFO lib-ver 8.0
            +OK
            ~ CLIENT SETINFO LIB-NAME "a b"
            -ERR lib-name cannot contain spaces, newlines or special characters.
            ~ CLIENT SETINFO lib-ver "a b"
            -ERR lib-ver cannot contain spaces, newlines or special characters.
            ~ CLIENT SETINFO FOO x
            -ERR Unrecognized option 'FOO'
            ~ CLIENT SETINFO LIB-NAME
            -ERR wrong number of arguments for 'client|setinfo' command
            """#)
    }

    @Test func `CLIENT refuses unknown and malformed subcommands`() throws {
        try expectTranscript(
            #"""
            > CLIENT
            -ERR wrong number of arguments for 'client' command
            > CLIENT FOO
            -ERR unknown subcommand 'FOO'. Try CLIENT HELP.
            > CLIENT FOO bar
            -ERR unknown subcommand 'FOO'. Try CLIENT HELP.
            > CLIENT ID x
            -ERR wrong number of arguments for 'client|id' command
            > CLIENT INFO x
            -ERR wrong number of arguments for 'client|info' command
            > CLIENT SETNAME
            -ERR wrong number of arguments for 'client|setname' command
            > CLIENT GETNAME x
            -ERR wrong number of arguments for 'client|getname' command
            > CLIENT LIST FOO
            -ERR syntax error
            > CLIENT LIST ID
            -ERR syntax error
            > CLIENT LIST ID x
            -ERR Invalid client ID
            > CLIENT LIST ID 0
            $0 
            > CLIENT LIST ID -1
            $0 
            > CLIENT LIST ID 1 y
            -ERR Invalid client ID
            > CLIENT LIST TYPE
            -ERR syntax error
            > CLIENT LIST TYPE foo
            -ERR Unknown client type 'foo'
            > CLIENT LIST TYPE master
            $0 
            > CLIENT LIST TYPE replica
            $0 
            > CLIENT LIST TYPE pubsub
            $0 
            > CLIENT LIST TYPE normal x
            -ERR syntax error
            """#)
    }

    @Test func `CLIENT KILL that names nobody kills nobody`() throws {
        try expectTranscript(
            #"""
            > CLIENT KILL
            -ERR wrong number of arguments for 'client|kill' command
            > CLIENT KILL 1.2.3.4:5
            -ERR No such client
            > CLIENT KILL ID
            -ERR No such client
            > CLIENT KILL ID x
            -ERR client-id should be greater than 0
            > CLIENT KILL ID 0
            -ERR client-id should be greater than 0
            > CLIENT KILL ID -1
            -ERR client-id should be greater than 0
            > CLIENT KILL ID 999999
            :0
            > CLIENT KILL TYPE foo
            -ERR Unknown client type 'foo'
            > CLIENT KILL TYPE master
            :0
            > CLIENT KILL ADDR 1.2.3.4:5
            :0
            > CLIENT KILL LADDR 1.2.3.4:5
            :0
            > CLIENT KILL ID 999999 SKIPME yes
            :0
            > CLIENT KILL ID 999999 SKIPME no
            :0
            > CLIENT KILL ID 999999 SKIPME maybe
            -ERR syntax error
            > CLIENT KILL ID 999999 SKIPME
            -ERR syntax error
            > CLIENT KILL FOO bar
            -ERR syntax error
            > CLIENT KILL USER nobody
            -ERR No such user 'nobody'
            > CLIENT KILL USER default ID 999999
            :0
            """#)
    }

    @Test func `QUIT says OK`() throws {
        try expectTranscript(
            #"""
            > QUIT
            +OK
            """#)
    }
}
