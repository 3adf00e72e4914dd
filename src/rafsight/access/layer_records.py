"""What packing a layer gave, as a file: its members in their order, then where their content lies.

Members are read back one by one, so that a conversion keeps none of them in memory; a record that is whole, as its last
four bytes tell, is all that is needed, beside the blob, to go on with a conversion that was interrupted. This module
alone knows the form: records are private to this machine and to one version of rafsight, and whatever is wrong with one
makes it no record.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from rafsight.formats.tables import BlobEntry, ChunkTable, Cipher, Compressor, Digester, Xattr
from rafsight.formats.tar import Member, MemberKind
from rafsight.image.compose import FileChunks, PackedLayer

_MAGIC: Final = b"rafsight layer 2\n"
_SIZE: Final = struct.Struct("<I")
_PIECE: Final = 1 << 20
"""[bytes] read at a time."""
_NANOSECONDS: Final = 1_000_000_000
_FILES: Final = ("offset", "start", "count", "reference")


@dataclass(slots=True, kw_only=True)
class StoredContent:
    """Content of a member that was packed: only its size is left."""

    size: int
    """[bytes]"""

    def __iter__(self) -> Iterator[bytes]:
        """There is nothing to read."""
        return iter(())

    def read(self, max_size: int) -> bytes:
        """There is nothing to read."""
        del max_size
        return b""

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSummary:
    """What a conversion has to know of a packed layer, beside the layer."""

    blob_digest: str
    """`sha256:HEX`; empty: the layer has no blob."""
    blob_size: int
    """[bytes]"""
    meta: bytes
    """The chunk-info array as bootstrap layers bundle it; empty: none."""
    content_size: int
    """[bytes] of files, before chunks were shared."""
    reference: str = ""
    """Digest of the layer that the chunks lie in; empty: they lie in the blob."""
    left_out: tuple[tuple[str, int], ...] = ()
    """What RAFS cannot hold, and how often it was met."""


class RecordWriter:
    """Writes a record."""

    def __init__(self, file: IO[bytes]) -> None:
        """Begin a file."""
        import msgspec

        self._file = file
        self._encode = msgspec.msgpack.Encoder().encode
        self._sum = 0
        self._write(_MAGIC)

    def add(self, member: Member) -> None:
        """Write one member."""
        self._put(
            (
                member.name,
                member.kind.value,
                member.mode,
                member.uid,
                member.gid,
                *divmod(member.mtime, _NANOSECONDS),
                member.size,
                member.target,
                member.rdev,
                [(one.name, one.value) for one in member.xattrs],
                member.content_offset,
            )
        )

    def finish(self, files: FileChunks, entry: BlobEntry, chunks: ChunkTable, summary: LayerSummary) -> None:
        """Write what is known at the end."""
        self._write(_SIZE.pack(0))
        self._put(
            {
                "files": [getattr(files, name).astype("<i8").tobytes() for name in _FILES],
                "entry": asdict(entry),
                "chunks": {name: getattr(chunks, name).tobytes() for name in ChunkTable.__dataclass_fields__},
                "summary": asdict(summary),
            }
        )
        self._write(_SIZE.pack(self._sum))

    def _put(self, value: object) -> None:
        content = self._encode(value)
        self._write(_SIZE.pack(len(content)))
        self._write(content)

    def _write(self, content: bytes) -> None:
        self._sum = zlib.crc32(content, self._sum)
        self._file.write(content)


def read_record(path: Path) -> tuple[PackedLayer, LayerSummary] | None:
    """Read a record; None if the file is none, or not whole.

    Returns: the layer, whose members are read from the file each time that they are asked for.
    """
    import msgspec

    try:
        with path.open("rb") as file:
            if not _is_whole(file):
                return None
            while size := _read_size(file):
                file.seek(size, os.SEEK_CUR)
            return _parse_end(path, msgspec.msgpack.decode(file.read(_read_size(file))))
    except (OSError, EOFError, ValueError, KeyError, TypeError, struct.error, msgspec.MsgspecError):
        return None


def _is_whole(file: IO[bytes]) -> bool:
    """Tell whether a file is a record as it was written; leave it at the first member."""
    left, total = os.fstat(file.fileno()).st_size - _SIZE.size, 0
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        total = zlib.crc32(piece, total)
        left -= len(piece)
    if left or file.read() != _SIZE.pack(total):
        return False
    file.seek(0)
    return file.read(len(_MAGIC)) == _MAGIC


class _RecordedMembers:
    """The members of a record, from the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[Member]:
        import msgspec

        decode = msgspec.msgpack.Decoder().decode
        with self._path.open("rb") as file:
            file.seek(len(_MAGIC))
            while size := _read_size(file):
                yield _member(decode(file.read(size)))


def _read_size(file: IO[bytes]) -> int:
    size: int = _SIZE.unpack(file.read(_SIZE.size))[0]
    return size


def _member(fields: Any) -> Member:
    name, kind, mode, uid, gid, seconds, fraction, size, target, rdev, xattrs, offset = fields
    return Member(
        name=name,
        kind=MemberKind(kind),
        mode=mode,
        uid=uid,
        gid=gid,
        mtime=seconds * _NANOSECONDS + fraction,
        size=size,
        target=target,
        rdev=rdev,
        xattrs=tuple(Xattr(name=key, value=value) for key, value in xattrs),
        content_offset=offset,
        segments=None,
        content=StoredContent(size=size),
    )


def _parse_end(path: Path, end: Any) -> tuple[PackedLayer, LayerSummary]:
    columns = [np.frombuffer(column, "<i8").astype(np.int64) for column in end["files"]]
    entry = dict(end["entry"])
    for name, kind in (
        ("compressor", Compressor),
        ("meta_compressor", Compressor),
        ("digester", Digester),
        ("cipher", Cipher),
    ):
        entry[name] = kind(entry[name])
    entry["feature_names"] = tuple(entry["feature_names"])
    count = len(end["chunks"]["size"]) // 8
    chunks = {name: np.frombuffer(end["chunks"][name], dtype) for name, dtype in _DTYPES.items()}
    chunks["digest"] = chunks["digest"].reshape(count, 32)
    summary = dict(end["summary"])
    summary["left_out"] = tuple((what, times) for what, times in summary["left_out"])
    layer = PackedLayer(
        members=_RecordedMembers(path),
        files=FileChunks(**dict(zip(_FILES, columns, strict=True))),
        entry=BlobEntry(**entry),
        chunks=ChunkTable(**chunks),
    )
    return layer, LayerSummary(**summary)


_DTYPES: Final[dict[str, Any]] = {
    "blob_index": np.int32,
    "number": np.uint32,
    "digest": np.uint8,
    "crc32": np.uint32,
    "flags": np.uint32,
    "size": np.int64,
    "compressed_size": np.int64,
    "compressed_offset": np.int64,
    "uncompressed_offset": np.int64,
}
