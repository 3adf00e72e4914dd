"""The names and inodes of a tree while it is edited.

A node is a directory entry, an inode what it is the name of; both are numbers: rows of the old tree, and from its
length on those that came. Only folders that change are taken apart, so that the cost is that of the changes. This
module alone applies what `changes` decides.
"""

import stat as st
from dataclasses import dataclass, replace
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.limits import Limits
from rafsight.formats.rafs.names import MAX_NAME_SIZE
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Changes, Put
from rafsight.image.overlay_tables import pack_xattrs
from rafsight.image.tree import ImageTree, NoSuchPath, WrongKind, kind_of

_NANOSECONDS: Final = 1_000_000_000
_MAX_TARGET: Final = 4095
"""[bytes] the longest target that Linux follows."""
_TYPES: Final = {
    MemberKind.FILE: st.S_IFREG,
    MemberKind.DIRECTORY: st.S_IFDIR,
    MemberKind.SYMLINK: st.S_IFLNK,
    MemberKind.CHAR: st.S_IFCHR,
    MemberKind.BLOCK: st.S_IFBLK,
    MemberKind.FIFO: st.S_IFIFO,
}
_DEFAULT_MODES: Final = {MemberKind.DIRECTORY: 0o755, MemberKind.SYMLINK: 0o777}
_OTHER_MODE: Final = 0o644
_DEVICES: Final = (MemberKind.CHAR, MemberKind.BLOCK)
_NO_PUT: Final = -1


class ImpossibleChange(CallerError):
    """An entry cannot be as a change wants it."""

    code = "impossible-change"
    template = "{path} cannot be changed so: {why}"
    remedy = "Correct the path or the plan; nothing was written."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Inode:
    """An inode that came, or was changed."""

    mode: int
    """Full st_mode."""
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    """[ns] since 1970."""
    rdev: int = 0
    target: bytes = b""
    xattrs: bytes = b""
    """As `pack_xattrs` writes them."""
    put: int = _NO_PUT
    """Which of the changes has its content; -1: it has none."""


