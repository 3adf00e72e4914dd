"""The content of a source's files, as the digests that the image's chunks should have.

This module alone decides how content is compared without fetching any of the image: files of the source are cut where
the image cuts its own, hashed as they stream by, and forgotten. Cuts are the cells of one grid; a file of the image
that is cut otherwise, or whose chunks have no digests, is left to whoever can read it, cell by cell.
"""

import stat as st
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.base.units import KiB, MiB
from rafsight.formats.checksum import Hasher, digest, hasher
from rafsight.formats.records import Bools, ragged
from rafsight.formats.tables import Digester
from rafsight.formats.tar import Member
from rafsight.image.tree import ImageTree

DIGEST_SIZE: Final = 32
MAX_CELLS: Final = 1 << 24
"""Digests that are kept of one source: half a gigabyte."""
UNREADABLE: Final = -1
"""In `ContentPlan.digester`: the chunks cannot be compared by their digests."""
_ZEROS: Final = bytes(MiB)
_CELL_SIZES: Final = (4 * KiB, 16 * MiB)
"""[bytes] Chunk sizes that images have."""

FileKey = tuple[int, int]
"""(layer, offset in its decompressed stream): where the stored bytes of a file of the source begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPlan:
    """How the files of an image are cut and hashed."""

    cell_size: int
    """[bytes] of a cell of the grid."""
    digester: NDArray[np.int8]
    """(n,) by row of the tree: the Digester of a file's chunks, or UNREADABLE."""
    wanted: dict[int, tuple[Digester, ...]]
    """By the size of a file [bytes]: digests that some file of the image may be compared by."""

    def cell_count(self, size: int) -> int:
        """Return how many cells a file of some size [bytes] has."""
        return -(-size // self.cell_size)


def plan_content(tree: ImageTree) -> ContentPlan:
    """Find out how the files of an image are cut and hashed.

    Cost: linear in files and extents, by columns.
    """
    entries, tables = tree.entries, tree.tables
    cell = tables.superblock.chunk_size
    if not _CELL_SIZES[0] <= cell <= _CELL_SIZES[1]:  # of an image that was read on in spite of its faults
        cell = MiB
    regular = ((entries.mode & np.uint32(0o170000)) == st.S_IFREG) & (entries.size > 0)
    rows = np.flatnonzero(regular & (entries.link_row == np.arange(len(tree))))
    starts, counts, sizes = entries.extent_start[rows], entries.extent_count[rows].astype(np.int64), entries.size[rows]
    owner, ordinal = ragged(counts)
    extents, offsets = starts[owner] + ordinal, ordinal * cell
    chunk = tables.extents.chunk[extents]
    kinds = np.array([blob.digester for blob in tables.blobs] or [Digester.SHA256], dtype=np.int8)
    kind = kinds[tables.chunks.blob_index[chunk]]
    first = np.full(len(rows), UNREADABLE, dtype=np.int8)
    has_extents = counts > 0
    first[has_extents] = kind[(np.cumsum(counts) - counts)[has_extents]]
    has_digest = np.any(tables.chunks.digest, axis=1)
    fits: Bools = tables.extents.file_offset[extents] == offsets
    fits &= tables.extents.size[extents] == np.minimum(sizes[owner] - offsets, cell)
    fits &= np.take(has_digest, chunk) & (kind == first[owner])
    fitting = np.bincount(owner, weights=fits, minlength=len(rows)).astype(np.int64)
    is_cut_so = (fitting == counts) & (counts == -(-sizes // cell))
    by_row = np.full(len(tree), UNREADABLE, dtype=np.int8)
    by_row[rows] = np.where(is_cut_so, first, UNREADABLE)
    wanted: dict[int, set[Digester]] = {}
    for size, code in set(zip(sizes.tolist(), by_row[rows].tolist(), strict=True)):
        wanted.setdefault(size, set()).add(Digester.SHA256 if code == UNREADABLE else Digester(code))
    return ContentPlan(
        cell_size=cell,
        digester=by_row[entries.link_row],
        wanted={size: tuple(sorted(found)) for size, found in wanted.items()},
    )


class SourceDigests:
    """Digests of the files of a source; 32 bytes a cell and kind are all that is kept of their content."""

    def __init__(self, plan: ContentPlan) -> None:
        self.plan = plan
        self.hashed_size = 0
        """[bytes] that were hashed, each kind of digest counted once."""
        self.file_count = 0
        self._places: dict[FileKey, tuple[int, ...]] = {}
        """Position of the first digest of each kind, in the order of `plan.wanted`."""
        self._digests = bytearray()
        self._zeros: dict[Digester, bytes] = {}

    def take(self, layer: int, member: Member) -> None:
        """Hash the content of a regular file with stored bytes, if the image has a file of its size.

        Raises: MalformedImage: the stream ends.
        """
        kinds = self.plan.wanted.get(member.size, ())
        cells = self.plan.cell_count(member.size) * len(kinds)
        if not kinds or len(self._digests) + cells * DIGEST_SIZE > MAX_CELLS * DIGEST_SIZE:
            return
        hashers = [self._cells(kind) for kind in kinds]
        for piece in _pieces(member):
            for one in hashers:
                if isinstance(piece, int):
                    one.skip(piece)
                else:
                    one.feed(piece)
        places = []
        for one in hashers:
            places.append(len(self._digests))
            self._digests += one.finish()
        self._places[layer, member.content_offset] = tuple(places)
        self.hashed_size += member.size
        self.file_count += 1

    def find(self, key: FileKey | None, size: int, kind: Digester) -> bytes | None:
        """Return the digests of a file's cells, one after the other; None if it was not hashed.

        Args:
            key: the file; None for one without stored bytes, which is all zeros.
            size: [bytes] of the file.
            kind: which digest.
        """
        count = self.plan.cell_count(size) * DIGEST_SIZE
        if key is None:
            if count > MAX_CELLS * DIGEST_SIZE:
                return None
            zeros = self._cells(kind)
            zeros.skip(size)
            return bytes(zeros.finish())
        places, kinds = self._places.get(key), self.plan.wanted.get(size, ())
        if places is None or kind not in kinds:
            return None
        start = places[kinds.index(kind)]
        return bytes(self._digests[start : start + count])

    def _cells(self, kind: Digester) -> "_Cells":
        if kind not in self._zeros:
            self._zeros[kind] = digest(kind, bytes(self.plan.cell_size))
        return _Cells(kind, self.plan.cell_size, self._zeros[kind])


class _Cells:
    """Hashes one file cell by cell."""

    def __init__(self, kind: Digester, cell_size: int, zero: bytes) -> None:
        self._kind = kind
        self._cell_size = cell_size
        self._zero = zero
        """Digest of a cell of zeros."""
        self._left = cell_size
        self._running: Hasher | None = None
        self._digests = bytearray()

    def feed(self, piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            part = view[: self._left]
            if self._running is None:
                self._running = hasher(self._kind)
            self._running.update(part)
            self._advance(len(part))
            view = view[len(part) :]

    def skip(self, count: int) -> None:
        """Take in zeros [bytes] without making them."""
        while count:
            if self._running is None and count >= self._cell_size:
                self._digests += self._zero * (count // self._cell_size)
                count %= self._cell_size
                continue
            part = min(count, self._left, len(_ZEROS))
            self.feed(_ZEROS[:part])
            count -= part

    def finish(self) -> bytearray:
        if self._running is not None:
            self._digests += self._running.digest()
        return self._digests

    def _advance(self, count: int) -> None:
        self._left -= count
        if not self._left and self._running is not None:
            self._digests += self._running.digest()
            self._running, self._left = None, self._cell_size


def _pieces(member: Member) -> Iterator[bytes | int]:
    """Yield a file's content in order: bytes, or a number of zeros [bytes]."""
    if member.segments is None:
        yield from member.content
        return
    position, waiting, stored = 0, b"", iter(member.content)
    for offset, size in member.segments:
        if offset > position:
            yield offset - position
        left = size
        while left:
            waiting = waiting or next(stored)
            yield waiting[:left]
            left, waiting = left - min(left, len(waiting)), waiting[left:]
        position = offset + size
    if member.size > position:
        yield member.size - position
