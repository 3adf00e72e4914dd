"""Hunts over a fleet: `python -m bench.fleet [--counts 10,100,1000] [--dask N] [--image LAYOUT] [--keep DIR]`.

The fleet is made of one image, converted to RAFS v6, by repairing it: each variant has a file of its own and one of
ten package databases, and shares all other layers, as the images of one base do. It lies in Debian's docker-registry if
that is installed, else in the stand-in registry. Making it takes about a quarter of a second for each image; of more
than a thousand images ten are made so, and the others of these (see `bench.multiplying`). --keep leaves it there for
the next time. With --dask the same is asked once more on a Dask cluster of so many processes on this machine.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import rafsight
from bench import multiplying
from bench.__main__ import machine, show
from bench.measure import python, run, service
from bench.measure import rafsight as command

ROOT = Path(__file__).parents[1]
MOST_REPAIRED = 1000
"""Images; of more, most are multiplied."""
REPOSITORIES = 50
DATABASES = 10
STATUS = "/var/lib/dpkg/status"
STANZA = (
    "\nPackage: fleet-marker\nStatus: install ok installed\nArchitecture: all\nVersion: {number}.0\nDescription: x\n"
)
QUESTIONS = {
    "path": ("--path", "/usr/lib/**/liblzma.so.5.*"),
    "path, one image in a thousand": ("--path", "/opt/variant/7.txt"),
    "mode": ("--mode", "/6000", "--type", "f"),
    "content": ("--path", "/etc/**", "--content", "PermitRootLogin yes"),
    "package": ("--package", "pkg:deb/fleet-marker", "--version", "<3"),
    "package, a library": ("--package", "pkg:deb/xz-utils"),
}


@contextmanager
def registry(storage: Path) -> Iterator[tuple[str, str]]:
    """Run a registry over a folder; yields HOST:PORT and its name."""
    program = shutil.which("docker-registry")
    storage.mkdir(parents=True, exist_ok=True)
    if program is None:
        with service(python("-m", "bench.serve", "--writable", str(storage), f"none={storage}")) as port:
            yield f"127.0.0.1:{port}", "stand-in registry"
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = storage.with_suffix(".yml")
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {storage}}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}', secret: only-for-this-bench}}\n"
    )
    process = subprocess.Popen([program, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "docker-registry does not start"
                assert time.monotonic() < until, "docker-registry does not start"
                time.sleep(0.02)
        yield f"127.0.0.1:{port}", "docker-registry"
    finally:
        process.terminate()
        process.wait(10)


def name_of(host: str, number: int) -> str:
    """What a variant is called."""
    return f"{host}/fleet/app-{number % REPOSITORIES:02}:v{number // REPOSITORIES}"


def make_fleet(host: str, layout: Path, work: Path, count: int) -> None:
    """Push the variants."""
    base = f"{host}/fleet/base:v6"
    made = run(command("--cache-dir", str(work / "cache"), "convert", f"oci:{layout}", base, "--quiet"))
    assert made.status == 0, "the image cannot be converted"
    options = rafsight.Options(cache_dir=work / "cache")
    with rafsight.open_image(base, options=options) as image:
        status = b"".join(rafsight.read_file(image, STATUS.encode()))
    if count <= MOST_REPAIRED:
        for number in range(count):
            repair(options, (base, name_of(host, number)), f"{number}.txt", status=status, number=number, work=work)
            if number % 100 == 99:
                print(f"{number + 1} of {count} images made", file=sys.stderr)
        return
    registry = multiplying.Registry(host)
    templates = []
    for number in range(DATABASES):
        target = f"{host}/fleet/template:v{number}"
        repair(options, (base, target), multiplying.MARK.decode(), status=status, number=number, work=work)
        templates.append(multiplying.read_template(registry, "fleet/template", f"v{number}"))
    for number in range(count):
        repository, _, tag = name_of("", number).removeprefix("/").partition(":")
        template = templates[number % DATABASES]
        if number < REPOSITORIES:
            for each in templates:
                multiplying.share(registry, each, repository)
        multiplying.put_variant(registry, template, number, repository, tag)
        if number % 1000 == 999:
            print(f"{number + 1} of {count} images made", file=sys.stderr)


def repair(
    options: rafsight.Options, images: tuple[str, str], name: str, *, status: bytes, number: int, work: Path
) -> None:
    """Make a variant of an image."""
    repairs = rafsight.Repairs(options=options)
    own, database = work / "own", work / "status"
    own.write_text(f"variant {number}\n")
    database.write_bytes(status.rstrip(b"\n") + b"\n" + STANZA.format(number=number % DATABASES).encode())
    repairs.add(f"/opt/variant/{name}", own)
    repairs.replace(STATUS, database)
    repairs.run(*images)


def ask(host: str, work: Path, name: str, *, count: int, cluster: "Workers | None", runs: int) -> list[dict[str, str]]:
    """Ask with nothing cached; then the same again, of a state that knows all."""
    rows = []
    names = work / "names"
    names.write_text("".join(f"{name_of(host, number)}\n" for number in range(count)))
    for case in ("cold", "again"):
        samples = []
        for _ in range(runs):
            if case == "cold":
                shutil.rmtree(work / "hunt", ignore_errors=True)
                shutil.rmtree(work / "workers", ignore_errors=True)
            folder = work / "hunt"
            folder.mkdir(exist_ok=True)
            words = ["--images", str(names), "--state", str(folder / "state"), "-f", "jsonl", *QUESTIONS[name]]
            words += ["--dask", cluster.address] if cluster else []
            before = cluster.cpu_seconds() if cluster else 0.0
            sample = run(command("--cache-dir", str(folder), "hunt", *words, "--quiet"))
            others = cluster.cpu_seconds() - before if cluster else 0.0
            samples.append((sample, others))
        sample, others = sorted(samples, key=lambda one: one[0].seconds)[len(samples) // 2]
        assert sample.status in (0, 3), f"{name}, {case}: status {sample.status}"
        tally = json.loads(sample.output.splitlines()[-1])
        rows.append(
            {
                "question": name,
                "with": f"{cluster.count} processes" if cluster else "threads",
                "case": case,
                "images": str(tally["images"]),
                "s": f"{sample.seconds:.1f}",
                "cpu s": f"{sample.cpu_seconds:.1f}",
                "of workers": f"{others:.1f}" if cluster else "",
                "cpu ms an image": f"{1000 * (sample.cpu_seconds + others) / count:.1f}",
                "peak": f"{sample.peak_bytes / 1e6:.0f} MB",
                "matches": str(tally["matches"]),
                "requests": str(tally["requests"]),
                "fetched": f"{tally['bytes_fetched'] / 1e6:.1f} MB",
                "contents": str(tally["contents"]),
                "state": f"{(folder / 'state').stat().st_size / count:.0f} B an image",
                "load": f"{os.getloadavg()[0]:.1f}",
            }
        )
        print(f"{count} images, {name}, {rows[-1]['with']}, {case}: {rows[-1]['s']} s", file=sys.stderr)
    return rows


@dataclass(frozen=True, slots=True)
class Workers:
    """A cluster on this machine."""

    address: str
    count: int
    pids: tuple[int, ...]
    """Of workers and scheduler."""

    def cpu_seconds(self) -> float:
        """What they have used so far."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def dask(count: int, cache: Path) -> Iterator[Workers | None]:
    """Run a cluster."""
    if not count:
        yield None
        return
    words = python("-m", "bench.workers", str(count), str(cache))
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        address, *pids = process.stdout.readline().split()
        yield Workers(address, count, tuple(map(int, pids)))
        process.stdin.close()


