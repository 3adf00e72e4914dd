"""Run a command and tell what it cost; run a service beside it and end it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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


def run(command: Sequence[str], *, environment: dict[str, str] | None = None) -> Sample:
    """Run a command to its end."""
    started = time.perf_counter()
    # compiled modules may be kept, as they are where a package is installed
    settings = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environment or {})}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=settings) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Sample(
        seconds=time.perf_counter() - started,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=usage.ru_maxrss * 1024,
        status=process.returncode,
        output=output,
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


def python(*arguments: str) -> list[str]:
    """A command of this interpreter."""
    return [sys.executable, *arguments]


def rafsight(*arguments: str) -> list[str]:
    """A command line of ours, as a user starts it."""
    return [str(Path(sys.executable).parent / "rafsight"), *arguments]
