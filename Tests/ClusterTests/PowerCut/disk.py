"""What a power cut may leave on a disk: replays the journal that journal.c wrote up to a moment and draws from what was not durable then.

Durable is what a completed sync covers: of a file, its writes and lengths; of a folder, its names. Of everything else any part may be
there, a write torn at every 512 bytes, as neither the system nor a drive promises an order.
"""

import os
import struct
from enum import IntEnum

SECTOR_BYTES = 512


class Kind(IntEnum):
    """The numbers that journal.c uses."""

    CREATE = 1
    MAKE_FOLDER = 2
    UNLINK = 3
    RENAME = 4
    WRITE = 5
    TRUNCATE = 6
    SYNC_BEGUN = 7
    SYNC_ENDED = 8
    WRITE_DURABLE = 9
    SENT = 10


class Entry:
    """One entry of a journal; `first` and `second` mean what journal.c says for its kind."""

    __slots__ = ("kind", "first", "second", "payload")
    HEADER = struct.Struct("=IIQQ")

    def __init__(self, kind, first, second, payload):
        self.kind, self.first, self.second, self.payload = Kind(kind), first, second, payload


def read_journal(path):
    with open(path, "rb") as file:
        data = memoryview(file.read())
    entries, offset = [], 0
    while offset < len(data):
        kind, count, first, second = Entry.HEADER.unpack_from(data, offset)
        offset += Entry.HEADER.size
        entries.append(Entry(kind, first, second, data[offset : offset + count]))
        offset += count
    assert offset == len(data), "the journal's last entry is cut off"
    return entries


class Change:
    """A change of a file or folder: what it does to the content, its number in the journal, and whether a sync has covered it."""

    __slots__ = ("number", "action", "place", "value", "durable")

    def __init__(self, number, action, place, value):
        self.number, self.action, self.place, self.value, self.durable = number, action, place, value, False


class Inode:
    """A file or folder: `content` as it is durable, and the changes behind that, in order.

    A change that is durable stays among them as long as one before it is not, so that the order is kept.
    """

    def __init__(self, content, role):
        """`role` is what `Disk.ignored` goes by."""
        self.content, self.role, self.changes = content, role, []

    def add(self, number, action, place, value):
        self.changes.append(Change(number, action, place, value))

    def settle(self):
        count = 0
        while count < len(self.changes) and self.changes[count].durable:
            self.apply(self.content, self.changes[count])
            count += 1
        del self.changes[:count]


class File(Inode):
    """Its content is a bytearray. Changes are "write", of bytes at an offset, and "truncate", to a length. Its role is its folder's name."""

    @staticmethod
    def apply(content, change):
        if change.action == "truncate":
            File.set_length(content, change.place)
        else:
            File.put(content, change.place, change.value)

    @staticmethod
    def put(content, offset, data):
        if len(content) < offset:
            File.set_length(content, offset)
        content[offset : offset + len(data)] = data

    @staticmethod
    def set_length(content, length):
        del content[length:]
        content.extend(bytes(length - len(content)))


class Folder(Inode):
    """Its content is a dict of names. Changes are "link", of a name to an inode, "unlink", and "rename", to a name."""

    def __init__(self, content, name):
        super().__init__(content, "names")
        self.name = name

    @staticmethod
    def apply(content, change):
        if change.action == "link":
            content[change.place] = change.value
        elif (inode := content.pop(change.place, None)) and change.action == "rename":
            content[change.value] = inode  # Where the old name was not kept there is nothing to rename.


