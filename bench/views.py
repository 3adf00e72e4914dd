"""Mounted trees: names, attributes, small files and a large one, through each engine, and through nydusd beside them.

Every row is one command of coreutils over the mounted tree. `find`, `stat walk` and `cold` rows begin with a fresh
mount, `cold` ones with an empty cache; `complete` rows with a fresh mount and all chunks in the cache.
"""

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.measure import python, rafsight, run, service
from bench.nydusd import fetch_bootstrap, mounted

MAKE_TREES = """
import sys
from pathlib import Path
from bench.views import write_trees
write_trees(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
"""

SMALL_FILES = 50_000
LARGE = 256 << 20
"""[bytes]"""
FORMS = ((6, "ZSTD"), (6, "LZ4_BLOCK"), (5, "ZSTD"), (5, "LZ4_BLOCK"))

NYDUSD = {
    "find": 0.425,
    "find again": 0.161,
    "small files cold": 2.59,
    "all files cold": 3.03,
    "256 MiB cold": 0.49,
    "256 MiB again": 0.063,
    "all files complete": 3.99,
    "256 MiB complete": 0.357,
}
"""[s] of nydusd with a tree like this one, measured elsewhere on two cores: for machines without it."""


def write_trees(folder: Path, version: int, compressor: str) -> None:
    """Write two images as OCI layouts: 50,000 small text files, and a file of 256 MiB."""
    from rafsight.formats.tables import Compressor
    from rafsight.testing.rafs_images import write_image

    chance = random.Random(1)
    words = [chance.randbytes(6).hex().encode() for _ in range(4000)]

    def text(size: int) -> bytes:
        return b" ".join(chance.choices(words, k=size // 13 + 1))[:size]

    small: dict[bytes, bytes] = {}
    for number in range(SMALL_FILES):
        small[b"d%03d/s%02d/f%05d.txt" % (number % 250, number % 11, number)] = text(chance.randint(200, 6000))
    write_image(folder / "small", small, version=version, compressor=Compressor[compressor])
    block = text(1 << 20)
    large = b"".join(number.to_bytes(8, "big") + block[8:] for number in range(LARGE >> 20))
    write_image(folder / "large", {b"large": large}, version=version, compressor=Compressor[compressor])


def views(runs: int, work: Path) -> list[dict[str, str]]:
    """Every form through the engines that this machine has; nydusd beside, or its recorded figures."""
    rows = []
    for version, compressor in FORMS:
        folder = work / f"v{version}-{compressor.lower()}"
        made = run(python("-c", MAKE_TREES, str(folder), str(version), compressor))
        assert made.status == 0, "the trees cannot be made"
        layouts = [f"{name}={folder / name}" for name in ("small", "large")]
        with service(python("-m", "bench.serve", *layouts)) as port:
            figures = {
                engine: measure(runs, work / "view", port, Rafsight(engine, work / "view"))
                for engine in ("erofs", "fuse")
            }
            if shutil.which("nydusd"):
                figures["nydusd"] = measure(runs, work / "view", port, Nydusd(work / "view"))
        rows += _rows(f"RAFS v{version} {compressor.lower().removesuffix('_block')}", figures)
        shutil.rmtree(folder)
    return rows


def _rows(form: str, figures: Mapping[str, Mapping[str, float]]) -> list[dict[str, str]]:
    beside = figures.get("nydusd", NYDUSD)
    rows = []
    for case in figures["erofs"]:
        row = {"image": form, "case": case}
        for engine in ("erofs", "fuse"):
            row[f"{engine} s"] = f"{figures[engine][case]:.3f}"
        if case in beside:
            row["nydusd s"] = f"{beside[case]:.3f}" + ("" if "nydusd" in figures else " (recorded)")
            row["times"] = f"{beside[case] / figures['erofs'][case]:.1f}"
        rows.append(row)
    return rows


class Rafsight:
    """Our mount through one engine."""

    def __init__(self, engine: str, work: Path) -> None:
        self._engine = engine
        self._cache = work / "cache"

    def forget(self) -> None:
        """Throw the cache away."""
        shutil.rmtree(self._cache, ignore_errors=True)

    @contextmanager
    def mounted(self, port: int, name: str, *, complete: bool) -> Iterator[Path]:
        """Mount an image; with `complete` all its chunks are in the cache."""
        base = ["--cache-dir", str(self._cache), "--quiet"]
        command = [*base, "view", f"127.0.0.1:{port}/{name}:latest", "--engine", self._engine, "--detach"]
        if complete:
            with self.mounted(port, name, complete=False) as root:
                timed(f"find {root} -type f -print0 | xargs -0 cat")
        done = run(rafsight(*command))
        assert done.status == 0, done.output
        root = Path(done.output.decode().strip())
        try:
            yield root
        finally:
            run(rafsight(*base, "view", "--umount", str(root)))


class Nydusd:
    """The peer's daemon, its cache in a folder, its blobs from the same registry."""

    def __init__(self, work: Path) -> None:
        self._work = work / "nydusd"

    def forget(self) -> None:
        """Throw the cache away."""
        shutil.rmtree(self._work, ignore_errors=True)

    @contextmanager
    def mounted(self, port: int, name: str, *, complete: bool) -> Iterator[Path]:
        """Mount an image; with `complete` all its chunks are in the cache."""
        if complete:
            with self.mounted(port, name, complete=False) as root:
                timed(f"find {root} -type f -print0 | xargs -0 cat")
        self._work.mkdir(parents=True, exist_ok=True)
        host, bootstrap = f"127.0.0.1:{port}", self._work / f"{name}.boot"
        fetch_bootstrap(host, name, bootstrap)
        with mounted(self._work, host=host, repository=name, bootstrap=bootstrap) as mount:
            yield mount.root


def measure(runs: int, work: Path, port: int, mount: Rafsight | Nydusd) -> dict[str, float]:
    """Measure every case of one engine: medians, in seconds."""
    samples: dict[str, list[float]] = {}

    def note(case: str, seconds: float) -> None:
        samples.setdefault(case, []).append(seconds)

    work.mkdir(exist_ok=True)
    listing = work / "small.list"
    for _ in range(runs):
        mount.forget()
        with mount.mounted(port, "small", complete=False) as root:
            note("find", timed(f"find {root}"))
            note("find again", timed(f"find {root}"))
            pick(root, listing)
            note("small files cold", timed(f"cd {root} && xargs -a {listing} cat"))
        with mount.mounted(port, "small", complete=False) as root:
            note("stat walk", timed(f"find {root} -size +1G"))
            note("stat walk again", timed(f"find {root} -size +1G"))
        mount.forget()
        with mount.mounted(port, "small", complete=False) as root:
            note("all files cold", timed(f"find {root} -type f -print0 | xargs -0 cat"))
            note("all files again", timed(f"find {root} -type f -print0 | xargs -0 cat"))
        with mount.mounted(port, "small", complete=True) as root:
            note("all files complete", timed(f"find {root} -type f -print0 | xargs -0 cat"))
        mount.forget()
        with mount.mounted(port, "large", complete=False) as root:
            note("256 MiB cold", timed(f"cat {root}/large"))
            note("256 MiB again", timed(f"cat {root}/large"))
        with mount.mounted(port, "large", complete=True) as root:
            note("256 MiB complete", timed(f"cat {root}/large"))
    return {case: median(figures) for case, figures in samples.items()}


def pick(root: Path, listing: Path) -> None:
    """Choose 3,000 files, the same for everybody."""
    names = sorted(str(path.relative_to(root)) for path in root.glob("*/*/*"))
    listing.write_text("\n".join(random.Random(2).sample(names, min(3000, len(names)))) + "\n")


def timed(script: str) -> float:
    """Run a shell command and return its wall clock in seconds; what it prints goes nowhere."""
    started = time.perf_counter()
    done = subprocess.run(["/bin/sh", "-c", f"{{ {script}; }} > /dev/null"], check=False, stderr=sys.stderr)
    assert done.returncode == 0, script
    return time.perf_counter() - started
