"""An export as a tar: members in the order of the tree, in PAX form.

This module alone decides what an entry of an image is in a tar. Holes are written as zeros: the sparse forms of tar are
not read alike by all. Sockets have no form, and are left out.
"""

from collections.abc import Callable, Iterator
from typing import Final

from rafsight.base.errors import Defect
from rafsight.base.units import KiB
from rafsight.formats.tables import Xattr
from rafsight.formats.tar import MemberKind
from rafsight.formats.tar_write import TRAILER, Header, padding, write_header
from rafsight.image.tree import ImageTree
from rafsight.views.export.attributes import is_attribute_name
from rafsight.views.export.delivery import Piece
from rafsight.views.export.order import Node
from rafsight.views.export.tally import Omission, Tally

Sink = Callable[[bytes], None]
"""Takes the next bytes of an archive."""

_ZEROS: Final = bytes(256 * KiB)
_KINDS: Final = {
    "file": MemberKind.FILE,
    "directory": MemberKind.DIRECTORY,
    "symlink": MemberKind.SYMLINK,
    "char": MemberKind.CHAR,
    "block": MemberKind.BLOCK,
    "fifo": MemberKind.FIFO,
}


class TarWriter:
    """Writes entries as members."""

    def __init__(self, tree: ImageTree, sink: Sink, tally: Tally) -> None:
        """Take the tree that targets and attributes come from, and where the bytes go."""
        self._tree = tree
        self._sink = sink
        self._tally = tally

    def put(self, node: Node, pieces: Iterator[Piece]) -> None:
        """Write one entry.

        Raises: MalformedImage: its extended attributes cannot be read; what the pieces and the sink raise.
        """
        if node.kind not in _KINDS:
            self._tally.omit(Omission.NO_TAR_FORM if node.kind == "socket" else Omission.UNKNOWN_KIND, node.path)
            return
        self._sink(write_header(self._header(node)))
        written = 0
        for piece in pieces:
            if piece.content is None:
                self._fill(piece.size)
            else:
                self._sink(bytes(piece.content))
            written += piece.size
        if node.has_content:
            if written != node.size:
                raise Defect(what=f"{written} bytes came of a file of {node.size}")
            self._sink(padding(written))
        self._tally.entry_count += 1

    def finish(self) -> None:
        """End the archive."""
        self._sink(TRAILER)

    def _header(self, node: Node) -> Header:
        is_link = node.first is not None
        return Header(
            name=node.path,
            kind=MemberKind.HARDLINK if is_link else _KINDS[node.kind],
            mode=node.mode & 0o7777,
            uid=node.uid,
            gid=node.gid,
            mtime=node.mtime,
            size=node.size if node.has_content else 0,
            target=self._tree.target(node.row) if node.first is None else node.first,
            device=(0, 0) if is_link else node.device,
            xattrs=() if is_link else self._xattrs(node),
        )

    def _xattrs(self, node: Node) -> tuple[Xattr, ...]:
        xattrs = self._tree.xattrs(node.row)
        named = tuple(xattr for xattr in xattrs if is_attribute_name(xattr.name))
        for _ in range(len(xattrs) - len(named)):
            self._tally.omit(Omission.XATTR, node.path)
        return named

    def _fill(self, size: int) -> None:
        while size:
            part = min(size, len(_ZEROS))
            self._sink(_ZEROS[:part])
            size -= part