class Disk:
    """The disk at a moment of a journal, for moments that only go forward.

    `ignored` names roles whose syncs are taken as not done, though the node believes in them: "log" and "base" for the files below
    those folders, "names" for all folders, "meta" for LMDB's writes through O_DSYNC. Images of such a disk must turn out bad.
    """

    def __init__(self, folder, ignored=()):
        self.ignored = frozenset(ignored)
        self.inodes, self.syncs, self.writes = {}, {}, {}
        self.moment = 0
        self.root = self._load(folder)

    def _load(self, path, folder_name=None):
        """What is there before the node starts is durable."""
        if os.path.isdir(path):
            name = os.path.basename(path)
            inode = Folder({child: self._load(f"{path}/{child}", name) for child in os.listdir(path)}, name)
        else:
            with open(path, "rb") as file:
                inode = File(bytearray(file.read()), folder_name)
        self.inodes[os.stat(path).st_ino] = inode
        return inode

    def advance(self, entries, moment):
        """Replays all entries before `moment`."""
        for number in range(self.moment, moment):
            self._replay(number, entries[number])
        self.moment = max(self.moment, moment)

    def _replay(self, number, entry):
        if entry.kind == Kind.SYNC_ENDED:
            self._sync_ended(entry.first)
        elif entry.kind == Kind.WRITE_DURABLE:
            inode, change = self.writes.pop(entry.first, (None, None))
            if inode and "meta" not in self.ignored:
                change.durable = True
                inode.settle()
        elif entry.kind != Kind.SENT and (inode := self.inodes.get(entry.first)):
            self._change(number, entry, inode)

    def _change(self, number, entry, inode):
        if entry.kind == Kind.WRITE:
            inode.add(number, "write", entry.second, entry.payload)
            self.writes[number] = (inode, inode.changes[-1])
        elif entry.kind == Kind.TRUNCATE:
            inode.add(number, "truncate", entry.second, None)
        elif entry.kind == Kind.SYNC_BEGUN:
            self.syncs[number] = inode
        elif entry.kind == Kind.RENAME:
            old, new = (os.fsdecode(name) for name in bytes(entry.payload).split(b"\0"))
            assert entry.first == entry.second, "a file moves to another folder"
            inode.add(number, "rename", old, new)
        elif entry.kind == Kind.UNLINK:
            inode.add(number, "unlink", os.fsdecode(bytes(entry.payload)), None)
        else:
            name = os.fsdecode(bytes(entry.payload))
            new = File(bytearray(), inode.name) if entry.kind == Kind.CREATE else Folder({}, name)
            self.inodes[entry.second] = new  # The system gives numbers of removed files to new ones.
            inode.add(number, "link", name, new)

    def _sync_ended(self, begin):
        inode = self.syncs.pop(begin, None)
        if inode is None or inode.role in self.ignored:
            return
        for change in inode.changes:
            if change.number < begin:
                change.durable = True
        inode.settle()

    def image(self, draw):
        """The files that a power cut leaves, by path; a folder's path ends with a slash. `draw` decides on each change that is not durable."""
        files = {}
        self._collect(self.root, "", draw, files)
        return files

    def _collect(self, folder, path, draw, files):
        for name, inode in sorted(drawn(folder, draw).items()):
            if isinstance(inode, Folder):
                files[f"{path}{name}/"] = None
                self._collect(inode, f"{path}{name}/", draw, files)
            else:
                files[path + name] = drawn(inode, draw)


def drawn(inode, draw):
    """The content with what is durable and the drawn part of the rest."""
    content = inode.content.copy()
    for change in inode.changes:
        if change.durable:
            inode.apply(content, change)
        else:
            draw.apply(inode, content, change)
    return content


class Draw:
    """Decides what of the changes that no sync covers a power cut leaves.

    One of five habits a cut, as each finds other faults: nothing is kept; everything; changes up to a moment, the next one torn, as if all
    went out in order; whole changes by chance; single sectors by chance.
    """

    HABITS = ("nothing", "everything", "in order", "changes", "sectors")

    def __init__(self, generator, last):
        """`last` is the number of the last entry before the cut."""
        self.generator = generator
        self.habit = generator.choice(self.HABITS)
        self.chance = generator.choice((0.05, 0.5, 0.95))
        # The changes that are not durable are mostly the newest ones.
        self.moment = last - int(generator.expovariate(1 / 40))

    @classmethod
    def everything(cls):
        draw = cls.__new__(cls)
        draw.habit = "everything"
        return draw

    def __str__(self):
        detail = {"in order": f" up to {getattr(self, 'moment', 0)}", "changes": f" at {self.chance}", "sectors": f" at {self.chance}"}
        return self.habit + detail.get(self.habit, "")

    def apply(self, inode, content, change):
        if self.habit == "sectors" or (self.habit == "in order" and change.number == self.moment):
            self._tear(inode, content, change)
        elif self._keeps(change):
            inode.apply(content, change)

    def _keeps(self, change):
        if self.habit == "changes":
            return self.generator.random() < self.chance
        return self.habit == "everything" or (self.habit == "in order" and change.number < self.moment)

    def _tear(self, inode, content, change):
        if change.action != "write":
            if self.generator.random() < 0.5:
                inode.apply(content, change)
            return
        # The length can be durable before the bytes are: zeros.
        end = change.place + len(change.value)
        if len(content) < end and self.generator.random() < 0.25:
            File.set_length(content, end)
        start = 0
        while start < len(change.value):
            stop = min(len(change.value), start + SECTOR_BYTES - (change.place + start) % SECTOR_BYTES)
            if self.generator.random() < self.chance:
                File.put(content, change.place + start, change.value[start:stop])
            start = stop


def write_image(files, folder):
    os.makedirs(folder)
    for path, content in files.items():
        if content is None:
            os.makedirs(f"{folder}/{path}")
        else:
            with open(f"{folder}/{path}", "wb") as file:
                file.write(content)
