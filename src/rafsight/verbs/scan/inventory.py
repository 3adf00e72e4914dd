"""Which packages are installed in this image?

The image's tree says where the package databases lie; one plan a wave fetches them, unless their content is known from
an earlier image; the analysis reads them. This module alone ties these together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rafsight.access.fetch import FileContent
from rafsight.access.layers import Keep
from rafsight.access.results.contract import NoResults, ResultStore
from rafsight.access.session import Image
from rafsight.analysis.engine import Analysis
from rafsight.analysis.inventory import Inventory
from rafsight.analysis.request import FileRef, ReadRequest
from rafsight.base.events import Advanced, Finished, Listener, Started, silent
from rafsight.base.units import MiB
from rafsight.image.plan import FileRange
from rafsight.image.selection import Wants, compile_patterns, select_wanted
from rafsight.verbs.scan.answers import Answers

_LARGE_ROOM: Final = 64 * MiB
"""[bytes] of programs and large files that are kept from the first pass over plain layers: half of what may be kept."""
_SMALL: Final = 1 * MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The packages of an image, and whether the same image has the same ones next time."""

    inventory: Inventory
    is_lasting: bool
    """False if a mistake of ours, or bytes that could not be had, have a part in it."""


def take_inventory(image: Image, listener: Listener = silent) -> Inventory:
    """Find the installed packages of an image.

    Cost: one plan of reads for each wave of the analysis. What cannot be had or read becomes a gap.
    """
    return survey_image(image, NoResults(), listener).inventory


def survey_image(
    image: Image, store: ResultStore, listener: Listener = silent, *, declared: bool = False, licenses: bool = False
) -> Survey:
    """Find the installed packages of an image, and remember what each file says.

    Args:
        image: open.
        store: where answers of earlier scans are, and where new ones go.
        listener: told about long work.
        declared: read lock files, too.
        licenses: read files that only say licences, too.
    Cost: one plan of reads for each wave of the analysis, of the files that were in no earlier image. What cannot be
        had or read becomes a gap.
    """
    tree = image.tree
    analysis = Analysis(merged_roots=_merged_roots(image), declared=declared, licenses=licenses)
    keys: dict[int, bytes] = {}  # many names may share one inode with many chunks

    def content_key(row: int) -> bytes:
        if row not in keys:
            keys[row] = tree.content_key(row) or b""
        return keys[row]

    def find(wants: Wants) -> Iterable[FileRef]:
        for found in select_wanted(tree, wants):
            row = int(tree.entries.link_row[found.row])
            yield FileRef(row=row, path=found.path, size=int(tree.entries.size[row]), content=content_key(row))

    answers = Answers(store, analysis.fingerprint, content_key)
    while requests := analysis.plan_wave(find):
        known = answers.recall(requests)
        for row, outcomes in known.items():
            analysis.recall(row, outcomes)
        _read(image, analysis, answers, [request for request in requests if request.row not in known], listener)
        answers.flush()
    return Survey(inventory=analysis.finish(), is_lasting=answers.are_lasting)


def _read(
    image: Image, analysis: Analysis, answers: Answers, requests: Sequence[ReadRequest], listener: Listener
) -> None:
    """Read what one wave asks for, and analyse it."""
    if not requests:
        return
    operation = f"packages of {image.identity.reference}"
    listener(Started(operation=operation, title="reading package files", total=len(requests), unit="files"))
    try:
        for request, contents in _deliver(image, requests):
            _hand_over(analysis, answers, request, contents)
            listener(Advanced(operation=operation, amount=1))
    finally:
        listener(Finished(operation=operation))


def keep_wanted(wants: Iterable[Wants]) -> Keep:
    """Tell which files of a stream the analysis may want, in any wave.

    A stream is asked before anybody knows modes and owners. So of programs, and of large files of which only parts are
    read, as many are taken as `_LARGE_ROOM` holds; executable is what has no ending. What is wanted and was not kept
    costs another pass over its layer.
    """
    compiled = [_Compiled(one) for one in wants]
    room = _LARGE_ROOM

    def keep(path: bytes, size: int) -> bool:
        nonlocal room
        name = path.rpartition(b"/")[2]
        is_large = False
        for one in compiled:
            if not one.wants.min_size <= size <= one.wants.max_size or (one.wants.executable_only and b"." in name):
                continue
            if not one.matches(path, name):
                continue
            if not one.wants.executable_only and (size <= _SMALL or one.reads_all):
                return True
            is_large = True
        if not is_large or size > room:
            return False
        room -= size
        return True

    return keep


class _Compiled:
    """Wants, ready for many paths: most of them are told apart by how their names begin and end."""

    def __init__(self, wants: Wants) -> None:
        patterns = (*wants.patterns, *(pattern + suffix for pattern in wants.patterns for suffix in wants.companions))
        names = {pattern.rpartition(b"/")[2] for pattern in patterns}
        self.wants = wants
        self.reads_all = wants.head is None and wants.tail is None
        self._names = frozenset(name for name in names if b"*" not in name)
        self._starts = tuple({name.partition(b"*")[0] for name in names if b"*" in name})
        self._ends = tuple({name.rpartition(b"*")[2] for name in names if b"*" in name})
        self._is_wanted = compile_patterns(patterns).fullmatch
        self._is_other = compile_patterns(wants.except_for).fullmatch

    def matches(self, path: bytes, name: bytes) -> bool:
        """Tell whether the patterns name a path."""
        if name not in self._names and not (name.startswith(self._starts) and name.endswith(self._ends)):
            return False
        return self._is_wanted(path) is not None and self._is_other(path) is None


def _deliver(
    image: Image, requests: Sequence[ReadRequest]
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


def _hand_over(
    analysis: Analysis, answers: Answers, request: ReadRequest, contents: list[tuple[int, FileContent]]
) -> None:
    runs, companions, is_whole = [], {}, True
    for part, content in sorted(contents, key=lambda pair: pair[0]):
        companion = request.companions[part - len(request.ranges)] if part >= len(request.ranges) else None
        if content.error is not None and companion is None:
            analysis.fail(request.row, str(content.error))
            return
        if content.error is not None and companion is not None:
            analysis.fail(companion.row, str(content.error))
            is_whole = False
        elif companion is not None:
            companions[companion.suffix] = content.content
        else:
            runs.append((content.wanted.offset, content.content))
    outcomes = analysis.feed(request.row, runs, companions)
    if is_whole:
        answers.keep(request, outcomes)


def _merged_roots(image: Image) -> frozenset[bytes]:
    """Return the names in the root that are links to the same name in `usr` (usr-merge)."""
    tree = image.tree
    return frozenset(
        tree.name(row)
        for row in tree.children(0)
        if tree.is_symlink(row) and tree.target(row).strip(b"/").removeprefix(b"./") == b"usr/" + tree.name(row)
    )
