"""Shows on a real text collection that what a Hearsay node has answered survives `kill -9`.

Loads the dictionary WordNet (Debian package dict-wn, 147,311 entries) as `word:<headword>`, reads some entries back, starts a
second load (`synonyms:<headword>`), kills the node in the middle of it, starts it again, and compares every answered record
with what was sent. Needs only Python's standard library. Exit status: 0 if nothing is missing or different, 1 otherwise.

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
    """A `hearsay node` on a free port of 127.0.0.1."""

    def __init__(self, program, data):
        self.started = time.monotonic()
        # A session of its own, so Ctrl-C reaches only this script, which then stops the node.
        self.process = subprocess.Popen(
            [program, "node", "--data", data, "--listen", "127.0.0.1:0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self.port = self._wait_until_ready()
        except BaseException:
            self.kill()
            raise
        self.seconds_to_ready = time.monotonic() - self.started

    def _wait_until_ready(self):
        log = b""
        while True:
            readable, _, _ = select.select([self.process.stderr], [], [], PATIENCE_SECONDS)
            received = os.read(self.process.stderr.fileno(), 65536) if readable else b""
            log += received
            for line in log.splitlines(keepends=True):
                bound = re.search(rb'listen="?127\.0\.0\.1:(\d+)', line)
                if bound and b"ready" in line and line.endswith(b"\n"):
                    return int(bound.group(1))
            if not received:
                raise Failure("the node did not become ready; its log:\n" + log.decode(errors="replace"))

    def kill(self):
        """The end without warning: SIGKILL. Does nothing to a node that has ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stop(self):
        """The orderly end: SIGTERM, and every write on disk. Returns the exit status."""
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
        if line[:1] != b"$":
            return line[1:-2]
        length = int(line[1:])
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


def load(node, records):
    """SETs every record and returns those that were answered, as a dictionary: here, all."""
    started = time.monotonic()
    connection = Connection(node.port)
    answered = {}
    for (_, key, value), answer in connection.answers_to((b"SET", key, value) for key, value in records):
        if answer != b"OK":
            raise Failure(f"SET {key!r} was answered {answer!r}")
        answered[key] = value
    connection.close()
    volume = sum(len(key) + len(value) for key, value in records)
    say(f"  {rate(len(answered), time.monotonic() - started)}, {volume / 1e6:.1f} MB, each answered after it was synced")
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
        raise Failure(f"the node ended after {len(answered):,} answers, not in the middle of the load")
    say(f"  kill -9 after {rate(kill_after, elapsed)}; {len(answered):,} answers arrived, {len(records) - len(answered):,} did not")
    return answered


def show(node, headwords):
    connection = Connection(node.port)
    for headword in headwords:
        value = connection.ask(b"GET", b"word:" + headword)
        if value is None:
            raise Failure(f"word:{headword.decode()} is missing")
        say(f"  GET word:{headword.decode()}")
        for line in value.decode().rstrip().splitlines():
            say(f"    | {line}")
    connection.close()


def verify(node, answered):
    """GETs every answered record and compares. Returns how many are missing or different."""
    started = time.monotonic()
    connection = Connection(node.port)
    missing, different = [], []
    for (_, key), value in connection.answers_to((b"GET", key) for key in answered):
        if value is None:
            missing.append(key)
        elif value != answered[key]:
            different.append(key)
    say(f"  {rate(len(answered), time.monotonic() - started)}: {len(missing)} missing, {len(different)} different")
    for key in (missing + different)[:5]:
        say(f"    {key.decode(errors='replace')}")
    say(f"  DBSIZE {int(connection.ask(b'DBSIZE')):,}; digest, recomputed by a scan: {connection.ask(b'HEARSAY', b'VERIFY').decode()}")
    connection.close()
    return len(missing) + len(different)


def demo(program, data, seed):
    random_moment = random.Random(seed)
    entries = dictionary()
    words = [(b"word:" + headword, definition) for headword, definition in entries]
    related = [(b"synonyms:" + headword, found) for headword, definition in entries if (found := synonyms(definition))]

    say(f"1. Start a node on an empty folder ({data})")
    node = Node(program, data)
    try:
        say(f"  ready in {node.seconds_to_ready:.2f} s on port {node.port}")
        say("2. Load the dictionary WordNet, one record a headword")
        answered = load(node, words)
        say("3. Read some of it back")
        show(node, [b"hearsay", b"gossip"])
        say("4. Load each word's synonyms, and kill the node in the middle")
        kill_after = random_moment.randrange(len(related) * 3 // 10, len(related) * 7 // 10)
        answered |= load_and_kill(node, related, kill_after)
        say("5. Start it again on the same folder")
        node = Node(program, data)
        say(f"  ready in {node.seconds_to_ready:.2f} s")
        say("6. Compare every answered record with what was sent")
        wrong = verify(node, answered)
        status = node.stop()
        if status != 0:
            raise Failure(f"the node ended with status {status}")
        if wrong:
            raise Failure(f"{wrong:,} of {len(answered):,} answered records are missing or different")
        say(f"Every one of {len(answered):,} answered records is there.")
    finally:
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
        demo(arguments.hearsay, os.path.join(folder, "data"), arguments.seed)
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
