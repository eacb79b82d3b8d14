/// The commands that a client can send. `CommandTable` says everything else about them.
package enum Command: UInt8, CaseIterable, Sendable {
    case set, setnx, setex, psetex, getset, get, getdel, getex, getrange, mget, mset, msetnx, strlen, append, setrange
    case del, unlink, exists, touch, rename, renamenx, copy, type
    case vget, vmget, vset, vdel
    case expire, pexpire, expireat, pexpireat, ttl, pttl, expiretime, pexpiretime, persist
    case scan, keys, randomkey, dbsize, flushall, flushdb, wait
    case ping, echo, hello, auth, quit, reset, select, multi, exec, discard, watch, unwatch
    case time, info, command, config, client, hearsay
}

/// The second words of those commands that are containers.
package enum Subcommand: UInt8, CaseIterable, Sendable {
    case commandInfo, commandList, commandDocs, commandCount, commandGetKeys, commandHelp
    case configGet, configSet, configResetStatistics, configHelp
    case clientID, clientInfo, clientList, clientGetName, clientSetName, clientSetInfo, clientKill, clientHelp
    case hearsayStatus, hearsayDigest, hearsayVerify, hearsayMembers, hearsayLag, hearsayDiff, hearsayRepair
    case hearsayLeave, hearsayRemove, hearsayFence, hearsaySalvage, hearsaySetting, hearsayPolicy, hearsaySiblings, hearsayDamage, hearsayHelp
}

extension Command {
    /// The command of this name, in capitals or not; nil if there is none. Allocates nothing.
    package static func lookup(_ name: Bytes) -> Command? {
        NameKey(name).flatMap { CommandTable.shared.index[$0] }
    }

    /// The subcommand of this name, in capitals or not; nil if there is none or the command is no container.
    package func subcommand(named name: Bytes) -> Subcommand? {
        guard let key = NameKey(name) else { return nil }
        return self.subcommands.first { CommandTable.shared.subcommandKeys[Int($0.rawValue)] == key }
    }

    /// Everything the table says about the command.
    package var specification: CommandSpecification { CommandTable.shared.commands[Int(self.rawValue)] }

    /// The part of the specification that every call needs.
    package var traits: CommandTraits { CommandTable.shared.traits[Int(self.rawValue)] }

    /// The subcommands of a container, in the table's order; empty for any other command.
    package var subcommands: [Subcommand] { CommandTable.shared.containers[Int(self.rawValue)] }
}

extension Subcommand {
    /// Everything the table says about the subcommand. Its name is the container's and its own: `client|id`.
    package var specification: CommandSpecification { CommandTable.shared.subcommands[Int(self.rawValue)] }

    package var traits: CommandTraits { self.specification.traits }
}
