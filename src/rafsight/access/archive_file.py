"""An archive of this machine: its members are found once, and read by position.

This module alone decides how archives are opened and what their members are called: names are keys, never paths of
this machine; of several members with one name the last counts; links are followed within the archive only. An archive
that is compressed or comes through a pipe is written to a temporary file first, since that can be read by position.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from rafsight.access.backend import NoSuchMember, NotRegular
from rafsight.access.counting import Meter
from rafsight.access.local_files import FilePart, LocalFile, Unreadable
from rafsight.access.spool import Spool
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.limits import Limits
from rafsight.base.units import GiB, MiB
from rafsight.formats.compressed_stream import HEAD_SIZE, compression_by_head, decompressed
from rafsight.formats.oci.errors import UnsupportedFormat
from rafsight.formats.tables import MalformedImage
from rafsight.formats.tar import Member, MemberKind, find_members

_PIPE_PIECE: Final = MiB


class CompressedArchive(CallerError):
    """An archive is compressed in a way, or to a degree, that is not undone here."""

    code = "compressed-archive"
    template = "{place}: {what}"
    remedy = "Decompress it first (gzip -d, zstd -d, xz -d, bunzip2), and name the result."
    exit_status = ExitStatus.UNSUPPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of an archive is accepted."""

    spooled_size: int = 16 * GiB
    """[bytes] that a temporary file is made of."""
    member_count: int = 1 << 18
    names_size: int = 64 * MiB
    """[bytes] of all names and link targets."""


_BOUNDS: Final = Bounds()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a member lies."""

    offset: int
    size: int
    is_sparse: bool


class ArchiveFile:
    """The members of one archive. Thread-safe."""

    def __init__(
        self,
        path: Path,
        *,
        place: str,
        meter: Meter | None = None,
        limits: Limits | None = None,
        bounds: Bounds = _BOUNDS,
    ) -> None:
        """Open an archive and find its members; it stays open until `close`.

        Args:
            path: the file; a pipe is read to its end.
            place: what to call it in messages.
            meter: counts what is read.
            limits: what to accept of members.
            bounds: what to accept of the whole.
        Raises: NotFound, Unreadable, MalformedImage, CompressedArchive, NoTemporarySpace.
        Cost: a read of 4 KiB a member; a compressed one is decompressed.
        """
        self.place = place
        self._limits = limits or Limits()
        self._bounds = bounds
        self._spool: Spool | None = None
        self._places: dict[bytes, _Place] = {}
        self._links: dict[bytes, bytes] = {}
        local = LocalFile(path=path, what=f"file {path.name}", place=str(path.parent))
        self._descriptor = local.open()
        try:
            self._whole = self._open(local, meter or Meter())
            self._find()
        except BaseException:
            self.close()
            raise

    def has(self, path: str) -> bool:
        """Tell whether there is a member or a link of that name."""
        name = _clean(path.encode("utf-8", "replace"))
        return name in self._places or name in self._links

    def file(self, path: str, what: str) -> FilePart:
        """Find a member.

        Args:
            path: its name.
            what: what to call it in messages.
        Raises: NoSuchMember, UnsupportedFormat (it is stored sparse).
        """
        name: bytes | None = _clean(path.encode("utf-8", "replace"))
        for _ in range(self._limits.symlink_depth):
            if name is None:
                raise NoSuchMember(what=f"{what} within itself (a link leads out)", place=self.place)
            found = self._places.get(name)
            if found is not None:
                return self._part(found, what)
            if name not in self._links:
                raise NoSuchMember(what=what, place=self.place)
            name = _clean(self._links[name])
        raise NoSuchMember(what=f"{what} (its links lead in a circle)", place=self.place)

    def close(self) -> None:
        """Close the archive, and give the temporary file back."""
        if self._spool is not None:
            self._spool.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _part(self, found: _Place, what: str) -> FilePart:
        if found.is_sparse:
            fault = f"{what} is stored as a sparse file, which is not read from archives"
            raise UnsupportedFormat(document=self.place, what=fault)
        return FilePart(
            descriptor=self._whole.descriptor, start=found.offset, extent=found.size, what=what, place=self.place
        )

    def _open(self, local: LocalFile, meter: Meter) -> FilePart:
        """Return all of the archive, uncompressed."""
        status = os.fstat(self._descriptor)
        if stat.S_ISFIFO(status.st_mode):
            return self._spooled(self._piped(meter))
        if not stat.S_ISREG(status.st_mode):
            raise NotRegular(what=local.what, place=local.place)
        whole = FilePart(descriptor=self._descriptor, start=0, extent=status.st_size, what=local.what, place=self.place)
        if not compression_by_head(whole.read(0, min(HEAD_SIZE, whole.extent))):
            return whole
        with whole.pieces(meter) as pieces:
            return self._spooled(pieces)

    def _piped(self, meter: Meter) -> Iterator[bytes]:
        os.set_blocking(self._descriptor, True)
        try:
            while piece := os.read(self._descriptor, _PIPE_PIECE):
                meter.count(received=len(piece))
                yield piece
        except OSError as error:
            raise Unreadable(what="the pipe", place=self.place, reason=str(error.strerror)) from None

    def _spooled(self, pieces: Iterator[bytes]) -> FilePart:
        """Write an archive to a temporary file, uncompressed."""
        head = next(pieces, b"")
        compression = compression_by_head(head)
        if compression not in ("", "gzip", "zstd"):
            raise CompressedArchive(place=self.place, what=f"it is compressed with {compression}")
        spool = self._spool = Spool()
        for piece in decompressed(chain((head,), pieces), where=self.place):
            if spool.size + len(piece) > self._bounds.spooled_size:
                what = f"a temporary file for it would be larger than {self._bounds.spooled_size} bytes"
                raise CompressedArchive(place=self.place, what=what)
            spool.append(piece)
        spool.finish()
        return FilePart(descriptor=spool.descriptor, start=0, extent=spool.size, what="the archive", place=self.place)

    def _find(self) -> None:
        names = 0
        members = find_members(self._whole.read, self._whole.extent, self._limits, where=self.place)
        for count, member in enumerate(members, 1):
            names += len(member.name) + len(member.target)
            if count > self._bounds.member_count or names > self._bounds.names_size:
                what = f"more than {self._bounds.member_count} members, or {self._bounds.names_size} bytes of names"
                raise MalformedImage(where=self.place, what=what, offset=member.content_offset)
            self._keep(member)

    def _keep(self, member: Member) -> None:
        self._places.pop(member.name, None)
        self._links.pop(member.name, None)
        if member.kind == MemberKind.FILE:
            is_sparse = member.segments is not None
            self._places[member.name] = _Place(member.content_offset, member.content.size, is_sparse)
        elif member.kind == MemberKind.HARDLINK:
            self._links[member.name] = member.target
        elif member.kind == MemberKind.SYMLINK:
            is_absolute = member.target.startswith(b"/")
            folder = b"" if is_absolute else member.name.rpartition(b"/")[0]
            self._links[member.name] = folder + b"/" + member.target


def _clean(path: bytes) -> bytes | None:
    """Bring a path to the form that members' names have; None if it leads out of the archive."""
    parts: list[bytes] = []
    for part in path.split(b"/"):
        if part == b"..":
            if not parts:
                return None
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)
