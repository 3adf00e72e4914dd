"""A folder of this machine, read as the tar of a layer would be.

This module alone decides what of a folder becomes part of an image, and in which order: the root first, then by the
bytes of the names, depth first, whatever order the file system has. No link is followed. What an image cannot hold is
left out and listed: sockets, names that layers use for whiteouts, and attributes that RAFS has no room for.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.access.backend import NoSuchFile
from rafsight.access.folder_content import GONE, Blame, FolderContent
from rafsight.base.limits import Limits
from rafsight.formats import tar_layout
from rafsight.formats.tables import Xattr
from rafsight.formats.tar import Member, MemberKind, encode_device

_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_WHITEOUT: Final = b".wh."
_ATTRIBUTE_FAMILIES: Final = (b"user.", b"trusted.", b"security.")
_ATTRIBUTES: Final = (b"system.posix_acl_access", b"system.posix_acl_default")
_NO_ATTRIBUTES: Final = (errno.ENOTSUP, errno.EOPNOTSUPP)
_REFUSED: Final = (errno.EACCES, errno.EPERM)
_KINDS: Final = {
    stat.S_IFREG: MemberKind.FILE,
    stat.S_IFDIR: MemberKind.DIRECTORY,
    stat.S_IFLNK: MemberKind.SYMLINK,
    stat.S_IFCHR: MemberKind.CHAR,
    stat.S_IFBLK: MemberKind.BLOCK,
    stat.S_IFIFO: MemberKind.FIFO,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something of a folder that is not given as a member, or not wholly."""

    path: bytes
    """Relative to the folder."""
    why: str


def read_folder(
    folder: Path,
    *,
    exclude: Sequence[bytes] = (),
    left_out: list[LeftOut] | None = None,
    limits: Limits | None = None,
) -> Iterator[Member]:
    """Give a folder as the members of a tar.

    Args:
        folder: where it is; only this may be a link.
        exclude: paths relative to it; these and all below them are left out silently.
        left_out: is added what cannot be part of an image, and why.
        limits: what to accept.
    Yields: the folder itself under the empty name, then what it holds. A member's content may be read until the next
        member is asked for. Of the names of one file the first is the file, the others are hard links to it.
    Raises: NoSuchFile: it does not exist; UnreadableSource, SourceChanged.
    Cost: some system calls an entry. Memory: the names of the folders on the way, and of files with several names.
    """
    walk = _Walk(
        blame=Blame(folder=os.fsencode(folder)),
        excluded=frozenset(b"/".join(filter(None, path.split(b"/"))) for path in exclude),
        left_out=[] if left_out is None else left_out,
        limits=limits or Limits(),
    )
    yield from walk.members()


@dataclass(slots=True, kw_only=True)
class _Level:
    """A folder on the way to where the walk is."""

    path: bytes
    descriptor: int
    names: Iterator[bytes]


