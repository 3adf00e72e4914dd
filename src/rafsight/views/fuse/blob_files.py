"""Backing files of blobs as a flat FUSE directory, filled when they are read: what the kernel's EROFS mounts.

This module alone decides how backing files look to the kernel: nobody but their owner may read them.
"""

import os
import stat as st
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rafsight.formats.tables import Offsets, Rows, Xattr
from rafsight.views.fuse.protocol import Answer, Piece, Request
from rafsight.views.fuse.records import Records
from rafsight.views.fuse.static_files import FuseTally, StaticFiles
from rafsight.views.fuse.wire import InitFlag
from rafsight.views.vfs import IO_BLOCK, StatColumns, VolumeSize, block_count


class Sized(Protocol):
    """What knows how large backing files are; `Backing` does."""

    @property
    def sizes(self) -> Offsets:
        """(blob_count,) [bytes] of each backing file."""
        ...


class BlobReader(Protocol):
    """What gives the content of backing files; `ChunkStore` does."""

    @property
    def backing(self) -> Sized:
        """Their sizes."""
        ...

    def read(self, blob: int, offset: int, size: int) -> Piece:
        """Return a piece of a backing file.

        Raises: RegistryFault, ImageFault, HostLimit.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _FlatLinks:
    """The root, and all files below it."""

    parent: Rows
    name_offset: Offsets
    name_size: Rows
    link_row: Rows
    child_start: Rows
    child_count: Rows


class BlobFiles:
    """Backing files in one directory. Thread-safe."""

    def __init__(
        self,
        store: BlobReader,
        names: Sequence[str],
        extra: Mapping[str, bytes] | None = None,
        *,
        uncached: Collection[int] = (),
    ) -> None:
        """Take a store.

        Args:
            store: content, by blob.
            names: one for each blob, no two alike.
            extra: small whole files beside them, by name.
            uncached: blobs of which the kernel shall read what it is asked for, and keep no pages: EROFS keeps its own,
                so these are copied once less, and not held twice; but nothing is read ahead of many small files.
        """
        extra = extra or {}
        self._store = store
        self._sizes: list[int] = [*store.backing.sizes.tolist(), *map(len, extra.values())]
        self._extra = list(extra.values())
        self._blob_count = len(names)
        encoded = [os.fsencode(name) for name in (*names, *extra)]
        self._rows = {name: row for row, name in enumerate(encoded, 1)}
        assert len(self._rows) == len(encoded) == len(self._sizes), "one name for each file"
        self.records = Records(_flat(encoded), b"".join(encoded), self._describe)
        self.init_flags = InitFlag(0)
        self._files = StaticFiles(self, has_xattrs=False, is_cached=lambda row: row - 1 not in uncached)

    @property
    def tally(self) -> FuseTally:
        """What was asked for so far."""
        return self._files.tally

    def answer(self, request: Request) -> Answer:
        """Answer a request."""
        return self._files.answer(request)

    def child(self, _row: int, name: bytes) -> int | None:
        """Return the row of a name."""
        return self._rows.get(name)

    def is_directory(self, row: int) -> bool:
        """Tell whether a row is the root."""
        return row == 0

    def target(self, _row: int) -> bytes | None:
        """Return None: there are no links."""
        return None

    def xattrs(self, _row: int) -> Sequence[Xattr]:
        """Return nothing: there are none."""
        return ()

    def read(self, row: int, offset: int, size: int) -> Piece | None:
        """Return a piece of a file.

        Raises: RegistryFault, ImageFault, HostLimit.
        """
        if row == 0:
            return None
        size = max(min(size, self._sizes[row - 1] - offset), 0)
        if row > self._blob_count:
            return self._extra[row - 1 - self._blob_count][offset : offset + size]
        return self._store.read(row - 1, offset, size) if size else b""

    def volume_size(self) -> VolumeSize:
        """Return what statfs(2) says."""
        return VolumeSize(blocks=sum(-(-size // IO_BLOCK) for size in self._sizes), files=len(self._sizes) + 1)

    def _describe(self, rows: slice) -> StatColumns:
        numbers = np.arange(rows.start, rows.stop)
        words = np.zeros(len(numbers), np.uint32)
        sizes = np.array([0, *self._sizes], np.int64)[rows]
        return StatColumns(
            ino=(numbers + 1).astype(np.uint64),
            mode=np.where(numbers == 0, st.S_IFDIR | 0o500, st.S_IFREG | 0o400).astype(np.uint32),
            nlink=np.where(numbers == 0, 2, 1).astype(np.uint32),
            uid=words + np.uint32(os.geteuid()),
            gid=words + np.uint32(os.getegid()),
            rdev=words,
            size=sizes,
            blocks=block_count(sizes),
            mtime=np.zeros(len(numbers), np.int64),
            mtime_nsec=words,
        )


def _flat(names: Sequence[bytes]) -> _FlatLinks:
    sizes = np.array([0, *map(len, names)], np.int32)
    zeros = np.zeros(len(sizes), np.int32)
    first = zeros.copy()
    first[0] = 1
    count = zeros.copy()
    count[0] = len(names)
    return _FlatLinks(
        parent=zeros,
        name_offset=np.cumsum(sizes, dtype=np.int64) - sizes,
        name_size=sizes,
        link_row=np.arange(len(sizes), dtype=np.int32),
        child_start=first,
        child_count=count,
    )
