"""Shows on a real text collection that three Hearsay nodes end with the same data, whatever becomes of one of them.

Starts three nodes and loads the dictionary WordNet (Debian package dict-wn, 147,311 entries) as `word:<headword>` through one of
them, reads some of it from another, starts a second load (`synonyms:<headword>`), kills the node that takes it with SIGKILL in
the middle, writes and deletes through the others meanwhile, starts it again, and compares every answered write with what each
of the three holds. Needs only Python's standard library. Exit status: 0 if nothing is missing or different, 1 otherwise.

Run it by `deploy/run.sh --demo`, which builds the node and installs the dictionary.
"""

import argparse
import collections
import gzip
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

INDEX = "/usr/share/dictd/wn.index"
TEXT = "/usr/share/dictd/wn.dict.dz"

# Requests sent ahead of their answers. Two groups are on the way at any time, so a kill always hits some without an answer.
GROUP = 256

# How long the node may take to become ready or to answer before the demo calls it hung.
PATIENCE_SECONDS = 60


class Failure(Exception):
    """What the demo set out to disprove: a record lost, a node that does not start, an answer that is an error."""


# The dictionary


def dictionary():
    """The entries as (headword, definition) bytes, in the order of the index.

    The format is dictd's: one line an entry with headword, offset and length, numbers in base 64, most significant digit first.
    """
    digits = {
        character: value
        for value, character in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    }

    def number(text):
        value = 0
        for character in text:
            value = value * 64 + digits[character]
        return value

    with gzip.open(TEXT) as file:
        text = file.read()
    entries = []
    with open(INDEX, encoding="utf-8") as file:
        for line in file:
            headword, offset, length = line.rstrip("\n").split("\t")
            start = number(offset)
            entries.append((headword.encode(), text[start : start + number(length)]))
    return entries


def synonyms(definition):
    """The words in braces: what the dictionary calls synonyms, once each, joined by commas. Lines are wrapped anywhere in it."""
    found = re.findall(rb"\{([^}]+)\}", definition)
    return b", ".join(dict.fromkeys(re.sub(rb"-\s+|\s+", _unwrapped, word) for word in found))


def _unwrapped(match):
    return b"-" if match.group().startswith(b"-") else b" "


# The node


class Node:
    """A `hearsay node` on free ports of 127.0.0.1, and on the same ones after each start."""

    def __init__(self, program, name, data, seeds):
        self.program, self.name, self.data, self.seeds = program, name, data, seeds
        self.port = self.peer_port = 0
        self.start()

    def start(self):
        started = time.monotonic()
        command = [self.program, "node", "--name", self.name, "--data", self.data, "--expect", "3"]
        command += ["--listen", f"127.0.0.1:{self.port}", "--peer-listen", f"127.0.0.1:{self.peer_port}"]
        for seed in self.seeds:
            command += ["--seed", f"127.0.0.1:{seed.peer_port}"]
        # A session of its own, so Ctrl-C reaches only this script, which then stops the node.
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            self.port, self.peer_port = self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        self.seconds_to_ready = time.monotonic() - started

    def _wait_until_ready(self):
        log = b""
        while True:
            readable, _, _ = select.select([self.process.stderr], [], [], PATIENCE_SECONDS)
            received = os.read(self.process.stderr.fileno(), 65536) if readable else b""
            log += received
            for line in log.splitlines(keepends=True):
                ports = [re.search(name + rb'="?127\.0\.0\.1:(\d+)', line) for name in (b"listen", b"peers")]
                if all(ports) and b"ready" in line and line.endswith(b"\n"):
                    return tuple(int(port.group(1)) for port in ports)
            if not received:
                raise Failure(f"{self.name} did not become ready; its log:\n" + log.decode(errors="replace"))

    def ask(self, *command):
        """One command on a connection of its own."""
        connection = Connection(self.port)
        try:
            return connection.ask(*command)
        finally:
            connection.close()

    def wait_until_serving(self):
        """A node answers -LOADING until it has a cluster, and everything that the cluster had when it joined."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.ask(b"EXISTS", b"nobody")
            except Failure:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.01)

    def kill(self):
        """The end without warning: SIGKILL. Does nothing to a node that has ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stop(self):
        """The orderly end: SIGTERM, and every write in LMDB. Returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)


class Connection:
    """One client connection that sends ahead and takes the answers in order."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self.answers = self.socket.makefile("rb", 1 << 16)

    def send(self, commands):
        self.socket.sendall(b"".join(map(encoded, commands)))

    def answer(self):
        """The next answer: bytes, None for null, Failure for an error; ConnectionError once the node is gone."""
        line = self.answers.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the node closed the connection")
        if line[:1] == b"-":
            raise Failure("the node answered " + line.decode(errors="replace").strip())
        if line[:1] not in b"$*":
            return line[1:-2]
        length = int(line[1:])
        if line[:1] == b"*":
            return [self.answer() for _ in range(length)]
        if length < 0:
            return None
        payload = self.answers.read(length + 2)
        if len(payload) < length + 2:
            raise ConnectionError("the node closed the connection")
        return payload[:-2]

    def ask(self, *command):
        self.send([command])
        return self.answer()

    def answers_to(self, commands):
        """Every command with its answer, in order, with two groups on the way."""
        commands = iter(commands)
        on_the_way = collections.deque()

        def send_group():
            group = [command for _, command in zip(range(GROUP), commands)]
            self.send(group)
            on_the_way.extend(group)

        send_group()
        send_group()
        while on_the_way:
            for _ in range(min(GROUP, len(on_the_way))):
                answer = self.answer()
                yield on_the_way.popleft(), answer
            send_group()

    def close(self):
        self.answers.close()
        self.socket.close()


