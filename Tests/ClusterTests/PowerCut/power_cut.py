"""Cuts the power of a node again and again, as far as a node can tell, and checks that it comes back with every answered write.

In each round a node runs under journal.c and takes a load of sets and deletes. From its journal come images of its disk after a power cut
at random moments (disk.py). On each image a node must start by itself, hold every write that was answered before the cut, have a digest that
equals a scan, and stop with status 0. The next round begins from one of the images, so cuts during recovery are among them.

Usage: power_cut.py PROGRAM [--images N] [--seed N] [--durability LEVEL] [--ignore ROLE ...]. With --ignore the disk does not do what these
syncs ask for (see disk.Disk), and the run succeeds if some image turns out bad. ProcessTests/PowerCutTests runs it; exit status 1 is a failure.
The seed repeats the choices, not the node's timing: so the image of a failure is kept.
"""

import argparse
import bisect
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from disk import Disk, Draw, Kind, read_journal, write_image  # noqa: E402
from node import Client, Failure, Node, Writer  # noqa: E402

IMAGES_PER_ROUND = 5
# Small tables, so that rounds hit drains and their hand-overs and not only the log.
FLAGS = ["--table-entries", "1000", "--table-bytes", "1MiB"]


def build_journal(folder):
    """Compiles journal.c with a C compiler, that of the Swift toolchain where there is no other."""
    beside_swift = os.path.join(os.path.dirname(os.path.realpath(shutil.which("swift") or "/")), "clang")
    compiler = shutil.which("clang") or shutil.which("cc") or beside_swift
    library = f"{folder}/journal.so"
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "journal.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library, source, "-lpthread"], check=True)
    return library


class Round:
    """One run of a node under load that began on the files in `folder`, what is on its disk at each moment, and what was answered then."""

    def __init__(self, options, generator, library, folder, writers, groups):
        self.folder, self.writers = folder, writers
        journal = f"{folder}.journal"
        self.disk = Disk(folder, options.ignore)
        environment = {"LD_PRELOAD": library, "POWER_CUT_JOURNAL": journal}
        with Node(options.program, f"{folder}/data", options.flags, environment) as node:
            for writer in writers:
                writer.begin(node)
            for _ in range(groups):
                for writer in writers:
                    writer.send_group(generator)
                for writer in writers:
                    writer.take_group()
            node.stop()
        self.entries = read_journal(journal)
        os.remove(journal)
        self.answers = {writer.client.port: [] for writer in writers}
        for number, entry in enumerate(self.entries):
            if entry.kind == Kind.SENT and entry.first in self.answers:
                self.answers[entry.first] += [number] * bytes(entry.payload).count(b"\n")
        for writer in writers:
            writer.client.close()
            found = len(self.answers[writer.client.port])
            assert found == len(writer.writes), f"{found} answers in the journal, {len(writer.writes)} received"

    def moments(self, generator, count):
        """Where to cut the power: anywhere, around syncs and changes of names, and before the first answer, in order."""
        special = [number for number, entry in enumerate(self.entries) if entry.kind not in (Kind.WRITE, Kind.SENT)]
        first = next(number for number, entry in enumerate(self.entries) if entry.kind == Kind.SENT)
        choices = [
            lambda: generator.randrange(len(self.entries) + 1),
            lambda: generator.choice(special) + generator.randrange(2),
            lambda: generator.randrange(first + 1),
        ]
        return sorted(generator.choices(choices, (2, 2, 1))[0]() for _ in range(count))

    def answered(self, writer, moment):
        """How many of a writer's writes had been answered before a moment."""
        return bisect.bisect_left(self.answers[writer.client.port], moment)

    def check_journal(self):
        """All changes together must give the files that are there: otherwise the journal overlooks some and its images prove nothing."""
        self.disk.advance(self.entries, len(self.entries))
        expected = self.disk.image(Draw.everything())
        there = {}
        for parent, folders, files in os.walk(self.folder):
            prefix = os.path.relpath(parent, self.folder) + "/" if parent != self.folder else ""
            there.update((f"{prefix}{name}/", None) for name in folders)
            for name in files:
                with open(f"{parent}/{name}", "rb") as file:
                    there[prefix + name] = file.read()
        # LMDB's table of readers is mapped memory. Nobody relies on it after a crash: the first process to open it begins it anew.
        wrong = [path for path in expected.keys() | there.keys() if expected.get(path, 0) != there.get(path, 0) and not path.endswith("lock.mdb")]
        assert not wrong, f"the journal does not lead to what is in these files: {sorted(wrong)}"


