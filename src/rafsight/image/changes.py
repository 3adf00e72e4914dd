"""What is to become different in an image's tree: entries that go, entries that come.

This module alone decides what a change means; `edit` does it. Those that go go first, with all below them; then those
that come, in their order. Nothing on the way is followed: paths are those of the entries themselves, links above them
already resolved (`ImageTree.lookup`).

    - An entry takes the place of whatever has its name, of a folder with all below it, too. Two keep what is there: a
      folder over a folder only gives it attributes, and a file over a file only gives it content and attributes: all
      other names of that file show them, as after `cp new old` in a container. Who wants to part one name from the
      others removes it first.
    - A hard link to a file is one more name of it; a hard link to anything else is a copy of that, as builders of
      images make one. There are none to folders.
    - Folders that no entry names are made on the way (mode 0755, owner 0, time 0). Whatever else is in the way there is
      an error.
    - Nothing else changes: folders keep their times when entries come and go.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from rafsight.formats.tables import Xattr
from rafsight.formats.tar import MemberKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Content of a file that is still to be read; it may be opened more than once."""

    size: int
    """[bytes]"""
    open: Callable[[], AbstractContextManager[Iterator[bytes]]]
    """Give the bytes in pieces of any size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """An entry that comes.

    What is None is as the entry had it that was there before, if that was of the same kind; else as defaults say.
    """

    path: bytes
    """Relative to the root, no `.`, `..` or closing slash; empty for the root itself."""
    kind: MemberKind
    """All but OTHER."""
    mode: int | None = None
    """Permission bits; by default 0755 for folders, 0777 for symlinks, 0644 for others."""
    uid: int | None = None
    gid: int | None = None
    """By default 0, as `uid`."""
    mtime: int | None = None
    """[ns] since 1970; by default 0."""
    xattrs: tuple[Xattr, ...] | None = None
    """By default none."""
    target: bytes = b""
    """A symlink's text; of a hard link the path of another entry, once the changes before this one are made."""
    rdev: int = 0
    """Linux encoding."""
    content: Content | None = None
    """Of a regular file; None: it is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All that becomes different."""

    removed: tuple[bytes, ...] = ()
    """Paths of entries that are there; one below another one is removed with it."""
    puts: tuple[Put, ...] = ()