def encoded(command):
    parts = [b"*%d\r\n" % len(command)]
    for argument in command:
        parts.append(b"$%d\r\n%s\r\n" % (len(argument), argument))
    return b"".join(parts)


# The steps


def say(text=""):
    print(text, flush=True)


def rate(count, seconds):
    return f"{count:,} in {seconds:.1f} s ({count / max(seconds, 1e-9):,.0f} a second)"


def set_all(node, records):
    """SETs every record and returns them as a dictionary; each was answered."""
    connection = Connection(node.port)
    answered = {}
    for (_, key, value), answer in connection.answers_to((b"SET", key, value) for key, value in records):
        if answer != b"OK":
            raise Failure(f"SET {key!r} was answered {answer!r}")
        answered[key] = value
    connection.close()
    return answered


def delete_all(node, keys):
    connection = Connection(node.port)
    for (_, key), answer in connection.answers_to((b"DEL", key) for key in keys):
        if answer != b"1":
            raise Failure(f"DEL {key!r} was answered {answer!r}")
    connection.close()


def load(node, records):
    started = time.monotonic()
    answered = set_all(node, records)
    volume = sum(len(key) + len(value) for key, value in records)
    say(f"  through {node.name}: {rate(len(answered), time.monotonic() - started)}, {volume / 1e6:.1f} MB, each answered after it was synced")
    return answered


def load_and_kill(node, records, kill_after):
    """SETs records, kills the node when `kill_after` are answered, and returns all that were answered."""
    started = time.monotonic()
    connection = Connection(node.port)
    answered = {}
    try:
        for (_, key, value), answer in connection.answers_to((b"SET", key, value) for key, value in records):
            if answer != b"OK":
                raise Failure(f"SET {key!r} was answered {answer!r}")
            answered[key] = value
            if len(answered) == kill_after:
                node.kill()
                elapsed = time.monotonic() - started
    except ConnectionError:
        pass  # The answers that had left the node before it died have all been read.
    finally:
        connection.close()
    if len(answered) < kill_after or len(answered) == len(records):
        raise Failure(f"{node.name} ended after {len(answered):,} answers, not in the middle of the load")
    say(
        f"  kill -9 of {node.name} after {rate(kill_after, elapsed)}; {len(answered):,} answers arrived,"
        f" {len(records) - len(answered):,} did not"
    )
    return answered


def show(node, headwords):
    for headword in headwords:
        value = node.ask(b"GET", b"word:" + headword)
        if value is None:
            raise Failure(f"word:{headword.decode()} is missing on {node.name}")
        say(f"  {node.name}: GET word:{headword.decode()}")
        for line in value.decode().rstrip().splitlines():
            say(f"    | {line}")


def wait_until_equal(nodes):
    """Asks for digests until all are equal, shows them, and returns how long that took."""
    started = time.monotonic()
    while len(digests := {node.ask(b"HEARSAY", b"DIGEST") for node in nodes}) > 1:
        if time.monotonic() - started > PATIENCE_SECONDS:
            raise Failure(f"the digests are still different: {digests}")
        time.sleep(0.005)
    took = time.monotonic() - started
    for node in nodes:
        say(f"  {node.name}: {node.ask(b'HEARSAY', b'DIGEST').decode()}")
    say(f"  equal {took:.2f} s after the first look")