class Draft:
    """A tree and what became different in it so far."""

    def __init__(self, tree: ImageTree) -> None:
        self.tree = tree
        self.names: list[bytes] = []
        """Of the nodes that came."""
        self.inode_of: list[int] = []
        """Of the nodes that came."""
        self.inodes: dict[int, Inode] = {}
        """Those that came or were changed."""
        self.children: dict[int, dict[bytes, int]] = {}
        """Of folders that changed: nodes by name."""
        self._path_size = Limits().path_size
        self._came = 0
        self._folders: dict[bytes, int] = {b"": 0}
        """Nodes of folders that were looked up."""

    def apply(self, changes: Changes) -> None:
        """Make all changes.

        Raises: NoSuchPath, WrongKind, ImpossibleChange. The draft is of no use then.
        """
        for path in changes.removed:
            self._check_path(path)
            if not path:
                raise ImpossibleChange(path=b"/", why="the root stays")
            if self._find(path) is None:
                raise NoSuchPath(path=b"/" + path)
        for path in changes.removed:
            self._remove(path)
        for number, put in enumerate(changes.puts):
            self._put(put, number)

    def inode(self, node: int) -> int:
        """Return the inode that a node is a name of."""
        old = len(self.tree)
        return int(self.tree.entries.link_row[node]) if node < old else self.inode_of[node - old]

    def _mode(self, node: int) -> int:
        inode = self.inode(node)
        changed = self.inodes.get(inode)
        return int(self.tree.entries.mode[inode]) if changed is None else changed.mode

    def _is_folder(self, node: int) -> bool:
        return st.S_ISDIR(self._mode(node))

    def _child(self, folder: int, name: bytes) -> int | None:
        names = self.children.get(folder)
        return self.tree.child(folder, name) if names is None else names.get(name)

    def _names(self, folder: int) -> dict[bytes, int]:
        """Take a folder apart."""
        names = self.children.get(folder)
        if names is None:
            rows = self.tree.children(folder)
            names = self.children[folder] = dict(zip(self.tree.names(rows), rows, strict=True))
        return names

    def _find(self, path: bytes) -> int | None:
        """Find an entry without following anything."""
        if not path:
            return 0
        parent, _, name = path.rpartition(b"/")
        folder = self._walk(parent)
        return None if folder is None else self._child(folder, name)

    def _walk(self, path: bytes) -> int | None:
        """Find a folder without following anything."""
        node = self._folders.get(path)
        if node is not None:
            return node
        found: int | None = 0
        for name in path.split(b"/"):
            found = self._child(found, name) if found is not None and self._is_folder(found) else None
        if found is None or not self._is_folder(found):
            return None
        self._folders[path] = found
        return found

    def _folder(self, path: bytes) -> int:
        """Return a folder, made with those above it where there is none."""
        known = self._walk(path)
        if known is not None:
            return known
        node, names = 0, path.split(b"/")
        for depth, name in enumerate(names):
            below = self._child(node, name)
            if below is None:
                below = self._add(node, name, Inode(mode=st.S_IFDIR | _DEFAULT_MODES[MemberKind.DIRECTORY]))
            elif not self._is_folder(below):
                shown = b"/" + b"/".join(names[: depth + 1])
                raise WrongKind(path=shown, kind=kind_of(self._mode(below)), wanted="directory")
            node = below
        self._folders[path] = node
        return node

    def _add(self, folder: int, name: bytes, inode: Inode) -> int:
        """Give a name to an inode that comes; return the node."""
        number = len(self.tree) + self._came
        self._came += 1
        self.inodes[number] = inode
        return self._name(folder, name, number)

    def _name(self, folder: int, name: bytes, inode: int) -> int:
        names = self._names(folder)
        self._forget_folders(names.get(name))
        node = len(self.tree) + len(self.inode_of)
        self.inode_of.append(inode)
        self.names.append(name)
        names[name] = node
        if self._is_folder(node):
            self.children[node] = {}
        return node

    def _forget_folders(self, gone: int | None) -> None:
        if gone is not None and self._is_folder(gone):
            self._folders = {b"": 0}

    def _remove(self, path: bytes) -> None:
        if self._find(path) is None:
            return  # it went with a folder above it
        parent, _, name = path.rpartition(b"/")
        self._forget_folders(self._names(self._folder(parent)).pop(name))

    def _put(self, put: Put, number: int) -> None:
        self._check_path(put.path)
        if put.kind == MemberKind.DIRECTORY:
            self._put_folder(put)
            return
        if not put.path:
            raise ImpossibleChange(path=b"/", why=f"the root cannot become a {put.kind}")
        parent, _, name = put.path.rpartition(b"/")
        if put.kind == MemberKind.HARDLINK:
            self._link(put, parent, name)
            return
        folder = self._folder(parent)
        before = self._child(folder, name)
        inode = self._made(put, before, number)
        if put.kind == MemberKind.FILE and before is not None and st.S_ISREG(self._mode(before)):
            self.inodes[self.inode(before)] = inode
        else:
            self._add(folder, name, inode)

    def _put_folder(self, put: Put) -> None:
        before = self._find(put.path)
        inode = self._made(put, before, _NO_PUT)
        if before is not None and self._is_folder(before):
            self.inodes[self.inode(before)] = inode
        else:
            parent, _, name = put.path.rpartition(b"/")
            self._add(self._folder(parent), name, inode)

    def _link(self, put: Put, parent: bytes, name: bytes) -> None:
        self._check_path(put.target)
        target = self._find(put.target)
        if target is None:
            raise NoSuchPath(path=b"/" + put.target)
        if self._is_folder(target):
            raise WrongKind(path=b"/" + put.target, kind="directory", wanted="file")
        if put.target == put.path:
            return
        inode, folder = self.inode(target), self._folder(parent)
        if st.S_ISREG(self._mode(target)):
            self._name(folder, name, inode)
        else:
            self._add(folder, name, self._stated(inode))

    def _made(self, put: Put, before: int | None, number: int) -> Inode:
        """Work out the inode of an entry that comes."""
        if put.kind not in _TYPES:
            raise ImpossibleChange(path=b"/" + put.path, why=f"nothing can be a {put.kind}")
        if put.kind == MemberKind.SYMLINK and (not 0 < len(put.target) <= _MAX_TARGET or b"\0" in put.target):
            raise ImpossibleChange(path=b"/" + put.path, why="a symbolic link cannot have that target")
        file_type = _TYPES[put.kind]
        if before is not None and st.S_IFMT(self._mode(before)) == file_type:
            was = self._stated(self.inode(before))
        else:
            was = Inode(mode=file_type | _DEFAULT_MODES.get(put.kind, _OTHER_MODE))
        return replace(
            was,
            mode=was.mode if put.mode is None else file_type | (put.mode & 0o7777),
            uid=was.uid if put.uid is None else put.uid,
            gid=was.gid if put.gid is None else put.gid,
            mtime=was.mtime if put.mtime is None else put.mtime,
            xattrs=was.xattrs if put.xattrs is None else pack_xattrs(put.xattrs),
            rdev=put.rdev if put.kind in _DEVICES else 0,
            target=put.target if put.kind == MemberKind.SYMLINK else b"",
            put=number if put.content is not None and put.kind == MemberKind.FILE else _NO_PUT,
        )

    def _stated(self, inode: int) -> Inode:
        """Return what is stated of an inode, but for the content of one that was not changed."""
        changed = self.inodes.get(inode)
        if changed is not None:
            return changed
        entries = self.tree.entries
        return Inode(
            mode=int(entries.mode[inode]),
            uid=int(entries.uid[inode]),
            gid=int(entries.gid[inode]),
            mtime=int(entries.mtime[inode]) * _NANOSECONDS + int(entries.mtime_nsec[inode]),
            rdev=int(entries.rdev[inode]),
            target=self.tree.target(inode),
            xattrs=pack_xattrs(self.tree.xattrs(inode)),
        )

    def _check_path(self, path: bytes) -> None:
        """Refuse what cannot be the path of an entry.

        Raises: ImpossibleChange.
        """
        if not path:
            return
        shown = b"/" + path
        if len(path) >= self._path_size:
            raise ImpossibleChange(path=shown, why=f"paths have less than {self._path_size} bytes")
        for name in path.split(b"/"):
            if not 0 < len(name) <= MAX_NAME_SIZE or b"\0" in name or name in (b".", b".."):
                raise ImpossibleChange(path=shown, why="a name in it is none")
