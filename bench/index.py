"""An index of a fleet: `python -m bench.index [--counts 10,100,1000] [--image LAYOUT] [--keep DIR]`.

The fleet is that of `bench.fleet`, which is made if --keep names none. For each count an index of so many images is
built, updated with nothing new, and asked.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from bench.__main__ import machine, show
from bench.fleet import make_fleet, name_of, registry
from bench.measure import Sample, run
from bench.measure import rafsight as command

QUERIES = {
    "one file": "SELECT reference FROM files WHERE path = '/opt/variant/7.txt'",
    "a name": "SELECT count(*) FROM files WHERE name LIKE 'liblzma.so.5%'",
    "setuid": "SELECT count(*) FROM files WHERE kind = 'file' AND mode & 6144 <> 0",
    "all files": "SELECT count(*) FROM files",
}
HUNTS = {
    "hunt --path, in all": ("--path", "/usr/lib/**/liblzma.so.5.*"),
    "hunt --path, in one": ("--path", "/opt/variant/7.txt"),
    "hunt --mode, in all": ("--mode", "/6000", "--type", "f"),
}


def best(runs: int, *arguments: str) -> Sample:
    """Run a command some times, and take the quickest."""
    samples = [run(command(*arguments)) for _ in range(runs)]
    sample = min(samples, key=lambda one: one.seconds)
    assert sample.status == 0, (arguments, sample.status, sample.output[-500:])
    return sample


def measure(host: str, work: Path, count: int, runs: int) -> list[dict[str, str]]:
    """Build, update and ask an index."""
    index = ("--index", str(work / f"index-{count}"))
    cache = ("--cache-dir", str(work / "index-cache"))
    (work / "names").write_text("".join(f"{name_of(host, number)}\n" for number in range(count)))
    build = best(1, *cache, "index", "build", *index, "--images", str(work / "names"), "--quiet")
    steps = {"build": build, "update": best(runs, *cache, "index", "update", *index, "--quiet")}
    for name, query in QUERIES.items():
        steps[f"query: {name}"] = best(runs, *cache, "index", "query", *index, query)
    for name, question in HUNTS.items():
        steps[name] = best(runs, *cache, "hunt", *index, *question, "-f", "jsonl", "--quiet")
    status = json.loads(best(1, *cache, "index", "status", *index, "--json").output)
    return [
        {
            "images": str(count),
            "step": name,
            "s": f"{sample.seconds:.2f}",
            "cpu s": f"{sample.cpu_seconds:.2f}",
            "peak": f"{sample.peak_bytes / 1e6:.0f} MB",
            "entries": f"{status['entries']:,}",
            "index": f"{status['size'] / 1e3:,.0f} kB",
            "bytes an image": f"{status['size'] / count:,.0f}",
        }
        for name, sample in steps.items()
    ]


def main() -> None:
    """Make the fleet, and index it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", default="10,100,1000")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--image", type=Path, default=Path(".cache/images/ubuntu-like"))
    parser.add_argument("--keep", type=Path, default=None)
    options = parser.parse_args()
    counts = [int(count) for count in options.counts.split(",")]
    with tempfile.TemporaryDirectory(prefix="rafsight-index-bench-") as folder:
        work = Path(folder)
        storage = options.keep or work / "storage"
        is_made = (storage / "made").is_file()
        with registry(storage) as (host, name):
            if not is_made:
                make_fleet(host, options.image, work, max(counts))
                (storage / "made").write_text(str(max(counts)))
            print(f"{(storage / 'made').read_text()} images in {name}")
            rows = []
            for count in counts:
                rows += measure(host, work, count, options.runs)
                shutil.rmtree(work / f"index-{count}")
            show(rows)
    print(f"on {machine()}")


if __name__ == "__main__":
    main()
