"""Compressed tars of packages: unpacked once, their files then lie in a temporary file without a name.

A compressed stream cannot be entered in the middle. The temporary file goes when nobody holds a member any more.
"""

import weakref
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext

from rafsight.access.spool import Spool
from rafsight.formats.byte_stream import ByteStream
from rafsight.formats.compressed_stream import decompressed
from rafsight.formats.tables import MalformedImage
from rafsight.formats.tar import Member, MemberKind, read_members
from rafsight.formats.xz_stream import MAGIC as XZ_MAGIC
from rafsight.formats.xz_stream import unxz
from rafsight.image.changes import Content
from rafsight.verbs.repair.packages.items import MEMBER_COUNT, PIECE, TOTAL_SIZE, Item


def unpacked(pieces: Iterator[bytes], *, where: str, max_size: int = TOTAL_SIZE) -> Iterator[bytes]:
    """Decompress gzip, zstd, xz or nothing, by the first bytes.

    Raises: MalformedImage: damaged, or more than `max_size` bytes.
    """
    stream = ByteStream(pieces, where)
    if stream.peek(len(XZ_MAGIC)) != XZ_MAGIC:
        yield from decompressed(stream.rest(PIECE), where=where, max_size=max_size)
        return
    total = 0
    for piece in unxz(stream):
        total += len(piece)
        if total > max_size:
            raise stream.fault(what=f"it decompresses to more than {max_size} bytes")
        yield piece


def tar_items(pieces: Iterator[bytes], *, where: str) -> list[Item]:
    """Unpack a tar.

    Args:
        pieces: the archive, as `unpacked` gives it.
        where: what to call it in messages.
    Raises: MalformedImage; NoTemporarySpace.
    Cost: one pass; the size of the content in a temporary file.
    """
    store = _Store()
    items: list[Item] = []
    for member in read_members(pieces, where=where):
        if len(items) >= MEMBER_COUNT:
            raise MalformedImage(where=where, what=f"it has more than {MEMBER_COUNT} members", offset=0)
        if member.name:
            items.append(_tar_item(member, store, where))
    store.finish()
    return items


def _tar_item(member: Member, store: "_Store", where: str) -> Item:
    if member.segments is not None:
        raise MalformedImage(where=where, what="a sparse member", offset=member.content_offset)
    return Item(
        name=member.name,
        kind=member.kind,
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        mtime=max(0, member.mtime),
        target=member.target,
        rdev=member.rdev,
        xattrs=member.xattrs,
        content=store.take(member.content) if member.kind is MemberKind.FILE else None,
    )


class _Store:
    """Contents in a temporary file that is closed when the last of them is given up."""

    def __init__(self) -> None:
        self._spool = Spool()
        self._size = 0
        weakref.finalize(self, self._spool.close)

    def take(self, pieces: Iterable[bytes]) -> Content:
        start = self._size
        for piece in pieces:
            self._spool.append(piece)
            self._size += len(piece)
        size = self._size - start

        def opened() -> AbstractContextManager[Iterator[bytes]]:
            return nullcontext(self._pieces(start, size))

        return Content(size=size, open=opened)

    def finish(self) -> None:
        self._spool.finish()

    def _pieces(self, start: int, size: int) -> Iterator[bytes]:
        for offset in range(0, size, PIECE):
            yield bytes(self._spool.view(start + offset, min(PIECE, size - offset)))
