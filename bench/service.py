"""The service under a burst: many requests for scans at once, as Harbor sends them after a new database.

    python -m bench.service [--images 100] [--requests 500] [--workers 4] [--clients 32] [--rounds 3] [--store URL]

Images are made (each with content of its own), pushed to Debian's docker-registry on loopback (the stand-in registry,
where that is not installed), and asked for in random order through Harbor's scanner API; then every report is polled
until it is there. All of it runs on this one machine: client, service, workers and registry share its cores. Nothing is
asserted about time; a digest scanned twice or an answer that is an error is said in the table.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import rafsight
from bench.__main__ import machine, show
from bench.fleet import registry as serve_images
from bench.measure import python
from rafsight.testing.registry import PLANTED

OCI = "application/vnd.oci.image.manifest.v1+json"
GENERIC = "application/vnd.security.vulnerability.report; version=1.1"
POLL = 1.0
"""[s] between two looks at a report."""
FRESH = 20.0
"""[s] that a report is taken instead of a scan; longer than a round, and rounds are further apart."""


@dataclass(slots=True)
class Calls:
    """What calls of one kind took, and what came back."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def row(self, name: str) -> dict[str, str]:
        ordered = sorted(self.seconds)
        return {
            "call": name,
            "calls": str(len(ordered)),
            "p50": f"{1000 * quantile(ordered, 0.5):.1f} ms",
            "p99": f"{1000 * quantile(ordered, 0.99):.1f} ms",
            "max": f"{1000 * ordered[-1]:.1f} ms" if ordered else "-",
            "answers": ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items())),
        }


def quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def make_images(host: str, folder: Path, count: int) -> list[str]:
    """Push images with the packages of the shipped one and a file of their own; returns their digests."""
    tree = folder / "tree"
    with rafsight.open_image(f"oci:{PLANTED}:v6") as image:
        wanted = [entry.path for entry in rafsight.list_files(image, b"/usr/lib/python3/dist-packages")]
        rafsight.export_files(image, wanted, to=tree)
    site = tree / "usr/lib/python3/dist-packages"
    digests = []
    for number in range(count):
        package = site / f"own-1.{number}.dist-info"
        package.mkdir()
        (package / "METADATA").write_text(f"Metadata-Version: 2.1\nName: own\nVersion: 1.{number}\n")
        done = rafsight.Conversions().convert(f"dir:{tree}", f"{host}/images:v{number}", rafsight.ConvertTerms())
        digests.append(done.digest)
        shutil.rmtree(package)
    return digests


@contextmanager
def serving(folder: Path, workers: int, registry: str, store: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run the service; yields its port."""
    database, log, settings = folder / "advisories.sqlite", folder / "service.log", folder / "serve.yaml"
    settings.write_text(f"harbor: {{fresh-for: {FRESH:.0f}s}}\n")
    if not database.exists():
        rafsight.Advisories(database).take([PLANTED.parent / "advisories"])
    command = python(
        *("-m", "rafsight", "--cache-dir", str(folder / "cache"), "serve", "--listen", "127.0.0.1:0"),
        *("--workers", str(workers), "--store", store, "--db", str(database), "--allow-registry", registry),
        *("--config", str(settings)),
    )
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stderr=stream, env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""})
    try:
        port = None
        while port is None:
            assert process.poll() is None, log.read_text()
            for line in log.read_text().splitlines():
                if '"listening"' in line:
                    port = json.loads(line)["port"]
            time.sleep(0.05)
        yield port, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


class Line:
    """One connection that stays open, with as little as a client needs, so that the client costs little."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, body: bytes = b"", accept: str = "*/*") -> tuple[int, bytes]:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._reader is not None
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._writer.write(head.encode() + b"\r\n" + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        lines = answer.split("\r\n")
        size = next((int(line[15:]) for line in lines if line.lower().startswith("content-length:")), 0)
        return int(lines[0].split(" ")[1]), await self._reader.readexactly(size)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


async def burst(port: int, registry: str, wanted: list[str], clients: int) -> tuple[Calls, Calls, float]:
    """Ask for all at once, then poll all reports; returns the calls of both, and the time until the last report."""
    posts, gets, ids = Calls(), Calls(), []
    queue = list(wanted)
    began = time.perf_counter()

    async def timed(calls: Calls, call: Callable[[], Awaitable[tuple[int, bytes]]]) -> tuple[int, bytes]:
        started = time.perf_counter()
        status, content = await call()
        calls.seconds.append(time.perf_counter() - started)
        calls.statuses[status] += 1
        return status, content

    async def order(line: Line) -> None:
        while queue:
            artifact = {"repository": "images", "digest": queue.pop(), "tag": "", "mime_type": OCI}
            body = json.dumps({"registry": {"url": f"http://{registry}"}, "artifact": artifact}).encode()
            status, content = await timed(posts, partial(line.ask, "POST", "/api/v1/scan", body))
            if status == 202:
                ids.append(json.loads(content)["id"])

    async def poll(line: Line) -> None:
        while ids:
            scan_id = ids.pop()
            path = f"/api/v1/scan/{scan_id}/report"
            status = 302
            while status == 302:
                status, _ = await timed(gets, partial(line.ask, "GET", path, accept=GENERIC))
                await asyncio.sleep(POLL if status == 302 else 0)

    lines = [Line(port) for _ in range(clients)]
    await asyncio.gather(*map(order, lines))
    await asyncio.gather(*map(poll, lines))
    for line in lines:
        line.close()
    return posts, gets, time.perf_counter() - began


def memory_of(pid: int) -> int:
    """Return the resident memory of a process [bytes]."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmRSS:"))


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


def measure(options: argparse.Namespace, work: Path) -> list[dict[str, str]]:
    """Run all rounds."""
    rows: list[dict[str, str]] = []
    store = options.store or str(work / "jobs.sqlite")
    with serve_images(work / "storage") as (registry, name):
        digests = make_images(registry, work, options.images)
        print(f"{len(digests)} images in a {name}")
        with serving(work, options.workers, registry, store) as (port, process):
            print(f"service at rest: {memory_of(process.pid) / 1e6:.0f} MB")
            for number in range(options.rounds):
                if number:
                    time.sleep(FRESH + 1)
                wanted = [digests[index % len(digests)] for index in range(options.requests)]
                random.Random(number).shuffle(wanted)
                before = asyncio.run(Line(port).ask("GET", "/v1/jobs?limit=1"))
                posts, gets, seconds = asyncio.run(burst(port, registry, wanted, options.clients))
                after = asyncio.run(Line(port).ask("GET", "/v1/jobs?limit=1"))
                scanned = json.loads(after[1])["total"] - json.loads(before[1])["total"]
                workers = [memory_of(pid) for pid in children_of(process.pid)]
                more = {
                    "round": str(number + 1),
                    "scans": f"{scanned} of {len(set(wanted))} digests",
                    "until the last": f"{seconds:.1f} s",
                    "service": f"{memory_of(process.pid) / 1e6:.0f} MB",
                    "largest worker": f"{max(workers, default=0) / 1e6:.0f} MB",
                }
                rows += [more | posts.row("POST scan"), {"round": more["round"]} | gets.row("GET report")]
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--clients", type=int, default=32, help="connections, each with one request at a time")
    parser.add_argument("--rounds", type=int, default=3, help="the second and later ones scan all again")
    parser.add_argument("--store", default="")
    options = parser.parse_args()
    print(", ".join(f"{name} {value}" for name, value in machine().items()), file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="rafsight-bench-service-") as folder:
        show(measure(options, Path(folder)))


if __name__ == "__main__":
    main()
