import Testing

/// What CONFIG and COMMAND answer, word by word.
@Suite struct ServerCommandTests {
    @Test func `CONFIG GET answers the settings that match, in any case and each once`() throws {
        try expectTranscript(
            #"""
            > CONFIG GET nosuch
            *0
            > CONFIG GET maxmemory
            *2 $9 maxmemory $1 0
            > CONFIG GET save
            *2 $4 save $0 
            ~ CONFIG GET maxmemory save
            *4 $9 maxmemory $1 0 $4 save $0 
            ~ CONFIG GET TIMEOUT
            *2 $7 timeout $1 0
            ~ CONFIG GET maxmem*
            *4 $17 maxmemory-clients $9 268435456 $9 maxmemory $1 0
            > CONFIG GET timeout TIME*
            *2 $7 timeout $1 0
            ~ CONFIG GET appendonly appendfsync durability local-conditions
            *8 $10 appendonly $3 yes $11 appendfsync $6 always $10 durability $6 always $16 local-conditions $5 allow
            ~ CONFIG GET databases maxclients proto-max-bulk-len
            *6 $9 databases $1 1 $10 maxclients $5 10000 $18 proto-max-bulk-len $8 16777216
            ~ CONFIG GET sync-interval table-*
            *6 $13 sync-interval $3 100 $11 table-bytes $9 134217728 $13 table-entries $6 400000
            """#)
    }

    @Test func `CONFIG SET changes what may change`() throws {
        try expectTranscript(
            #"""
            > CONFIG SET timeout 100
            +OK
            > CONFIG GET timeout
            *2 $7 timeout $3 100
            > CONFIG SET TIMEOUT 0
            +OK
            > CONFIG GET timeout
            *2 $7 timeout $1 0
            > CONFIG SET maxclients 2000 timeout 5
            +OK
            > CONFIG GET maxclients
            *2 $10 maxclients $4 2000
            > CONFIG GET timeout
            *2 $7 timeout $1 5
            ~ CONFIG SET local-conditions REFUSE
            +OK
            ~ CONFIG GET local-conditions
            *2 $16 local-conditions $6 refuse
            > CONFIG SET maxmemory-clients 2000000
            +OK
            > CONFIG GET maxmemory-clients
            *2 $17 maxmemory-clients $7 2000000
            > CONFIG SET maxclients 10000 timeout 0
            +OK
            """#)
    }

    @Test func `CONFIG SET changes nothing where one of its settings is refused`() throws {
        try expectTranscript(
            #"""
            > CONFIG SET timeout 7 nosuch 1
            -ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'
            > CONFIG SET timeout 9 databases 3
            -ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config
            > CONFIG SET timeout 5 timeout 6
            -ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter
            > CONFIG SET timeout 5 timeout
            -ERR syntax error
            > CONFIG SET timeout -1
            -ERR CONFIG SET failed (possibly related to argument 'timeout') - argument must be between 0 and 2147483647 inclusive
            > CONFIG SET timeout x
            -ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer
            > CONFIG SET timeout 2147483648
            -ERR CONFIG SET failed (possibly related to argument 'timeout') - argument must be between 0 and 2147483647 inclusive
            > CONFIG GET timeout
            *2 $7 timeout $1 0
            > CONFIG SET nosuch 1
            -ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'
            > CONFIG SET databases 3
            -ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config
            > CONFIG SET maxclients x
            -ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument couldn't be parsed into an integer
            ~ CONFIG SET maxclients 0
            -ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument must be between 1 and 1000000 inclusive
            ~ CONFIG SET maxmemory-clients 1048575
            -ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - argument must be between 1048576 and 9223372036854775807 inclusive
            ~ CONFIG SET local-conditions maybe
            -ERR CONFIG SET failed (possibly related to argument 'local-conditions') - argument must be one of: allow, refuse
            ~ CONFIG SET durability interval
            -ERR CONFIG SET failed (possibly related to argument 'durability') - can't set immutable config
            """#)
    }

    @Test func `CONFIG refuses unknown and malformed subcommands`() throws {
        try expectTranscript(
            #"""
            > CONFIG
            -ERR wrong number of arguments for 'config' command
            > CONFIG FOO
            -ERR unknown subcommand 'FOO'. Try CONFIG HELP.
            > CONFIG GET
            -ERR wrong number of arguments for 'config|get' command
            > CONFIG SET
            -ERR wrong number of arguments for 'config|set' command
            > CONFIG SET timeout
            -ERR wrong number of arguments for 'config|set' command
            > CONFIG RESETSTAT
            +OK
            > CONFIG RESETSTAT x
            -ERR wrong number of arguments for 'config|resetstat' command
            > CONFIG HELP x
            -ERR wrong number of arguments for 'config|help' command
            """#)
    }

    @Test func `CONFIG GET in RESP3 is a map`() throws {
        try expectTranscript(
            #"""
            ~ HELLO 3
            %7 $6 server $7 hearsay $7 version $5 0.1.0 $5 proto :3 $2 id :1 $4 mode $10 standalone $4 role $6 master $7 modules *0
            ~ CONFIG GET maxmemory save
            %2 $9 maxmemory $1 0 $4 save $0 
            """#)
    }

    @Test func `COMMAND answers questions about commands`() throws {
        try expectTranscript(
            #"""
            > COMMAND FOO
            -ERR unknown subcommand 'FOO'. Try COMMAND HELP.
            > COMMAND COUNT x
            -ERR wrong number of arguments for 'command|count' command
            > COMMAND INFO nosuch
            *1 $-1
            > COMMAND INFO get
            *1 *10 $3 get :2 *2 +readonly +fast :1 :1 :1 *3 +@read +@string +@fast *0 *1 *6 $5 flags *2 +RO +access $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 $9 find_keys *4 $4 type $5 range $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0 *0
            > COMMAND DOCS nosuch
            *0
            > COMMAND GETKEYS
            -ERR wrong number of arguments for 'command|getkeys' command
            > COMMAND GETKEYS GET
            -ERR wrong number of arguments for 'command|getkeys' command
            > COMMAND GETKEYS GET a
            *1 $1 a
            > COMMAND GETKEYS MSET a 1 b 2
            *2 $1 a $1 b
            > COMMAND GETKEYS NOSUCH a
            -ERR Invalid command specified
            > COMMAND GETKEYS PING a
            -ERR The command has no key arguments
            > COMMAND GETKEYS GET a b
            -ERR Invalid number of arguments specified for command
            > COMMAND LIST FILTERBY
            -ERR syntax error
            > COMMAND LIST FILTERBY PATTERN xyz
            *0
            > COMMAND LIST FILTERBY MODULE xyz
            *0
            > COMMAND LIST FILTERBY FOO xyz
            -ERR syntax error
            > COMMAND LIST FILTERBY PATTERN getr*
            *1 $8 getrange
            ~ COMMAND COUNT
            :61
            """#)
    }

    @Test func `HEARSAY refuses unknown and malformed subcommands`() throws {
        try expectTranscript(
            #"""
            ~ HEARSAY
            -ERR wrong number of arguments for 'hearsay' command
            ~ HEARSAY FOO
            -ERR unknown subcommand 'FOO'. Try HEARSAY HELP.
            ~ HEARSAY DIGEST x
            -ERR wrong number of arguments for 'hearsay|digest' command
            """#)
    }
}
