"""`rafsight view` as people start it, and how to wait for what it says."""

import os
import select
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

PROGRAM = Path(sys.executable).parent / "rafsight"
PATIENCE = 60


def environment(home):
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return clean | {"HOME": str(home), "NO_COLOR": "1"}


class Program:
    """The command line with a cache of its own."""

    def __init__(self, spot, cache="cache", before=()):
        self.spot = spot
        self.cache = spot / cache
        self._before = before

    def command(self, *arguments):
        return [*map(str, self._before), PROGRAM, "--cache-dir", self.cache, *map(str, arguments)]

    def run(self, *arguments, **more):
        """Run it to its end."""
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, check=False, timeout=PATIENCE * 2,
            env=environment(self.spot), **more,
        )  # fmt: skip

    def say(self, *arguments):
        """Run what has to go well, and return what it says."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    @contextmanager
    def foreground(self, *arguments, **more):
        """Start a view; it is killed if the test does not end it. Signals are heard, whoever ignores them out there."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)}
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        try:
            process = subprocess.Popen(
                self.command("view", *arguments), env=environment(self.spot), text=True, **streams
            )
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def next_line(stream):
    """Read a line, but do not wait for ever."""
    assert select.select([stream], [], [], PATIENCE)[0], "it says nothing"
    return stream.readline().rstrip("\n")


def ended(process):
    """Wait for the end; return the status, and what was said since."""
    output, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, output, errors