def check_image(options, folder, round, moment):
    """Starts a node on an image and compares what it holds with what was answered."""
    with Node(options.program, f"{folder}/data", options.flags) as node:
        live = 0
        for writer in round.writers:
            values = writer.read(node)
            # At "interval" an answer does not wait for a sync: any write of the round may be missing, though none may be wrong.
            writer.check(values, round.answered(writer, moment) if options.durability == "always" else 0)
            live += len(values)
        client = Client(node)
        digest, verified = client.ask("HEARSAY", "DIGEST"), client.ask("HEARSAY", "VERIFY")
        if digest != verified:
            raise Failure(f"HEARSAY VERIFY answers {verified!r}, the digest is {digest!r}")
        if (count := client.ask("DBSIZE")) != f":{live}":
            raise Failure(f"DBSIZE is {count} with {live} keys")
        if (answer := client.ask("SET", "after the cut", "x")) != "+OK":
            raise Failure(f"a new write is answered {answer!r}")
        client.close()
        node.stop()


class Campaign:
    """Round after round until there were enough images. `failures` holds a sentence for each bad one."""

    # Three rounds, each on an image of the one before, with small values; then one whose long values fill a segment of the log, so that
    # the next one is begun under load. Then again from an empty disk.
    ROUNDS = (("small", 300, 30), ("small", 300, 30), ("small", 300, 30), ("long", 60_000, 12))

    def __init__(self, options, scratch):
        self.options, self.scratch = options, scratch
        self.generator = random.Random(options.seed)
        self.library = build_journal(scratch)
        self.writers = [Writer(b"writer%d" % number, 500, 0) for number in range(4)]
        self.failures, self.images, self.rounds = [], 0, 0

    def run(self):
        folder = None
        while self.images < self.options.images and not (self.failures and self.options.ignore):
            name, value_bytes, groups = self.ROUNDS[self.rounds % len(self.ROUNDS)]
            if folder is None or self.rounds % len(self.ROUNDS) == 0:
                folder = self._empty_folder()
            for writer in self.writers:
                writer.value_bytes = value_bytes
            round = Round(self.options, self.generator, self.library, folder, self.writers, groups)
            good = self._cut(round, name)
            round.check_journal()
            shutil.rmtree(folder)
            folder = self.generator.choice(good) if good else None
            for image in good:
                if image != folder:
                    shutil.rmtree(image)
            self.rounds += 1

    def _empty_folder(self):
        folder = f"{self.scratch}/empty-{self.rounds}"
        os.mkdir(folder)
        return folder

    def _cut(self, round, name):
        """Checks some images of a round and returns those that are good, as they were before the check."""
        good = []
        for moment in round.moments(self.generator, min(IMAGES_PER_ROUND, self.options.images - self.images)):
            self.images += 1
            round.disk.advance(round.entries, moment)
            draw = Draw(self.generator, moment - 1)
            image = f"{self.scratch}/image-{self.images}"
            write_image(round.disk.image(draw), image)
            trial = f"{self.scratch}/trial"
            shutil.copytree(image, trial)
            try:
                check_image(self.options, trial, round, moment)
                good.append(image)
            except Failure as failure:
                what = f"cut before entry {moment} of {len(round.entries)}, {name} values, kept of the rest: {draw}"
                self._failed(image, what, failure)
            shutil.rmtree(trial)
        return good

    def _failed(self, image, what, failure):
        kept = "none is kept"
        if not self.options.ignore:
            kept = f"{tempfile.gettempdir()}/hearsay-power-cut-{self.options.seed}-{self.images}"
            shutil.copytree(image, kept, dirs_exist_ok=True)
        shutil.rmtree(image)
        self.failures.append(f"image {self.images}, round {self.rounds}, {what}: {failure} (image: {kept})")
        print(self.failures[-1], flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(64))
    parser.add_argument("--durability", choices=("always", "interval"), default="always")
    parser.add_argument("--ignore", nargs="*", choices=("log", "base", "names", "meta"), default=[])
    options = parser.parse_args()
    options.flags = [*FLAGS, "--durability", options.durability]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(prefix="hearsay-power-cut-") as scratch:
        campaign = Campaign(options, scratch)
        campaign.run()
    counts = f"{len(campaign.failures)} bad"
    print(f"{campaign.images} images in {campaign.rounds} rounds, {counts}; --seed {options.seed}")
    sys.exit(bool(campaign.failures) != bool(options.ignore))


if __name__ == "__main__":
    main()
