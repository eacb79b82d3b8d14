"""A node as a process, a connection to it, and a writer that knows what each of its keys may hold."""

import os
import signal
import socket
import subprocess
import threading

PATIENCE_SECONDS = 60


class Failure(Exception):
    """Something that must not be: what a node did, in a sentence."""


class Node:
    """A running node. Use it in a `with`: it is killed at the end where it has not been stopped."""

    def __init__(self, program, data, flags, environment=None):
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEARSAY_")}
        command = [program, "node", "--data", data, "--listen", "127.0.0.1:0", *flags]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=inherited | (environment or {}))
        self.timer = threading.Timer(PATIENCE_SECONDS, self.process.kill)  # One that hangs fails its check instead of stopping the run.
        self.timer.start()
        self.log, self.port = "", None

    def __enter__(self):
        for line in self.process.stderr:
            self.log += line
            if "ready" in line and "listen=" in line:
                self.port = int(line.split("listen=")[1].split()[0].rsplit(":", 1)[1])
                return self
        self.__exit__()
        raise Failure(f"the node does not start, status {self.process.returncode}: {self.log.strip()}")

    def __exit__(self, *_):
        self.timer.cancel()
        self.process.kill()
        self.process.wait()
        self.log += self.process.stderr.read()
        self.process.stderr.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_SECONDS)
        if status != 0:
            raise Failure(f"status {status} after SIGTERM: {self.log}{self.process.stderr.read()}")


class Client:
    """A connection that sends commands and reads replies, in RESP2."""

    def __init__(self, node):
        try:
            self.socket = socket.create_connection(("127.0.0.1", node.port), PATIENCE_SECONDS)
        except OSError as error:
            raise Failure(f"no connection: {error}") from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = self.socket.getsockname()[1]
        self.buffer = self.socket.makefile("rb")

    def close(self):
        self.buffer.close()
        self.socket.close()

    def send(self, commands):
        parts = []
        for words in commands:
            parts.append(b"*%d\r\n" % len(words))
            parts += (b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        try:
            self.socket.sendall(b"".join(parts))
        except OSError as error:
            raise Failure(f"the connection broke: {error}") from error

    def reply(self):
        """A bulk string as bytes, None for none, everything else as its line."""
        try:
            line = self.buffer.readline()
            if not line.endswith(b"\r\n"):
                raise Failure("the node closed a connection")
            if line[:1] != b"$":
                return line[:-2].decode()
            return self.buffer.read(int(line[1:]) + 2)[:-2] if line != b"$-1\r\n" else None
        except OSError as error:
            raise Failure(f"no reply: {error}") from error

    def ask(self, *words):
        self.send([[word.encode() for word in words]])
        return self.reply()


class Writer:
    """One connection's share of the keys: sets and deletes them, each write's value told apart from every other's.

    It sends a group of writes, then waits for their answers, all of one line. `writes` holds this round's, oldest first, as key and value;
    the value is None for a delete. `start` is what each key held before.
    """

    GROUP = 64

    def __init__(self, name, key_count, value_bytes):
        self.name, self.key_count, self.value_bytes = name, key_count, value_bytes
        self.start, self.writes, self.client, self.count = {}, [], None, 0

    def keys(self):
        return [b"%s:%d" % (self.name, number) for number in range(self.key_count)]

    def begin(self, node):
        """Takes what the keys hold as the start of a round."""
        self.start, self.writes = self.read(node), []
        self.client = Client(node)

    def send_group(self, generator):
        group = []
        for _ in range(self.GROUP):
            key = b"%s:%d" % (self.name, generator.randrange(self.key_count))
            self.count += 1
            value = None if generator.random() < 0.2 else b"%s %d " % (self.name, self.count) + b"x" * generator.randrange(self.value_bytes)
            group.append((key, value))
        self.client.send([b"DEL", key] if value is None else [b"SET", key, value] for key, value in group)
        self.writes += group

    def take_group(self):
        for _ in range(self.GROUP):
            reply = self.client.reply()
            if reply not in ("+OK", ":0", ":1"):
                raise Failure(f"a write is answered {reply!r}")

    def read(self, node):
        """What each key holds now; keys that hold nothing are left out."""
        client, values = Client(node), {}
        keys = self.keys()
        for start in range(0, len(keys), self.GROUP):
            part = keys[start : start + self.GROUP]
            client.send([b"GET", key] for key in part)
            for key in part:
                value = client.reply()
                if isinstance(value, str):
                    raise Failure(f"GET {key.decode()} is answered {value}")
                if value is not None:
                    values[key] = value
        client.close()
        return values

    def check(self, values, answered):
        """Compares what was read with what may be there after the first `answered` writes of the round were answered, and any others sent."""
        last = self.start | dict(self.writes[:answered])
        later = {}
        for key, value in self.writes[answered:]:
            later.setdefault(key, set()).add(value)
        wrong = [key for key in self.keys() if values.get(key) != last.get(key) and values.get(key) not in later.get(key, ())]
        if wrong:
            key = wrong[0]
            shown = [value[:24] if value else value for value in (values.get(key), last.get(key))]
            raise Failure(f"{len(wrong)} keys lost an answered write: {key.decode()} holds {shown[0]}, answered was {shown[1]}")
