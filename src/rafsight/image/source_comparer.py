"""The content of an image's files beside that of the files of its source.

This module alone decides which pairs of files have the same content, which do not, and which nobody can tell yet.
"""

from dataclasses import dataclass

import numpy as np

from rafsight.formats.tables import Digester, Placement, Rows
from rafsight.image.source_content import DIGEST_SIZE, UNREADABLE, FileKey, SourceDigests
from rafsight.image.tree import ImageTree


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentComparison:
    """What comparing the content of files found."""

    different: tuple[tuple[int, int], ...]
    """(index of the pair, first cell that differs)."""
    to_read: tuple[int, ...]
    """Indexes of the pairs whose content in the image has to be read."""
    unhashed: tuple[int, ...]
    """Indexes of the pairs whose content in the source was not hashed: there was too much of it."""
    compared_count: int
    """Files."""
    compared_size: int
    """[bytes]"""


class ContentComparer:
    """Compares files of an image with files of its source."""

    def __init__(self, tree: ImageTree, source: ImageTree, placement: Placement, digests: SourceDigests) -> None:
        self._tree = tree
        self._source = source
        self._placement = placement
        self._digests = digests
        self._known: dict[tuple[int, FileKey | None], int] = {}
        """First cell that differs, by inode of the image and file of the source; -1 if none."""

    def compare(self, left: Rows, right: Rows) -> ContentComparison:
        """Compare the files of pairs that are regular, of one size and not empty.

        Args:
            left: (k,) rows of the image.
            right: (k,) rows of the source.
        """
        different, to_read, unhashed, total = [], [], [], 0
        sizes = self._tree.entries.size[left].tolist()
        for index, (row, other, size) in enumerate(zip(left.tolist(), right.tolist(), sizes, strict=True)):
            key = self.key_of(other)
            kind = self._kind_of(row)
            if self._digests.plan.digester[row] == UNREADABLE:
                to_read.append(index)
                continue
            cell = self._first_difference(row, key, size, kind)
            if cell is None:
                unhashed.append(index)
                continue
            total += size
            if cell >= 0:
                different.append((index, cell))
        return ContentComparison(
            different=tuple(different),
            to_read=tuple(to_read),
            unhashed=tuple(unhashed),
            compared_count=len(left) - len(to_read) - len(unhashed),
            compared_size=total,
        )

    def is_content_of(self, row: int, key: FileKey | None) -> bool:
        """Tell whether a file of the image is sure to have the content of some file of the source."""
        size = int(self._tree.entries.size[row])
        if self._digests.plan.digester[row] == UNREADABLE:
            return False
        return self._first_difference(row, key, size, self._kind_of(row)) == -1

    def key_of(self, row: int, tree: ImageTree | None = None, placement: Placement | None = None) -> FileKey | None:
        """Return where the stored bytes of a file of the source begin; None if it has none."""
        tree, placement = tree or self._source, placement or self._placement
        if not int(tree.entries.extent_count[row]):
            return None
        chunk = int(tree.tables.extents.chunk[int(tree.entries.extent_start[row])])
        unit = int(placement.unit_index[chunk])
        return int(placement.units.blob_index[unit]), int(placement.units.offset[unit])

    def expected(self, other: int, size: int) -> bytes | None:
        """Return the SHA-256 digests of the cells of a file of the source, for a pair that has to be read."""
        return self._digests.find(self.key_of(other), size, Digester.SHA256)

    def _kind_of(self, row: int) -> Digester:
        code = int(self._digests.plan.digester[row])
        return Digester.SHA256 if code == UNREADABLE else Digester(code)

    def _first_difference(self, row: int, key: FileKey | None, size: int, kind: Digester) -> int | None:
        """Return the first cell that differs, -1 if none does, None if the source's file was not hashed."""
        inode = int(self._tree.entries.link_row[row]), key
        if inode in self._known:
            return self._known[inode]
        expected = self._digests.find(key, size, kind)
        if expected is None:
            return None
        extents, tables = self._tree.extent_rows(row), self._tree.tables
        actual = tables.chunks.digest[tables.extents.chunk[extents.start : extents.stop]]
        found = -1
        if actual.tobytes() != expected:
            wanted = np.frombuffer(expected, dtype=np.uint8).reshape(-1, DIGEST_SIZE)
            found = int((actual != wanted).any(axis=1).argmax()) if actual.shape == wanted.shape else 0
        self._known[inode] = found
        return found