def main() -> None:
    """Make the fleet, and hunt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", default="10,100,1000", help="first so many images are asked")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--dask", type=int, default=0, metavar="N", help="ask on a cluster of N processes, too")
    parser.add_argument("--image", type=Path, default=Path(".cache/images/ubuntu-like"))
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--only", default="", metavar="WORDS", help="questions of these names, with semicolons between")
    options = parser.parse_args()
    counts = [int(count) for count in options.counts.split(",")]
    questions = options.only.split(";") if options.only else list(QUESTIONS)
    with tempfile.TemporaryDirectory(prefix="rafsight-fleet-") as folder:
        work = Path(folder)
        storage = options.keep or work / "storage"
        with registry(storage) as (host, name), dask(options.dask, work / "workers") as cluster:
            if not (storage / "made").is_file():
                make_fleet(host, options.image, work, max(counts))
                (storage / "made").write_text(str(max(counts)))
            print(f"{(storage / 'made').read_text()} images in {name}")
            rows = []
            for count in counts:
                for title in questions:
                    for way in (None, cluster) if cluster else (None,):
                        rows += ask(host, work, title, count=count, cluster=way, runs=options.runs)
            show(rows)
    print(f"on {machine()}", file=sys.stderr)


if __name__ == "__main__":
    main()