@dataclass(slots=True, kw_only=True)
class _Walk:
    """One walk through a folder."""

    blame: Blame
    excluded: frozenset[bytes]
    left_out: list[LeftOut]
    limits: Limits
    position: int = 0
    """[bytes] of the tar that these members would be."""

    def members(self) -> Iterator[Member]:
        """Go through the folder."""
        known: dict[tuple[int, int], bytes] = {}
        levels: list[_Level] = []
        try:
            levels.append(self._root())
            yield self._member(b"", os.fstat(levels[0].descriptor), levels[0].descriptor)
            while levels:
                level = levels[-1]
                name = next(level.names, None)
                if name is None:
                    os.close(levels.pop().descriptor)
                    continue
                path = level.path + b"/" + name if level.path else name
                if path in self.excluded or self._is_left_out(path, name):
                    continue
                with self.blame.told(path):
                    status = os.stat(name, dir_fd=level.descriptor, follow_symlinks=False)
                kind = stat.S_IFMT(status.st_mode)
                if kind == stat.S_IFDIR:
                    levels.append(self._enter(path, name, level, status))
                    yield self._member(path, os.fstat(levels[-1].descriptor), levels[-1].descriptor)
                elif kind == stat.S_IFREG:
                    yield from self._file(path, name, level, status, known)
                elif kind in _KINDS:
                    yield self._other(path, name, level, status)
                else:
                    self.left_out.append(LeftOut(path=path, why="no image holds sockets"))
        finally:
            for level in levels:
                os.close(level.descriptor)

    def _is_left_out(self, path: bytes, name: bytes) -> bool:
        if name.startswith(_WHITEOUT):
            why = "layers mark by such a name what they remove"
        elif len(path) > self.limits.path_size:
            why = f"its path is longer than {self.limits.path_size} bytes"
        else:
            return False
        self.left_out.append(LeftOut(path=path, why=why))
        return True

    def _root(self) -> _Level:
        try:
            descriptor = os.open(self.blame.folder, _FLAGS | os.O_DIRECTORY)
        except OSError as error:
            if error.errno not in GONE:
                raise self.blame.unreadable(b"", error) from error
            place, name = os.path.split(self.blame.folder.rstrip(b"/"))
            missing = NoSuchFile(what=f"folder {os.fsdecode(name)}", place=os.fsdecode(place) or ".")
            missing.advise("Check the path: dir:DIR names a folder of this machine.")
            raise missing from None
        return self._level(b"", descriptor)

    def _enter(self, path: bytes, name: bytes, level: _Level, status: os.stat_result) -> _Level:
        return self._level(path, self._open(path, name, level, status, os.O_DIRECTORY))

    def _level(self, path: bytes, descriptor: int) -> _Level:
        """List a folder."""
        try:
            with self.blame.told(path):
                names = sorted(map(os.fsencode, os.listdir(descriptor)))
        except BaseException:
            os.close(descriptor)
            raise
        return _Level(path=path, descriptor=descriptor, names=iter(names))

    def _open(self, path: bytes, name: bytes, level: _Level, status: os.stat_result, flags: int = 0) -> int:
        """Open what a name was seen to be, and nothing else that took its place."""
        with self.blame.told(path):
            descriptor = os.open(name, _FLAGS | os.O_NOFOLLOW | flags, dir_fd=level.descriptor)
        now = os.fstat(descriptor)
        if (now.st_dev, now.st_ino, stat.S_IFMT(now.st_mode)) != (
            status.st_dev,
            status.st_ino,
            stat.S_IFMT(status.st_mode),
        ):
            os.close(descriptor)
            raise self.blame.changed(path)
        return descriptor

    def _file(
        self, path: bytes, name: bytes, level: _Level, status: os.stat_result, known: dict[tuple[int, int], bytes]
    ) -> Iterator[Member]:
        """Give a file, or another name of one that was given."""
        identity = (status.st_dev, status.st_ino)
        if identity in known:
            yield self._member(path, status, -1, kind=MemberKind.HARDLINK, target=known[identity])
            return
        if status.st_nlink > 1:
            known[identity] = path
        descriptor = self._open(path, name, level, status)
        try:
            member = self._member(path, os.fstat(descriptor), descriptor)
            yield member
            member.content.close()
        finally:
            os.close(descriptor)

    def _other(self, path: bytes, name: bytes, level: _Level, status: os.stat_result) -> Member:
        """Give a link, a device or a pipe, none of which may be opened."""
        target = b""
        with self.blame.told(path):
            if stat.S_ISLNK(status.st_mode):
                target = os.fsencode(os.readlink(name, dir_fd=level.descriptor))
        return self._member(path, status, b"/proc/self/fd/%d/%s" % (level.descriptor, name), target=target)

    def _member(
        self,
        path: bytes,
        status: os.stat_result,
        place: int | bytes,
        *,
        kind: MemberKind | None = None,
        target: bytes = b"",
    ) -> Member:
        """Describe an entry; `place` is where its attributes are read, a descriptor or a path."""
        kind = kind or _KINDS[stat.S_IFMT(status.st_mode)]
        is_file = kind == MemberKind.FILE
        self.position += tar_layout.BLOCK
        content_offset = self.position
        content = FolderContent(
            descriptor=place if is_file and isinstance(place, int) else -1,
            status=status if is_file else None,
            path=path,
            blame=self.blame,
        )
        self.position += content.size + -content.size % tar_layout.BLOCK
        is_device = kind in (MemberKind.CHAR, MemberKind.BLOCK)
        return Member(
            name=path,
            kind=kind,
            mode=stat.S_IMODE(status.st_mode),
            uid=status.st_uid,
            gid=status.st_gid,
            mtime=status.st_mtime_ns,
            size=content.size,
            target=target,
            rdev=encode_device(os.major(status.st_rdev), os.minor(status.st_rdev)) if is_device else 0,
            xattrs=() if kind == MemberKind.HARDLINK else self._xattrs(path, place),
            content_offset=content_offset,
            segments=None,
            content=content,
        )

    def _xattrs(self, path: bytes, place: int | bytes) -> tuple[Xattr, ...]:
        """Read the extended attributes that an image can hold."""
        follow = isinstance(place, int)  # a descriptor is the file itself
        try:
            names = sorted(map(os.fsencode, os.listxattr(place, follow_symlinks=follow)))
        except OSError as error:
            if error.errno in _NO_ATTRIBUTES:
                return ()
            raise self.blame.fault(path, error) from error
        found = []
        for name in names:
            if not name.startswith(_ATTRIBUTE_FAMILIES) and name not in _ATTRIBUTES:
                self.left_out.append(LeftOut(path=path, why=f"no image holds the attribute {os.fsdecode(name)}"))
                continue
            try:
                found.append(Xattr(name=name, value=os.getxattr(place, name, follow_symlinks=follow)))
            except OSError as error:
                if error.errno not in _REFUSED:
                    raise self.blame.fault(path, error) from error
                self.left_out.append(LeftOut(path=path, why=f"its attribute {os.fsdecode(name)} may not be read"))
        return tuple(found)
