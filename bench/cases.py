"""What is measured."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from bench.measure import middle, python, rafsight, run

PLANTED = Path(__file__).resolve().parents[1] / "src" / "rafsight" / "testing" / "data" / "planted"
ADVISORIES = PLANTED.parent / "advisories"

MAKE_BOOTSTRAP = """
import sys
from rafsight.testing.bootstraps import synthetic_bootstrap
open(sys.argv[1], "wb").write(synthetic_bootstrap(300_000))
"""

MAKE_SIBLING = """
import sys
from rafsight.base.limits import Limits
from rafsight.formats.rafs.codec import read_bootstrap
content = bytearray(open(sys.argv[1], "rb").read())
tables = read_bootstrap(bytes(content), name="", limits=Limits())
table = dict(tables.superblock.fields)["chunk_table_offset"]
for row in range(0, len(tables.chunks.digest), 100):  # every hundredth chunk has other bytes
    content[table + 80 * row] ^= 0xFF
open(sys.argv[2], "wb").write(content)
"""

LOOK_UP = """
import sys, time
from pathlib import Path
from rafsight.matching.store import Lookup, open_database
from rafsight.matching.versions import SCHEMES
key = SCHEMES["Debian"].key("1:1.0-1")
lookups = [Lookup(base="Debian", release="12", name=name, key=key) for name in sys.argv[2:]]
with open_database(Path(sys.argv[1])) as database:
    opened = time.perf_counter()
    hits = database.find(lookups)
    print((time.perf_counter() - opened) * 1000, len(lookups), len(hits))
"""
PACKAGES = ("openssl", "curl", "glibc", "git", "busybox", "systemd", "expat", "zlib", "krb5", "perl") * 50

INDEX_BOOTSTRAP = """
import sys, time, mmap
from rafsight.base.limits import Limits
from rafsight.formats.rafs.codec import read_bootstrap
from rafsight.image.tree import ImageTree
file = open(sys.argv[1], "rb")
content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
started = time.perf_counter()
tables = read_bootstrap(content, name="", limits=Limits())
print(time.perf_counter() - started, len(ImageTree(tables)), len(tables.extents.chunk), len(content))
"""


def find_layouts(images: Path | None, shared: Path) -> dict[str, Path]:
    """Choose the images: those of a folder, else the shared planted one in all its forms, else the shipped one."""
    if images is not None:
        return {path.parent.name: path.parent for path in sorted(images.glob("*/index.json"))}
    planted = shared / "fixtures" / "images" / "planted"
    return {"planted": planted if planted.is_dir() else PLANTED}


def plain_layouts(layouts: Mapping[str, Path]) -> dict[str, Path]:
    """Return those of which the only image is a plain one: what converters begin with."""
    return {name: layout for name, layout in layouts.items() if len(tags_of(layout)) == 1}


def start_up(runs: int) -> list[dict[str, str]]:
    """`--help` and `--version`."""
    rows = []
    for argument in ("--version", "--help"):
        sample = middle([run(rafsight(argument)) for _ in range(max(runs, 9))])
        rows.append({"command": f"rafsight {argument}", "ms": f"{sample.seconds * 1000:.0f}", "budget": "120"})
    return rows


def index_bootstrap(runs: int, work: Path) -> list[dict[str, str]]:
    """A synthetic RAFS v6 bootstrap becomes columns."""
    file = work / "large.boot"
    made = run(python("-c", MAKE_BOOTSTRAP, str(file)))  # apart: a child's peak begins at that of its parent
    assert made.status == 0, "the bootstrap cannot be made"
    samples = [run(python("-c", INDEX_BOOTSTRAP, str(file))) for _ in range(runs)]
    figures = [sample.output.split() for sample in samples]
    seconds = sorted(float(figure[0]) for figure in figures)[len(figures) // 2]
    return [
        {
            "entries": f"{int(figures[0][1]):,}",
            "extents": f"{int(figures[0][2]):,}",
            "file": f"{int(figures[0][3]) / 1e6:.1f} MB",
            "s": f"{seconds:.3f}",
            "budget": "0.4",
            "peak": f"{middle(samples).peak_bytes / 1e6:.0f} MB",
        }
    ]


def metadata(runs: int, work: Path) -> list[dict[str, str]]:
    """Questions about 300,000 inodes, the start of the process included; beside nydus-image where that is installed."""
    file, sibling = work / "large.boot", work / "sibling.boot"
    made = run(python("-c", MAKE_SIBLING, str(file), str(sibling)))
    assert made.status == 0, "the second bootstrap cannot be made"
    ours = {
        "inspect -R stats": (rafsight("inspect", f"boot:{file}", "-R", "stats"), "0.35"),
        "inspect -R 'diff OTHER'": (rafsight("inspect", f"boot:{file}", "-R", f"diff boot:{sibling}"), "2"),
        "check": (rafsight("check", f"boot:{file}"), "2.3"),
    }
    peer = {
        "inspect -R stats": ["nydus-image", "inspect", "-R", "stats", str(file)],
        "check": ["nydus-image", "check", "--bootstrap", str(file)],
    }
    rows = []
    for question, (command, budget) in ours.items():
        sample = middle([run(command) for _ in range(runs)])
        row = {"question": question, "s": f"{sample.seconds:.2f}", "budget": budget}
        row |= {"peak": f"{sample.peak_bytes / 1e6:.0f} MB", "status": str(sample.status)}
        if question in peer and shutil.which("nydus-image"):
            beside = middle([run(peer[question]) for _ in range(runs)])
            row |= {"nydus-image s": f"{beside.seconds:.2f}", "times": f"{beside.seconds / sample.seconds:.1f}"}
        rows.append(row)
    return rows


def advisories(work: Path, shared: Path) -> list[dict[str, str]]:
    """Import a large corpus of advisories, where it lies beside the checkout, and look 500 packages up."""
    source = shared / "data" / "advisories"
    if not source.is_dir():
        return [{"case": "no large corpus beside the checkout"}]
    database = work / "corpus.sqlite"
    imported = run(rafsight("db", "import", str(source), "--db", str(database), "--quiet"))
    assert imported.status == 0, imported.output
    milliseconds, count, hits = run(python("-c", LOOK_UP, str(database), *PACKAGES)).output.split()
    return [
        {
            "import s": f"{imported.seconds:.1f}",
            "peak": f"{imported.peak_bytes / 1e6:.0f} MB",
            "database": f"{database.stat().st_size / 1e6:.1f} MB",
            "look-ups": count.decode(),
            "hits": hits.decode(),
            "ms": f"{float(milliseconds):.1f}",
        }
    ]


def databases(work: Path, shared: Path) -> tuple[Path, Path]:
    """Make two databases for scans: of the large corpus, where it lies beside the checkout, and a newer one."""
    corpus = shared / "data" / "advisories"
    shipped = sorted(ADVISORIES.glob("*.json"))
    sources = [str(corpus)] if corpus.is_dir() else [str(file) for file in shipped[::2]]
    base, newer = work / "base.sqlite", work / "newer.sqlite"
    for database, paths in ((base, sources), (newer, [str(ADVISORIES)])):
        done = run(rafsight("db", "import", *paths, "--db", str(database), "--quiet"))
        assert done.status == 0, "the advisories cannot be imported"
        if database is base:
            shutil.copyfile(base, newer)
    return base, newer


def tags_of(layout: Path) -> list[str]:
    """The tags of a layout."""
    manifests = json.loads((layout / "index.json").read_text())["manifests"]
    return [one.get("annotations", {}).get("org.opencontainers.image.ref.name", "") for one in manifests]
