"""Which known vulnerabilities are in this image?

The image's tree says where the package databases lie; one plan a wave fetches them; the analysis reads them; the
advisory database is asked. This module alone ties the four together.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from rafsight.access.fetch import FileContent
from rafsight.access.layers import Keep
from rafsight.access.options import Options
from rafsight.access.session import Image, open_image
from rafsight.analysis.engine import Analysis
from rafsight.analysis.inventory import Inventory
from rafsight.analysis.request import FileRef, ReadRequest
from rafsight.base.events import Advanced, Finished, Listener, Started, silent
from rafsight.image.plan import FileRange
from rafsight.image.selection import Wants, compile_patterns, select_files
from rafsight.matching.matcher import match
from rafsight.matching.store import AdvisoryDatabase, open_database
from rafsight.reports.document import DatabaseFacts, ScanReport
from rafsight.reports.facts import describe_image, unread_gaps


def scan_reference(
    reference: str, *, database: Path, options: Options | None = None, listener: Listener = silent
) -> ScanReport:
    """Scan an image by its reference.

    Args:
        reference: as `open_image` takes it.
        database: the advisory database.
        options: how to reach the image.
        listener: told about long work.
    Raises: NoDatabase, before anything is fetched; what `open_image` raises.
    Cost: what `open_image` costs, and one plan of reads for each wave of the analysis (two, mostly).
    """
    started = time.monotonic()
    with open_database(database) as advisories:
        keep = keep_wanted(Analysis().wanted_patterns())
        with open_image(reference, options=options, listener=listener, keep=keep) as image:
            return _scan(image, advisories, listener, started)


def scan_image(image: Image, *, database: Path, listener: Listener = silent) -> ScanReport:
    """Scan an image that is open already; see `scan_reference`."""
    with open_database(database) as advisories:
        return _scan(image, advisories, listener, time.monotonic())


def take_inventory(image: Image, listener: Listener = silent) -> Inventory:
    """Find the installed packages of an image.

    Cost: one plan of reads for each wave of the analysis. What cannot be had or read becomes a gap.
    """
    tree = image.tree
    analysis = Analysis(merged_roots=_merged_roots(image))

    keys: dict[int, bytes] = {}  # many names may share one inode with many chunks

    def find(wants: Wants) -> Iterable[FileRef]:
        for found in select_files(tree, wants.patterns):
            row = int(tree.entries.link_row[found.row])
            if row not in keys:
                keys[row] = tree.content_key(row) or b""
            yield FileRef(row=row, path=found.path, size=int(tree.entries.size[row]), content=keys[row])

    operation = f"packages of {image.identity.reference}"
    while requests := analysis.plan_wave(find):
        listener(Started(operation=operation, title="reading package files", total=len(requests), unit="files"))
        try:
            for request, contents in _deliver(image, requests):
                _hand_over(analysis, request, contents)
                listener(Advanced(operation=operation, amount=1))
        finally:
            listener(Finished(operation=operation))
    return analysis.finish()


def keep_wanted(wants: Iterable[Wants]) -> Keep:
    """Tell which files of a stream the analysis may want, in any wave."""
    compiled = []
    for one in wants:
        patterns = (*one.patterns, *(pattern + suffix for pattern in one.patterns for suffix in one.companions))
        compiled.append((compile_patterns(patterns).fullmatch, one.max_size))

    def keep(path: bytes, size: int) -> bool:
        return any(size <= max_size and matches(path) for matches, max_size in compiled)

    return keep


def _scan(image: Image, advisories: AdvisoryDatabase, listener: Listener, started: float) -> ScanReport:
    began = datetime.now(UTC)
    inventory = take_inventory(image, listener)
    matched = match(inventory, advisories)
    return ScanReport(
        image=describe_image(image),
        inventory=inventory,
        findings=matched.findings,
        gaps=(*unread_gaps(image), *inventory.gaps, *matched.gaps),
        unimportant=matched.hidden,
        cost=image.cost,
        database=_database_facts(advisories),
        started=began.isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=time.monotonic() - started,
    )


def _deliver(
    image: Image, requests: tuple[ReadRequest, ...]
) -> Iterable[tuple[ReadRequest, list[tuple[int, FileContent]]]]:
    """Fetch all requests as one plan; yield each with its (part, content) pairs when all its parts are there.

    Parts count from 0: the ranges in their order, then the companions.
    """
    wanted: list[FileRange] = []
    owners: list[tuple[int, int]] = []
    for number, request in enumerate(requests):
        parts = [FileRange(row=request.row, offset=offset, size=size) for offset, size in request.ranges]
        parts += [FileRange(row=companion.row) for companion in request.companions]
        owners += [(number, part) for part in range(len(parts))]
        wanted += parts
        if not parts:
            yield request, []
    gathered: list[list[tuple[int, FileContent]]] = [[] for _ in requests]
    for content in image.read(wanted):
        number, part = owners[content.index]
        gathered[number].append((part, content))
        request = requests[number]
        if len(gathered[number]) == len(request.ranges) + len(request.companions):
            yield request, gathered[number]
            gathered[number] = []


def _hand_over(analysis: Analysis, request: ReadRequest, contents: list[tuple[int, FileContent]]) -> None:
    runs, companions = [], {}
    for part, content in sorted(contents, key=lambda pair: pair[0]):
        companion = request.companions[part - len(request.ranges)] if part >= len(request.ranges) else None
        if content.error is not None and companion is None:
            analysis.fail(request.row, str(content.error))
            return
        if content.error is not None and companion is not None:
            analysis.fail(companion.row, str(content.error))
        elif companion is not None:
            companions[companion.suffix] = content.content
        else:
            runs.append((content.wanted.offset, content.content))
    analysis.feed(request.row, runs, companions)


def _merged_roots(image: Image) -> frozenset[bytes]:
    """Return the names in the root that are links to the same name in `usr` (usr-merge)."""
    tree = image.tree
    return frozenset(
        tree.name(row)
        for row in tree.children(0)
        if tree.is_symlink(row) and tree.target(row).strip(b"/").removeprefix(b"./") == b"usr/" + tree.name(row)
    )


def _database_facts(advisories: AdvisoryDatabase) -> DatabaseFacts:
    status = advisories.status()
    return DatabaseFacts(
        path=str(status.path),
        built=status.built,
        newest_record=status.newest_record,
        record_count=status.record_count,
        digest=status.digest,
    )
