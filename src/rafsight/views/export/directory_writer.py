"""An export as files in a folder of this machine.

This module alone decides what an entry of an image is there. Names come from strangers: each is made in its folder's
descriptor (`folders.py`), and no link is followed. A file is written under a name of its own and then renamed, so that
a half-written one never stands under its name. Folders can be entered while they are filled, and get their modes and
times at the end.

As `tar -x` does, root gets everything; others get files of their own, without devices, set-user-ID bits and attributes
of the system. What was left out is counted.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from rafsight.base.errors import Defect
from rafsight.base.text import escape
from rafsight.image.tree import ImageTree
from rafsight.views.export.attributes import apply_to_descriptor, apply_to_name, is_root
from rafsight.views.export.delivery import Piece
from rafsight.views.export.faults import PlaceTaken, writing
from rafsight.views.export.folders import Folders
from rafsight.views.export.order import Node
from rafsight.views.export.tally import Omission, Tally

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEVICES: Final = {"char": stat.S_IFCHR, "block": stat.S_IFBLK}


class DirectoryWriter:
    """Writes entries as files. Parents have to come before what lies in them."""

    def __init__(self, tree: ImageTree, root: int, tally: Tally) -> None:
        """Take the tree that targets and attributes come from, and a descriptor of the folder, the caller's."""
        self._tree = tree
        self._root = root
        self._tally = tally
        self._folders = Folders(root)
        self._firsts = Folders(root)
        self._filled: list[Node] = []
        self._left: set[int] = set()

    def put(self, node: Node, pieces: Iterator[Piece]) -> None:
        """Write one entry.

        Raises: NotWritten, PlaceTaken; MalformedImage: its extended attributes cannot be read; what the pieces raise.
        """
        if node.link_row in self._left:
            self._tally.omit(Omission.LINK, node.path)
            return
        where = escape(node.path)
        if node.kind == "directory":
            with writing(where):
                self._make_folder(node)
            self._filled.append(node)
        else:
            parent, _, name = node.path.rpartition(b"/")
            with writing(where):
                folder = self._folders.open(parent)
            if node.has_content:
                self._write_file(node, folder, name, pieces)
            else:
                with writing(where):
                    if not self._make(node, folder, name):
                        self._left.add(node.link_row)
                        return
        self._tally.entry_count += 1

    def finish(self) -> None:
        """Give the folders their modes, owners, attributes and times, the deepest first.

        Raises: NotWritten; MalformedImage: extended attributes cannot be read.
        """
        while self._filled:
            node = self._filled.pop()
            with writing(escape(node.path) or "."):
                folder = os.open(b".", _OPEN, dir_fd=self._folders.open(node.path))
            try:
                apply_to_descriptor(folder, node, self._tree.xattrs(node.row), self._tally)
            finally:
                os.close(folder)

    def close(self) -> None:
        """Give all descriptors back."""
        self._folders.close()
        self._firsts.close()

    def _make_folder(self, node: Node) -> None:
        """Make a folder; one that is there is used, anything else of that name goes."""
        parent, _, name = node.path.rpartition(b"/")
        if not name:
            return
        folder = self._folders.open(parent)
        try:
            os.mkdir(name, 0o700, dir_fd=folder)
        except FileExistsError:
            if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                _let_in(folder, name)
                return
            os.unlink(name, dir_fd=folder)
            os.mkdir(name, 0o700, dir_fd=folder)

    def _write_file(self, node: Node, folder: int, name: bytes, pieces: Iterator[Piece]) -> None:
        draft = b".rafsight-%s.part" % os.urandom(8).hex().encode()
        where = escape(node.path)
        with writing(where):
            file = os.open(draft, _NEW, 0o600, dir_fd=folder)
        try:
            try:
                written = 0
                for piece in pieces:
                    with writing(where):
                        _write(file, piece)
                    written += piece.size
                if written != node.size:
                    raise Defect(what=f"{written} bytes came of a file of {node.size}")
                with writing(where):
                    os.ftruncate(file, written)  # a hole may be the last that came
                apply_to_descriptor(file, node, self._tree.xattrs(node.row), self._tally)
            finally:
                os.close(file)
            with writing(where):
                _rename(folder, draft, name, node)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft, dir_fd=folder)
            raise

    def _make(self, node: Node, folder: int, name: bytes) -> bool:
        """Make anything that has no content; return False if it cannot be made here."""
        if node.first is not None:
            parent, _, first = node.first.rpartition(b"/")
            source = self._firsts.open(parent)
            _remove(folder, name, node)
            os.link(first, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
            return True
        if node.kind == "unknown":
            self._tally.omit(Omission.UNKNOWN_KIND, node.path)
            return False
        if node.kind in _DEVICES and not is_root():
            self._tally.omit(Omission.DEVICE, node.path)
            return False
        _remove(folder, name, node)
        try:
            self._create(node, folder, name)
        except PermissionError:
            if node.kind not in _DEVICES:
                raise
            self._tally.omit(Omission.DEVICE, node.path)  # root of a container that may not
            return False
        apply_to_name(folder, name, node, self._tree.xattrs(node.row), self._tally)
        return True

    def _create(self, node: Node, folder: int, name: bytes) -> None:
        if node.kind == "symlink":
            os.symlink(self._tree.target(node.row), name, dir_fd=folder)
        elif node.kind == "fifo":
            os.mkfifo(name, 0o600, dir_fd=folder)
        elif node.kind == "socket":
            os.mknod(name, stat.S_IFSOCK | 0o600, dir_fd=folder)
        else:
            os.mknod(name, _DEVICES[node.kind] | 0o600, os.makedev(*node.device), dir_fd=folder)


def _let_in(folder: int, name: bytes) -> None:
    """Make a folder that is there already one that can be filled."""
    inside = os.open(name, _OPEN, dir_fd=folder)
    try:
        mode = os.fstat(inside).st_mode
        if mode & 0o700 != 0o700:
            os.fchmod(inside, stat.S_IMODE(mode) | 0o700)
    finally:
        os.close(inside)


def _write(file: int, piece: Piece) -> None:
    """Write a piece; holes stay holes."""
    if piece.content is None:
        os.lseek(file, piece.size, os.SEEK_CUR)
        return
    rest = memoryview(piece.content)
    while rest:
        rest = rest[os.write(file, rest) :]


def _rename(folder: int, draft: bytes, name: bytes, node: Node) -> None:
    try:
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except (IsADirectoryError, FileExistsError):
        _remove(folder, name, node)
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)


def _remove(folder: int, name: bytes, node: Node) -> None:
    """Take away what has a name already: a file or a link, or an empty folder.

    Raises: PlaceTaken: a folder with something in it.
    """
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        if not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
            raise
        try:
            os.rmdir(name, dir_fd=folder)
        except OSError as error:
            raise PlaceTaken(where=escape(node.path)) from error
