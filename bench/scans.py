"""Scans beside the peers: every image in every form, over the slow link and over loopback, in one table.

Ours in four cases: `cold` with nothing cached, `again`, `newer advisories` with a newer database, and `next image`,
which shares all layers but a small one with the image before. Requests and bytes are what the registry counted,
whatever the tool; what was needed is what our report says. Peers come once; `times` compares their seconds over the
slow link with ours for the RAFS v6 form, `again` with `again`.
"""

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench import recorded
from bench.documents import numbers_of
from bench.images import FORMS, make_forms
from bench.measure import Registry, Sample, middle, rafsight, registry, run
from bench.peers import PRINTED, Peer, find_peers

PATIENCE = 20.0
"""[s] after which a row is not measured another time."""
LINKS = ("slow", "loopback")
CASES = ("cold", "again", "newer advisories", "next image")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All samples of one case, by link, and what the scanner found."""

    samples: dict[str, list[Sample]] = field(default_factory=lambda: {link: [] for link in LINKS})
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Over the slow link, the median."""
        return middle(self.samples["slow"]).seconds

    def row(self) -> dict[str, str]:
        """Write the figures: seconds of each link, all else of the slow one."""
        sample = middle(self.samples["slow"])
        if sample.status not in (0, 3):
            return {"s": f"failed: {sample.status}"}
        slow, loop = self.samples["slow"], self.samples["loopback"]
        row = {
            "s": f"{sample.seconds:.2f}",
            "best": f"{min(one.seconds for one in slow):.2f}",
            "loopback s": f"{median(one.seconds for one in loop):.2f}",
            "cpu s": f"{min(one.cpu_seconds for one in slow + loop):.2f}",
            "peak": f"{sample.peak_bytes / 1e6:.0f} MB",
            "requests": str(sample.requests),
            "fetched": size(sample.bytes_sent),
        }
        if "image" in self.numbers:
            needed, whole = self.numbers["needed"], self.numbers["image"]
            row["needed"] = size(needed)
            row["ratio"] = f"{sample.bytes_sent / max(needed, 1):.2f}"
            row["of image"] = f"{100 * sample.bytes_sent / whole:.1f} %"
        return {**row, "components": str(self.numbers.get("components", "?"))}


def scans(runs: int, work: Path, layouts: Mapping[str, Path], shelf: Path, databases: tuple[Path, Path]) -> list[dict]:
    """Measure all images.

    Args:
        runs: of ours.
        work: for caches.
        layouts: the images.
        shelf: where their forms are kept.
        databases: advisories, and newer ones.
    """
    rows: list[dict] = []
    for name, layout in layouts.items():
        print(f"{name}: forms", file=sys.stderr)
        forms = make_forms(layout, shelf, work)
        with registry({f"{name}-{form}": place for form, place in forms.items()}) as server:
            ours = {form: measure_form(runs, work, server, f"{name}-{form}", databases) for form in FORMS}
            for form, cases in ours.items():
                rows += [
                    {"image": name, "form": form, "tool": "rafsight", "case": case, **one.row()}
                    for case, one in cases.items()
                ]
            rows += measure_peers(work, server, name, ours["v6"])
    return rows


def measure_form(
    runs: int, work: Path, server: Registry, repository: str, databases: tuple[Path, Path]
) -> dict[str, Measured]:
    """Scan one form in all cases, again and again."""
    print(f"{repository}: scans", file=sys.stderr)
    cases = {case: Measured() for case in CASES}
    for link, host in server.hosts.items():
        until = time.monotonic() + PATIENCE
        for number in range(runs):
            if number and time.monotonic() > until:
                break
            for case, sample, numbers in scan_once(work, host, repository, databases):
                counted = server.count(sample)
                cases[case].samples[link].append(counted)
                cases[case].numbers.update(numbers)
    return cases


def scan_once(
    work: Path, host: str, repository: str, databases: tuple[Path, Path]
) -> Iterator[tuple[str, Sample, dict[str, int]]]:
    """Scan in all cases, one after the other."""
    cache, printed = work / "cache", work / PRINTED
    shutil.rmtree(cache, ignore_errors=True)
    base, newer = databases
    for case, tag, database in zip(CASES, ("latest",) * 3 + ("next",), (base, base, newer, newer), strict=True):
        command = ("--cache-dir", str(cache), "scan", f"{host}/{repository}:{tag}", "--db", str(database))
        sample = run(rafsight(*command, "--format", "json", "--quiet", "--list-all-pkgs"), output=printed)
        assert sample.status in (0, 3), f"{repository}: status {sample.status}"
        yield case, sample, numbers_of("rafsight", printed)


def measure_peers(work: Path, server: Registry, name: str, ours: Mapping[str, Measured]) -> list[dict]:
    """Run the peers on an image; recorded figures stand for those that are not there."""
    rows, seen = [], set()
    for peer in find_peers():
        print(f"{name}: {peer.tool}, {peer.form}", file=sys.stderr)
        for case, measured in run_peer(peer, work, server, f"{name}-{peer.form}").items():
            seen.add((peer.tool, peer.form, case))
            beside = ours["cold" if case == "cold" else "again"]
            row = {"image": name, "form": peer.form, "tool": peer.tool, "case": case, **measured.row()}
            rows.append({**row, "times": f"{measured.seconds / beside.seconds:.1f}"})
    for (tool, form, case), figure in recorded.RECORDED.get(name, {}).items():
        if (tool, form, case) not in seen:
            row = {"image": name, "form": form, "tool": f"{tool} (recorded)", "case": case, "s": f"{figure.seconds}"}
            if figure.megabytes is not None:
                row["fetched"] = f"{figure.megabytes:.0f} MB"
            beside = ours["cold" if case == "cold" else "again"]
            rows.append({**row, "times": f"{figure.seconds / beside.seconds:.1f}"})
    return rows


def run_peer(peer: Peer, work: Path, server: Registry, repository: str) -> dict[str, Measured]:
    """Run one peer, once over each link."""
    cases: dict[str, Measured] = {}
    folder = work / "peer"
    for link, host in server.hosts.items():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for case, sample in peer.cases(host, repository, folder):
            measured = cases.setdefault(case, Measured())
            measured.samples[link].append(server.count(sample))
            measured.numbers.update(numbers_of(peer.reads_as, folder / PRINTED))
    with suppress(OSError):
        shutil.rmtree(folder)
    return cases


def size(count: int) -> str:
    """Write bytes as people read them."""
    return f"{count / 1e6:.2f} MB" if count < 10e6 else f"{count / 1e6:.0f} MB"
