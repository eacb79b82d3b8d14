extension ReplyWriter {
    /// An error whose text is fixed: `code message`, as in `ERR syntax error`, without CR or LF in it.
    package mutating func error(_ text: StaticString) {
        self.raw("-")
        self.raw(text)
        self.raw("\r\n")
    }

    /// An error whose message may hold anything: CR and LF in it become spaces, as they would end the reply.
    package mutating func error(_ code: StaticString, _ message: String) {
        self.raw("-")
        self.raw(code)
        self.raw(" ")
        var message = message
        message.withUTF8 { self.line(UnsafeRawBufferPointer($0)) }
        self.raw("\r\n")
    }

    /// A command whose name is in no table, with the beginning of its arguments, cut off as Redis cuts them.
    package mutating func unknownCommand(_ arguments: Arguments) {
        self.raw("-ERR unknown command '")
        self.line(arguments[0].prefix(Self.quotedBytes).buffer)
        self.raw("', with args beginning with: ")
        let start = self.count
        for index in 1..<arguments.count {
            let room = Self.quotedBytes - (self.count - start)
            guard room > 0 else { break }
            self.raw("'")
            self.line(arguments[index].prefix(room).buffer)
            self.raw("' ")
        }
        self.raw("\r\n")
    }

    /// A second word that is none of the container's subcommands.
    package mutating func unknownSubcommand(_ name: Bytes, of container: Command) {
        self.raw("-ERR unknown subcommand '")
        self.line(name.prefix(Self.quotedBytes).buffer)
        self.raw("'. Try ")
        self.text(container.specification.name.description.uppercased())
        self.raw(" HELP.\r\n")
    }

    /// Too few or too many arguments for a command or subcommand.
    package mutating func wrongArity(_ specification: CommandSpecification) {
        self.raw("-ERR wrong number of arguments for '")
        self.raw(specification.name)
        self.raw("' command\r\n")
    }

    /// How much of a name, and of all arguments together, an error repeats.
    private static var quotedBytes: Int { 128 }

    /// Text within a line: CR and LF become spaces.
    private mutating func line(_ bytes: UnsafeRawBufferPointer) {
        let start = self.count
        self.raw(bytes)
        self.replaceLineEnds(from: start)
    }
}
