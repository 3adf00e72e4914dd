"""The whole tree of an image as a FUSE file system: for those who may not mount EROFS.

This module alone joins a tree, its attributes (`views/vfs.py` decides them) and its content for the kernel.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from rafsight.base.errors import ImageFault
from rafsight.formats.tables import Xattr
from rafsight.image.tree import ImageTree
from rafsight.views.fuse.protocol import Answer, Piece, Request
from rafsight.views.fuse.records import Records
from rafsight.views.fuse.static_files import FuseTally, StaticFiles
from rafsight.views.fuse.wire import InitFlag
from rafsight.views.vfs import VolumeSize, stat_columns, volume_size

_ACL: Final = b"system.posix_acl_"
_AREAS_LOOKED_AT: Final = 20_000
"""Areas of extended attributes that are searched for ACLs; of more it is taken that there are."""


class RowReader(Protocol):
    """What gives the content of regular files; `ChunkStore` does."""

    def read_row(self, row: int, offset: int, size: int) -> Piece:
        """Return a piece of a regular file, short at its end.

        Raises: RegistryFault, ImageFault, HostLimit.
        """
        ...


class TreeFiles:
    """An image's tree. Thread-safe."""

    def __init__(
        self,
        tree: ImageTree,
        store: RowReader,
        *,
        inos: NDArray[np.uint64] | None = None,
        on_first_read: Callable[[int], object] | None = None,
        checks_acls: bool = True,
    ) -> None:
        """Take a tree.

        Args:
            tree: names and attributes.
            store: content.
            inos: (n,) st_ino of each row; None numbers the inodes.
            on_first_read: told of the row of each file when it is read for the first time, of hard links the first
                name; must not raise.
            checks_acls: have the kernel heed ACLs, if there are any; then it always checks permissions.
        """
        self._tree = tree
        self._store = store
        entries = tree.entries
        self.records = Records(entries, tree.buffer, lambda rows: stat_columns(tree, rows, inos))
        self.init_flags = InitFlag.POSIX_ACL if checks_acls and _has_acls(tree) else InitFlag(0)
        self._files = StaticFiles(self, has_xattrs=bool(entries.xattr_size.any()), on_first_read=on_first_read)

    @property
    def tally(self) -> FuseTally:
        """What was asked for so far."""
        return self._files.tally

    def answer(self, request: Request) -> Answer:
        """Answer a request."""
        return self._files.answer(request)

    def child(self, row: int, name: bytes) -> int | None:
        """Return the row of a name in a directory."""
        return self._tree.child(row, name)

    def is_directory(self, row: int) -> bool:
        """Tell whether a row is a directory."""
        return self._tree.is_directory(row)

    def target(self, row: int) -> bytes | None:
        """Return where a symbolic link points; None for other kinds."""
        return self._tree.target(row) if self._tree.is_symlink(row) else None

    def xattrs(self, row: int) -> Sequence[Xattr]:
        """Return the extended attributes.

        Raises: ImageFault.
        """
        return self._tree.xattrs(row)

    def read(self, row: int, offset: int, size: int) -> Piece | None:
        """Return a piece of a regular file; None for other kinds.

        Raises: RegistryFault, ImageFault, HostLimit.
        """
        return self._store.read_row(row, offset, size) if self._tree.is_file(row) else None

    def volume_size(self) -> VolumeSize:
        """Return what statfs(2) says."""
        return self._volume_size

    @cached_property
    def _volume_size(self) -> VolumeSize:
        return volume_size(self._tree)


def _has_acls(tree: ImageTree) -> bool:
    """Tell whether there may be ACLs. Cost: one look at each area of extended attributes, of many at none."""
    entries = tree.entries
    rows = np.flatnonzero(entries.xattr_size)
    _areas, firsts = np.unique(entries.xattr_offset[rows], return_index=True)
    if len(firsts) > _AREAS_LOOKED_AT:
        return True
    for row in rows[firsts].tolist():
        try:
            if any(one.name.startswith(_ACL) for one in tree.xattrs(row)):
                return True
        except ImageFault:
            continue  # whoever asks for them gets EIO
    return False
