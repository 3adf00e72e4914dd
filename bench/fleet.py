"""A hunt over a fleet: `python -m bench.fleet [--count N] [--image LAYOUT] [--keep DIR]`.

The fleet is made of one image, converted to RAFS v6, by repairing it N times: each variant has a file of its own and
one of ten package databases, and shares all other layers, as the images of one base do. It lies in Debian's
docker-registry if that is installed, else in the stand-in registry. Making it takes about a quarter of a second for
each image; --keep leaves it there for the next time.
"""

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rafsight
from bench.__main__ import machine, show
from bench.measure import python, run, service
from bench.measure import rafsight as command

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


def make_fleet(host: str, layout: Path, work: Path, count: int) -> None:
    """Push the variants."""
    base = f"{host}/fleet/base:v6"
    made = run(command("--cache-dir", str(work / "cache"), "convert", f"oci:{layout}", base, "--quiet"))
    assert made.status == 0, "the image cannot be converted"
    options = rafsight.Options(cache_dir=work / "cache")
    with rafsight.open_image(base, options=options) as image:
        status = b"".join(rafsight.read_file(image, STATUS.encode()))
    for number in range(count):
        repairs = rafsight.Repairs(options=options)
        own, database = work / "own", work / "status"
        own.write_text(f"variant {number}\n")
        database.write_bytes(status.rstrip(b"\n") + b"\n" + STANZA.format(number=number % DATABASES).encode())
        repairs.add(f"/opt/variant/{number}.txt", own)
        repairs.replace(STATUS, database)
        repairs.run(base, f"{host}/fleet/app-{number % REPOSITORIES:02}:v{number // REPOSITORIES}")
        if number % 100 == 99:
            print(f"{number + 1} of {count} images made", file=sys.stderr)


def ask(host: str, work: Path, name: str, question: tuple[str, ...], runs: int) -> list[dict[str, str]]:
    """Ask with nothing cached; then the same again, of a state that knows all."""
    rows = []
    for case in ("cold", "again"):
        samples = []
        for _ in range(runs):
            if case == "cold":
                shutil.rmtree(work / "hunt", ignore_errors=True)
            folder = work / "hunt"
            folder.mkdir(exist_ok=True)
            where = ("--registry", host, "--repos", "fleet/app-*", "--state", str(folder / "state"), "-f", "jsonl")
            samples.append(run(command("--cache-dir", str(folder), "hunt", *where, *question, "--quiet")))
        sample = sorted(samples, key=lambda one: one.seconds)[len(samples) // 2]
        assert sample.status in (0, 3), f"{name}, {case}: status {sample.status}"
        tally = json.loads(sample.output.splitlines()[-1])
        rows.append(
            {
                "question": name,
                "case": case,
                "s": f"{sample.seconds:.1f}",
                "cpu s": f"{sample.cpu_seconds:.1f}",
                "peak": f"{sample.peak_bytes / 1e6:.0f} MB",
                "images": str(tally["images"]),
                "matches": str(tally["matches"]),
                "requests": str(tally["requests"]),
                "fetched": f"{tally['bytes_fetched'] / 1e6:.1f} MB",
                "contents": str(tally["contents"]),
                "status": str(sample.status),
            }
        )
    return rows


def main() -> None:
    """Make the fleet, and hunt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--image", type=Path, default=Path(".cache/images/ubuntu-like"))
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--only", default="", metavar="WORD", help="questions whose name has this word")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rafsight-fleet-") as folder:
        work = Path(folder)
        storage = options.keep or work / "storage"
        is_made = (storage / "made").is_file()
        with registry(storage) as (host, name):
            if not is_made:
                make_fleet(host, options.image, work, options.count)
                (storage / "made").write_text(str(options.count))
            print(f"{(storage / 'made').read_text()} images in {name}")
            rows = []
            for title, question in QUESTIONS.items():
                if options.only in title:
                    rows += ask(host, work, title, question, options.runs)
                    print(f"{title}: asked", file=sys.stderr)
            show(rows)
    print(f"on {machine()}", file=sys.stderr)


if __name__ == "__main__":
    main()
