"""The entries of an export with the content of its files, in order, whatever order the blobs have.

Small files are fetched together, large ones part by part: one plan for some MiB of content, so that thousands of small
files are a few requests, and memory holds no more than that. Long holes are told as such. This module alone decides
how much is planned at a time, and what happens to a file that cannot be read.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.access.fetch import FileContent
from rafsight.access.session import Image
from rafsight.access.spool import Spool
from rafsight.base.errors import Defect, ImageFault, RafsightError, RegistryFault
from rafsight.base.text import escape
from rafsight.base.units import GiB, MiB
from rafsight.formats.oci.classify import NydusManifest
from rafsight.image.plan import FileRange
from rafsight.image.tree import ImageTree
from rafsight.views.export.order import Node, Order
from rafsight.views.export.tally import Omission, Tally

BATCH: Final = 32 * MiB
"""[bytes] of content that is planned together, and held until its turn comes."""
PIECE: Final = 1 * MiB
"""[bytes] that are handed over at a time; holes of this size and more are not filled with zeros."""
_STEP_WEIGHT: Final = 512
"""[bytes] what a range costs beside its content."""
_PASS: Final = 8 * GiB
"""[bytes] of content that is taken out of streamed layers in one pass."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The next bytes of a file."""

    size: int
    """[bytes]"""
    content: bytes | memoryview | None
    """None for a hole: so many zeros."""


@dataclass(frozen=True, slots=True)
class _Hole:
    row: int
    size: int


_Step = FileRange | _Hole
_Fault = (RegistryFault, ImageFault)


def deliver(image: Image, order: Order, tally: Tally, *, keep_going: bool) -> Iterator[tuple[Node, Iterator[Piece]]]:
    """Go through an export, with the content of the files that have one.

    Args:
        image: the open image.
        order: what is exported.
        tally: told about files that could not be read.
        keep_going: leave files out that cannot be read, with all their names. Such a file is read to its end before
            its first piece is handed over: large ones lie in a temporary file meanwhile.
    Yields: an entry and its pieces, which have to be taken before the next entry is asked for.
    Raises: RegistryFault, ImageFault: with a note of the path, unless `keep_going`.
    Cost: one plan of reads for each `BATCH` of content; plain layers are streamed once more, if the first pass did not
        keep what is wanted. Memory: `BATCH`, and the window of the fetcher.
    """
    flow = _Flow(image, order.content_rows.tolist(), keep_going=keep_going)
    lost: set[int] = set()
    for node in order:
        if node.link_row in lost:
            tally.omit(Omission.LINK, node.path)
        elif not node.has_content:
            yield node, iter(())
        elif not keep_going:
            yield node, flow.pieces(node.size)
        elif isinstance(outcome := flow.whole(node.size), RafsightError):
            lost.add(node.link_row)
            tally.lose(node.path, str(outcome))
        else:
            with closing(outcome):
                yield node, outcome.pieces()


class _Flow:
    """The pieces of files in their order."""

    def __init__(self, image: Image, rows: Sequence[int], *, keep_going: bool) -> None:
        self._tree = image.tree
        self._keep_going = keep_going
        self._outcomes = _outcomes(image, rows, _gather(image, rows))

    def pieces(self, size: int) -> Iterator[Piece]:
        """Yield the pieces of the next file.

        Raises: RegistryFault, ImageFault.
        """
        for step, outcome in self._take(size):
            if isinstance(outcome, RafsightError):
                outcome.add_note(f"while reading /{escape(self._tree.path(step.row))}")
                raise outcome
            yield outcome

    def whole(self, size: int) -> "_Held | RafsightError":
        """Read the next file to its end; return its pieces, or why it cannot be read."""
        held = _Held(in_memory=size <= BATCH)
        fault: RafsightError | None = None
        try:
            for _, outcome in self._take(size):
                if isinstance(outcome, RafsightError):
                    fault = fault or outcome
                elif fault is None:
                    held.add(outcome)
        except BaseException:
            held.close()
            raise
        if fault is not None:
            held.close()
        return fault or held

    def _take(self, size: int) -> Iterator[tuple[_Step, "Piece | RafsightError"]]:
        """Yield what belongs to a file of so many bytes."""
        while size > 0:
            found = next(self._outcomes, None)
            if found is None:
                raise Defect(what="an export has more content than was planned")
            step, outcome = found
            if isinstance(outcome, RafsightError) and not isinstance(outcome, _Fault):
                raise outcome
            size -= step.size or 0
            yield step, outcome


