"""Run a command and tell what it cost; run a service beside it and end it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run of a command."""

    seconds: float
    """Wall clock."""
    cpu_seconds: float
    peak_bytes: int
    """Largest resident set of the process itself."""
    status: int
    output: bytes
    requests: int = 0
    """That the registry answered; 0 if nobody counted."""
    bytes_sent: int = 0
    """[bytes] of bodies that it sent."""


def run(command: Sequence[str], *, environment: dict[str, str] | None = None, output: Path | None = None) -> Sample:
    """Run a command to its end.

    Args:
        command: with its arguments.
        environment: what is other than here.
        output: a file for what it prints; None: the sample has it.
    """
    started = time.perf_counter()
    # compiled modules may be kept, as they are where a package is installed
    settings = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environment or {})}
    with (
        Path(output or os.devnull).open("wb") as file,
        subprocess.Popen(
            command, stdout=file if output else subprocess.PIPE, stderr=subprocess.DEVNULL, env=settings
        ) as process,
    ):
        printed = process.stdout.read() if process.stdout is not None else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Sample(
        seconds=time.perf_counter() - started,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=usage.ru_maxrss * 1024,
        status=process.returncode,
        output=printed,
    )


def middle(samples: Sequence[Sample]) -> Sample:
    """Return the sample with the median wall clock."""
    wall = median(sample.seconds for sample in samples)
    return min(samples, key=lambda sample: abs(sample.seconds - wall))


@contextmanager
def service(command: Sequence[str]) -> Iterator[int]:
    """Run a service that prints its port as its first line; end it by its id."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()


class Registry:
    """A registry on loopback that counts, and a slow link to it; made by `registry`."""

    def __init__(self, process: subprocess.Popen[str], fast: int, slow: int) -> None:
        self._process = process
        self.hosts = {"slow": f"127.0.0.1:{slow}", "loopback": f"127.0.0.1:{fast}"}
        """By link."""

    def count(self, sample: Sample) -> Sample:
        """Add to a sample what was answered since the last one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        counted = json.loads(self._process.stdout.readline())
        return replace(sample, requests=counted["requests"], bytes_sent=counted["bytes"])


@contextmanager
def registry(layouts: Mapping[str, Path]) -> Iterator[Registry]:
    """Serve layouts by name, over loopback and over the slow link; end both by their ids."""
    pairs = [f"{name}={layout}" for name, layout in layouts.items()]
    pipe = subprocess.PIPE
    command = python("-m", "bench.serve", "--count", *pairs)
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parents[1]) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with service(python("-m", "bench.link", "--to", f"127.0.0.1:{port}")) as slow:
                yield Registry(process, port, slow)
        finally:
            process.terminate()


def python(*arguments: str) -> list[str]:
    """A command of this interpreter."""
    return [sys.executable, *arguments]


def rafsight(*arguments: str) -> list[str]:
    """A command line of ours, as a user starts it."""
    return [str(Path(sys.executable).parent / "rafsight"), *arguments]
