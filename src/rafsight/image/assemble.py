"""From chunks back to the bytes of files.

Chunks come in the order of their blobs; a file is handed over as soon as its last chunk is there. This module alone
decides what a hole is: whatever the extents of a file do not cover is zeros.
"""

from collections import defaultdict
from collections.abc import Sequence

from rafsight.image.plan import FileRange, RowArray, range_length
from rafsight.image.tree import ImageTree

Buffer = bytes | memoryview


class Assembler:
    """Collects chunks for some file ranges. Holds the bytes of ranges that have begun, never a chunk."""

    def __init__(self, tree: ImageTree, wanted: Sequence[FileRange], extents: Sequence[RowArray]) -> None:
        """Prepare.

        Args:
            tree: the tree.
            wanted: the ranges; their lengths are bounded by the caller, for so much memory is taken.
            extents: what `wanted_extents` returned for them.
        """
        self._wanted = wanted
        self._lengths = [range_length(tree, part) for part in wanted]
        self._missing = [len(rows) for rows in extents]
        self._places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._begun: dict[int, bytearray] = {}
        self._whole: dict[int, bytes] = {}
        self._lost: set[int] = set()
        table = tree.tables.extents
        for index, rows in enumerate(extents):
            for chunk, start in zip(table.chunk[rows].tolist(), table.file_offset[rows].tolist(), strict=True):
                self._places[chunk].append((index, start - wanted[index].offset))

    def ready_at_once(self) -> list[int]:
        """Return the indexes of the ranges that need no chunk: empty files and holes."""
        return [index for index, missing in enumerate(self._missing) if not missing]

    def add(self, chunk: int, content: Buffer) -> list[int]:
        """Take a chunk; return the indexes of the ranges that are complete now."""
        done = []
        for index, start in self._places.pop(chunk, ()):
            if index in self._lost:
                continue
            self._put(index, start, content)
            self._missing[index] -= 1
            if not self._missing[index]:
                done.append(index)
        return done

    def users_of(self, chunk: int) -> list[int]:
        """Return the indexes of the ranges that fail because a chunk will not come, each range once."""
        lost = dict.fromkeys(index for index, _ in self._places.pop(chunk, ()) if index not in self._lost)
        self._lost.update(lost)
        for index in lost:
            self._begun.pop(index, None)
        return list(lost)

    def content(self, index: int) -> bytes:
        """Return the bytes of a complete range (cut at the end of the file), and let them go."""
        whole = self._whole.pop(index, None)
        if whole is not None:
            return whole
        return bytes(self._begun.pop(index, None) or self._lengths[index])

    def _put(self, index: int, start: int, content: Buffer) -> None:
        """Copy what a range wants of a chunk that begins `start` bytes after the range does (or before it)."""
        length = self._lengths[index]
        low, high = max(start, 0), min(start + len(content), length)
        piece = memoryview(content)[low - start : high - start]
        if len(piece) == length:
            self._whole[index] = bytes(content) if len(content) == length else bytes(piece)
            return
        begun = self._begun.get(index)
        if begun is None:
            begun = self._begun[index] = bytearray(length)
        begun[low:high] = piece