class _Held:
    """The pieces of one file that was read to its end: in memory, or in a spool if they are many."""

    def __init__(self, *, in_memory: bool) -> None:
        self._pieces: list[Piece] = []
        self._spool = None if in_memory else Spool()

    def add(self, piece: Piece) -> None:
        """Take the next piece."""
        if self._spool is None or piece.content is None:
            self._pieces.append(piece)
            return
        self._spool.append(bytes(piece.content))
        self._pieces.append(Piece(piece.size, b""))

    def pieces(self) -> Iterator[Piece]:
        """Yield all pieces."""
        if self._spool is not None:
            self._spool.finish()
        offset = 0
        for piece in self._pieces:
            if self._spool is None or piece.content is None:
                yield piece
                continue
            yield Piece(piece.size, self._spool.view(offset, piece.size))
            offset += piece.size

    def close(self) -> None:
        """Give the spool back."""
        if self._spool is not None:
            self._spool.close()


def _outcomes(
    image: Image, rows: Iterable[int], faults: dict[int, RafsightError]
) -> Iterator[tuple[_Step, Piece | RafsightError]]:
    """Fetch files, a batch at a time; yield their pieces in order, those that cannot be had as their error."""
    for batch in _batches(_steps(image.tree, rows)):
        wanted = [step for step in batch if isinstance(step, FileRange) and step.row not in faults]
        found = image.read(wanted)
        waiting: dict[int, FileContent] = {}
        following = 0
        for step in batch:
            if isinstance(step, _Hole):
                yield step, Piece(step.size, None)
            elif step.row in faults:
                yield step, faults[step.row]
            else:
                while following not in waiting:
                    part = next(found, None)
                    if part is None:
                        raise Defect(what="a file was planned and never came")
                    waiting[part.index] = part
                part = waiting.pop(following)
                following += 1
                yield step, part.error or Piece(len(part.content), part.content)


def _batches(steps: Iterable[_Step]) -> Iterator[list[_Step]]:
    batch: list[_Step] = []
    weight = 0
    for step in steps:
        own = _STEP_WEIGHT + (step.size or 0 if isinstance(step, FileRange) else 0)
        if batch and weight + own > BATCH:
            yield batch
            batch, weight = [], 0
        batch.append(step)
        weight += own
    if batch:
        yield batch


def _steps(tree: ImageTree, rows: Iterable[int]) -> Iterator[_Step]:
    """Cut files into ranges and long holes; empty files have neither."""
    for row in rows:
        size = int(tree.entries.size[row])
        if 0 < size <= PIECE:
            yield FileRange(row=row, size=size)
        elif size > PIECE:
            for start, end, is_hole in _stretches(tree, row, size):
                if is_hole:
                    yield _Hole(row, end - start)
                    continue
                for offset in range(start, end, PIECE):
                    yield FileRange(row=row, offset=offset, size=min(PIECE, end - offset))


def _stretches(tree: ImageTree, row: int, size: int) -> Iterator[tuple[int, int, bool]]:
    """Yield (start, end, is hole) of a file's stretches, in order; short holes are part of what is around them."""
    rows = tree.extent_rows(row)
    part = slice(rows.start, rows.stop)
    starts = np.minimum(tree.tables.extents.file_offset[part], size)
    ends = np.minimum(starts + tree.tables.extents.size[part], size)
    before = np.concatenate([[0], ends]).astype(np.int64)
    after = np.concatenate([starts, [size]]).astype(np.int64)
    position = 0
    for index in np.flatnonzero(after - before >= PIECE).tolist():
        if position < before[index]:
            yield position, int(before[index]), False
        yield int(before[index]), int(after[index]), True
        position = int(after[index])
    if position < size:
        yield position, size, False


def _gather(image: Image, rows: Sequence[int]) -> dict[int, RafsightError]:
    """Bring what only a pass over a whole layer can give, for all files at once; return what could not be had.

    Touching one byte of a file is enough: it is kept whole until the image is closed.
    """
    classified = image.identity.classified
    if classified is None or isinstance(classified, NydusManifest):
        return {}
    tree = image.tree
    faults: dict[int, RafsightError] = {}
    wanted: list[FileRange] = []
    total = 0
    for row in rows:
        extents = tree.extent_rows(row)
        if extents:
            wanted.append(FileRange(row=row, offset=int(tree.tables.extents.file_offset[extents.start]), size=1))
            total += int(tree.entries.size[row])
        if total > _PASS:
            faults |= _touch(image, wanted)
            wanted, total = [], 0
    return faults | _touch(image, wanted)


def _touch(image: Image, wanted: Sequence[FileRange]) -> dict[int, RafsightError]:
    return {part.wanted.row: part.error for part in image.read(wanted) if part.error is not None}
