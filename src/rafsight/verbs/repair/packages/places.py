"""Entries of an image while packages are replaced: what is there, what comes, and paths.

This module alone decides what an entry that comes takes over from the one that was there.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Final

from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Content, Put

_DEFAULT_MODES: Final = {MemberKind.DIRECTORY: 0o755, MemberKind.SYMLINK: 0o777}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An entry that is there."""

    path: bytes
    """Canonical."""
    kind: MemberKind
    mode: int
    """Permission bits."""
    uid: int
    gid: int
    target: bytes = b""
    """Of a symlink."""
    row: int | None = None
    """Of the image's tree: whose content or children it has; None for what came."""
    content: Content | None = None
    """Of a file that came."""
    put: Put | None = None
    """What made it come, or changed it."""


def held(content: bytes) -> Content:
    """Make the content of a file out of bytes that are at hand."""

    def opened() -> AbstractContextManager[Iterator[bytes]]:
        return nullcontext(iter((content,) if content else ()))

    return Content(size=len(content), open=opened)


def whole_of(content: Content | None) -> bytes:
    """Read a content that is known to be small; nothing if there is none."""
    if content is None:
        return b""
    with content.open() as pieces:
        return b"".join(pieces)


def completed(put: Put, here: Place | None) -> Put:
    """Say what a change leaves open; times and extended attributes of what stays are the editor's to keep."""
    if put.kind is MemberKind.HARDLINK:
        return put
    if here is not None and here.kind is put.kind:
        before = here.put
        return replace(
            put,
            mtime=before.mtime if before is not None and put.mtime is None else put.mtime,
            xattrs=before.xattrs if before is not None and put.xattrs is None else put.xattrs,
            mode=here.mode if put.mode is None else put.mode,
            uid=here.uid if put.uid is None else put.uid,
            gid=here.gid if put.gid is None else put.gid,
        )
    return replace(
        put,
        mode=_DEFAULT_MODES.get(put.kind, 0o644) if put.mode is None else put.mode,
        uid=put.uid or 0,
        gid=put.gid or 0,
        mtime=put.mtime or 0,
        xattrs=put.xattrs or (),
    )


def above_of(path: bytes) -> Iterator[bytes]:
    """Yield the folders above a path, the nearest first, without the root."""
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


def components(path: bytes) -> list[bytes]:
    """Split a path into its components, last first."""
    return [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]
