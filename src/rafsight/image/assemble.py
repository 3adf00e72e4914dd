"""From chunks back to the bytes of files.

Chunks come in the order of their blobs; a file is handed over as soon as its last chunk is there. This module alone
decides what a hole is: whatever the extents of a file do not cover is zeros.
"""

from collections import defaultdict
from collections.abc import Sequence

from rafsight.image.plan import FileRange, RowArray
from rafsight.image.tree import ImageTree


class Assembler:
    """Collects chunks for some file ranges. Holds the chunks of unfinished ranges only."""

    def __init__(self, tree: ImageTree, wanted: Sequence[FileRange], extents: Sequence[RowArray]) -> None:
        """Prepare.

        Args:
            tree: the tree.
            wanted: the ranges.
            extents: what `wanted_extents` returned for them.
        """
        self._tree = tree
        self._wanted = wanted
        self._extents = extents
        self._missing = [0] * len(wanted)
        self._waiting: dict[int, list[int]] = defaultdict(list)
        self._chunks: dict[int, bytes] = {}
        self._lost: set[int] = set()
        for index, rows in enumerate(extents):
            chunks = set(tree.tables.extents.chunk[rows].tolist())
            self._missing[index] = len(chunks)
            for chunk in chunks:
                self._waiting[chunk].append(index)
        self._uses = {chunk: len(users) for chunk, users in self._waiting.items()}

    def ready_at_once(self) -> list[int]:
        """Return the indexes of the ranges that need no chunk: empty files and holes."""
        return [index for index, missing in enumerate(self._missing) if not missing]

    def add(self, chunk: int, content: bytes) -> list[int]:
        """Take a chunk; return the indexes of the ranges that are complete now."""
        users = self._waiting.pop(chunk, [])
        if not users:
            return []
        self._chunks[chunk] = content
        done = []
        for index in users:
            self._missing[index] -= 1
            if not self._missing[index]:
                done.append(index)
        return done

    def users_of(self, chunk: int) -> list[int]:
        """Return the indexes of the ranges that fail because a chunk will not come, each range once."""
        lost = [index for index in self._waiting.pop(chunk, []) if index not in self._lost]
        self._lost.update(lost)
        return lost

    def content(self, index: int) -> bytes:
        """Return the bytes of a complete range (cut at the end of the file), and let its chunks go."""
        part, rows = self._wanted[index], self._extents[index]
        size = int(self._tree.entries.size[part.row])
        end = size if part.size is None else min(part.offset + part.size, size)
        length = max(end - part.offset, 0)
        table = self._tree.tables.extents
        chunks = table.chunk[rows].tolist()
        if len(chunks) == 1 and int(table.file_offset[rows[0]]) == part.offset:
            content = self._chunks[chunks[0]]
            if len(content) == length:
                self._release(set(chunks))
                return content
        result = bytearray(length)
        for chunk, start in zip(chunks, table.file_offset[rows].tolist(), strict=True):
            content = self._chunks[chunk]
            low, high = max(start, part.offset), min(start + len(content), end)
            if low < high:
                result[low - part.offset : high - part.offset] = content[low - start : high - start]
        self._release(set(chunks))
        return bytes(result)

    def _release(self, chunks: set[int]) -> None:
        for chunk in chunks:
            self._uses[chunk] -= 1
            if not self._uses[chunk]:
                del self._chunks[chunk]