def show_what_crossed(node):
    """What a node got and gave in sessions since its start, as its INFO has it for each peer."""
    info = node.ask(b"INFO", b"hearsay").decode()
    for name, text in re.findall(r"^peer_(\S+?):(.*?)\r?$", info, re.MULTILINE):
        figures = dict(field.split("=", 1) for field in text.split(","))

        def crossed(way):
            entries, size = (int(figures[f"log_{what}_{way}"]) + int(figures[f"{what}_{way}"]) for what in ("entries", "bytes"))
            return f"{entries:,} entries ({size / 1e6:.2f} MB)"

        say(
            f"  {node.name} and {name}: {crossed('in')} in, {crossed('out')} out, in {figures['catch_ups']} catch-ups from the"
            f" other's log and {figures['sessions']} sessions"
        )


def verify(node, answered, deleted):
    """GETs every answered record and every deleted key. Returns how many are not what they should be."""
    started = time.monotonic()
    connection = Connection(node.port)
    missing, different = [], []
    for (_, key), value in connection.answers_to((b"GET", key) for key in answered):
        if value is None:
            missing.append(key)
        elif value != answered[key]:
            different.append(key)
    back = [key for (_, key), value in connection.answers_to((b"GET", key) for key in deleted) if value is not None]
    say(
        f"  {node.name}: {rate(len(answered) + len(deleted), time.monotonic() - started)}: {len(missing)} missing,"
        f" {len(different)} different, {len(back)} deleted and back"
    )
    for key in (missing + different + back)[:5]:
        say(f"    {key.decode(errors='replace')}")
    say(f"    digest, recomputed by a scan: {connection.ask(b'HEARSAY', b'VERIFY').decode()}")
    connection.close()
    return len(missing) + len(different) + len(back)


def story(nodes, random_moment):
    first, second, third = nodes
    entries = dictionary()
    words = [(b"word:" + headword, definition) for headword, definition in entries]
    related = [(b"synonyms:" + headword, found) for headword, definition in entries if (found := synonyms(definition))]
    lengths = [(b"length:" + headword, b"%d" % len(definition)) for headword, definition in entries[:20_000]]
    deleted = [key for key, _ in words[-5_000:]]

    say("2. Load the dictionary WordNet through one node, one record a headword")
    answered = load(first, words)
    wait_until_equal(nodes)
    say("3. Read some of it from another")
    show(third, [b"hearsay", b"gossip"])
    say("4. Load each word's synonyms through a third, and kill that node in the middle")
    kill_after = random_moment.randrange(len(related) * 3 // 10, len(related) * 7 // 10)
    answered |= load_and_kill(second, related, kill_after)
    say("5. Go on without it: write through one of the others, delete through the other")
    answered |= set_all(first, lengths)
    wait_until_equal([first, third])
    delete_all(third, deleted)
    for key in deleted:
        del answered[key]
    say(f"  {len(lengths):,} lengths written through {first.name}, {len(deleted):,} words deleted through {third.name}")
    say("6. Start it again on the same folder, and let them meet")
    second.start()
    say(f"  {second.name} ready in {second.seconds_to_ready:.2f} s")
    wait_until_equal(nodes)
    show_what_crossed(second)
    say("7. Compare every answered write with what each node holds")
    wrong = sum(verify(node, answered, deleted) for node in nodes)
    if wrong:
        raise Failure(f"{wrong:,} records are missing, different or back")
    say(f"Every one of {len(answered):,} answered records is on all three nodes, and none of {len(deleted):,} deleted ones.")


def demo(program, folder, seed):
    nodes = []
    try:
        say(f"1. Start three nodes on empty folders ({folder}/n1, n2, n3)")
        for number in (1, 2, 3):
            nodes.append(Node(program, f"n{number}", os.path.join(folder, f"n{number}"), list(nodes)))
        for node in nodes:
            node.wait_until_serving()
            say(f"  {node.name}: port {node.port} for clients, {node.peer_port} for peers")
        cluster = re.search(rb"cluster_id:(\w+)", nodes[0].ask(b"INFO", b"hearsay")).group(1).decode()
        say(f"  they have founded cluster {cluster}")
        story(nodes, random.Random(seed))
        for node in nodes:
            status = node.stop()
            if status != 0:
                raise Failure(f"{node.name} ended with status {status}")
    finally:
        for node in nodes:
            node.kill()


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--hearsay", required=True, help="the program to run")
    flags.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="decides the moment of the kill")
    arguments = flags.parse_args()
    say(f"seed {arguments.seed} (repeat with --seed {arguments.seed})")
    folder = tempfile.mkdtemp(prefix="hearsay-demo.")
    # A terminal that closes or a `kill` unwinds like Ctrl-C: the node is stopped and the folder removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        demo(arguments.hearsay, folder, arguments.seed)
    except (Failure, OSError) as failure:
        say(f"FAILED: {failure}")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
