"""`make bench`: all figures, as a table on standard output and as JSON in bench/out/.

    python -m bench [--runs N] [--images DIR] [--only WORD]

--images names a folder with OCI layouts (planted, ubuntu-like, ...); without it the planted image that rafsight ships
is used, which has the tags v6 and v5 only (or, where it lies beside the checkout, the shared one in all its forms).
Peers are run where they are on PATH: trivy, syft, grype, osv-scanner, nydusify with nydus-image, and nydusd for root.
Forms are kept in .cache/.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench import cases, scans, views, writing

OUT = Path(__file__).parent / "out"
SHELF = Path(__file__).resolve().parents[1] / ".cache" / "bench"
SHARED = Path(__file__).resolve().parents[2] / "shared"


def machine() -> dict[str, str]:
    """What the figures were measured on, and how busy it was with everything in the last five minutes."""
    return {
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "load": f"{os.getloadavg()[1]:.1f}",
    }


def show(rows: list[dict[str, str]]) -> None:
    """Print rows as an aligned table."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = [names, *([row.get(name, "") for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(names))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print()


def main() -> None:
    """Run every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--images", type=Path, default=None)
    parser.add_argument("--only", default="", metavar="WORD", help="sections whose title has this word")
    options = parser.parse_args()
    layouts = cases.find_layouts(options.images, SHARED)
    results: dict[str, object] = {}
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rafsight-bench-")))
        sections: list[tuple[str, Callable[[], list[dict[str, str]]]]] = [
            ("start-up, wall of the whole process", lambda: cases.start_up(options.runs)),
            ("bootstrap of 300,000 inodes to columns", lambda: cases.index_bootstrap(options.runs, work)),
            ("questions about two bootstraps of 300,000 inodes", lambda: cases.metadata(options.runs, work)),
            ("advisories", lambda: cases.advisories(work, SHARED)),
            (
                "scans beside the peers, 100 Mbit/s and 20 ms, and loopback",
                lambda: scans.scans(options.runs, work, layouts, SHELF, cases.databases(work, SHARED)),
            ),
            (
                "conversions, registry on loopback",
                lambda: writing.convert(min(options.runs, 3), work, cases.plain_layouts(layouts)),
            ),
            (
                "a file of 100 kB replaced, 100 Mbit/s and 20 ms",
                lambda: writing.repair(min(options.runs, 3), work, cases.plain_layouts(layouts)),
            ),
            ("mounted trees, registry on loopback", lambda: views.views(min(options.runs, 3), work)),
        ]
        for title, measure in sections:
            if options.only not in title:
                continue
            print(title)
            rows = measure()
            show(rows)
            results[title] = rows
    results["machine"] = machine()
    OUT.mkdir(exist_ok=True)
    (OUT / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    print(f"on {machine()}", file=sys.stderr)


if __name__ == "__main__":
    main()
