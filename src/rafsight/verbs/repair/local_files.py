"""Files of this machine that shall come into an image.

This module alone decides what may come: regular files, folders with all below them, and symbolic links in folders,
which stay links. A file that was named itself may be a link to one.
"""

import errno
import os
import stat as st
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.units import MiB
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Content

_PIECE: Final = MiB
_KINDS: Final = {
    st.S_IFREG: MemberKind.FILE,
    st.S_IFDIR: MemberKind.DIRECTORY,
    st.S_IFLNK: MemberKind.SYMLINK,
}


class UnusableLocalFile(CallerError):
    """A file of this machine cannot come into an image."""

    code = "unusable-local-file"
    template = "{file} cannot come into the image: {why}"
    remedy = "Name a file that is there and that you may read; folders come by --add."
    exit_status = ExitStatus.NOT_FOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEntry:
    """A file, a folder or a link of this machine."""

    path: Path
    """On this machine."""
    below: bytes
    """Path relative to what was named; empty for that itself."""
    kind: MemberKind
    mode: int
    """Permission bits."""
    mtime: int
    """[ns] since 1970."""
    size: int
    """[bytes] of a file."""
    target: bytes = b""

    @property
    def content(self) -> Content | None:
        """What is in a file."""
        return local_content(self.path, self.size) if self.kind == MemberKind.FILE else None


def local_entry(path: Path) -> LocalEntry:
    """Look at what was named; a link is followed.

    Raises: UnusableLocalFile.
    """
    return _entry(path, b"", follow=True)


def local_entries(path: Path) -> Iterator[LocalEntry]:
    """Yield what was named and, of a folder, all below it, folders before what they hold, ordered by name.

    Raises: UnusableLocalFile.
    """
    pending = [local_entry(path)]
    while pending:
        here = pending.pop()
        yield here
        if here.kind == MemberKind.DIRECTORY:
            start = here.below + b"/" if here.below else b""
            pending += [_entry(one, start + os.fsencode(one.name), follow=False) for one in _inside(here.path)]


def local_content(path: Path, size: int) -> Content:
    """Make content of a file; it has to stay as large as it is.

    Args:
        path: of the file.
        size: [bytes] of it.
    """

    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        try:
            file = path.open("rb", buffering=0)
        except OSError as error:
            raise _refused(path, error) from error
        with file:
            yield pieces(file.fileno())

    def pieces(descriptor: int) -> Iterator[bytes]:
        left = size
        while left:
            try:
                piece = os.read(descriptor, min(left, _PIECE))
            except OSError as error:
                raise _refused(path, error) from error
            if not piece:
                raise UnusableLocalFile(file=str(path), why="it became shorter while it was read")
            left -= len(piece)
            yield piece
        if os.fstat(descriptor).st_size != size:
            raise UnusableLocalFile(file=str(path), why="it became longer while it was read")

    return Content(size=size, open=opened)


def _entry(path: Path, below: bytes, *, follow: bool) -> LocalEntry:
    try:
        found = path.stat(follow_symlinks=follow)
        kind = _KINDS.get(st.S_IFMT(found.st_mode))
        target = os.fsencode(os.readlink(path)) if kind == MemberKind.SYMLINK else b""  # noqa: PTH115 - Path tidies the text
        if kind == MemberKind.FILE and not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _refused(path, error) from error
    except ValueError as error:
        raise UnusableLocalFile(file=str(path), why="its name is none") from error
    if kind is None:
        raise UnusableLocalFile(file=str(path), why="it is neither a file nor a folder nor a link")
    return LocalEntry(
        path=path,
        below=below,
        kind=kind,
        mode=st.S_IMODE(found.st_mode),
        mtime=found.st_mtime_ns,
        size=found.st_size if kind == MemberKind.FILE else 0,
        target=target,
    )


def _inside(path: Path) -> list[Path]:
    """Return what is in a folder, the last by name first."""
    try:
        return sorted(path.iterdir(), key=lambda one: os.fsencode(one.name), reverse=True)
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> UnusableLocalFile:
    return UnusableLocalFile(file=str(path), why=error.strerror or os.strerror(error.errno or 0))
