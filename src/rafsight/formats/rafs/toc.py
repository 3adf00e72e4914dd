"""The parts of a blob that carries more than chunks: tar headers after each part, and a table of contents at the end.

This module alone decides what lies at the end of a blob (sections 5.2 to 5.4 of the format reference).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.compression import decompress
from rafsight.formats.judge import STRICT, Judge
from rafsight.formats.rafs import blob_meta_layout as layout
from rafsight.formats.rafs import blob_rules as rules
from rafsight.formats.rafs.blob_meta import MAX_RATIO
from rafsight.formats.rafs.faults import NotABootstrap
from rafsight.formats.records import Buffer
from rafsight.formats.tables import Compressor

BOOTSTRAP: Final = "image.boot"
DATA: Final = "image.blob"
META: Final = "blob.meta"
META_HEADER: Final = "blob.meta.header"
DIGESTS: Final = "blob.digest"
TOC: Final = "rafs.blob.toc"
WHERE: Final = "blob"
TAIL_SIZE: Final = layout.MAX_TOC_ENTRIES * layout.TOC_ENTRY.size + layout.TAR_HEADER_SIZE
"""[bytes] of a blob's end that tell its parts."""
_COMPRESSORS: Final = (
    (layout.TOC_PLAIN, Compressor.NONE),
    (layout.TOC_ZSTD, Compressor.ZSTD),
    (layout.TOC_LZ4_BLOCK, Compressor.LZ4_BLOCK),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a blob; sizes and offsets in bytes."""

    name: str
    offset: int
    stored_size: int
    size: int
    """After decompression. Of `image.blob` the uncompressed size of all chunks."""
    compressor: Compressor
    digest: bytes
    """SHA-256 of the uncompressed part; of `image.blob`: as stored, with its tar header. Empty without a ToC."""


def find_parts(tail: Buffer, blob_size: int, judge: Judge = STRICT, where: str = WHERE) -> tuple[Part, ...]:
    """Find the parts of a blob.

    Args:
        tail: the last TAIL_SIZE bytes of the blob, or all of it.
        blob_size: [bytes] of the whole blob.
        judge: told about sizes, ranges and compressions; where it goes on, parts that cannot be are left out.
        where: what to call the blob.
    Returns: as the ToC lists them; only the bootstrap if it is inlined without a ToC; none if the blob ends otherwise.
    Raises: MalformedImage: there is a ToC, and it is damaged.
    """
    header = _read_tar_header(tail[-layout.TAR_HEADER_SIZE :])
    if header is None:
        return ()
    name, size = header
    end = blob_size - layout.TAR_HEADER_SIZE
    if not judge.holds(size <= end, rules.PART_TOO_LARGE, where, end):
        return ()
    if name == TOC:
        return _read_toc(tail, size, blob_size, judge, where)
    if name == BOOTSTRAP:
        part = Part(name=name, offset=end - size, stored_size=size, size=size, compressor=Compressor.NONE, digest=b"")
        return (part,)
    return ()


def toc_digest(tail: Buffer, where: str = WHERE, blob_size: int = 0) -> bytes:
    """Compute the digest of the ToC at a blob's end, as the blob table has it: of its entries and their tar header.

    Args:
        tail: as of `find_parts`.
        where: what to call the blob.
        blob_size: [bytes] of the blob, to be told where its end is.

    Raises: MalformedImage: there is none.
    """
    header = _read_tar_header(tail[-layout.TAR_HEADER_SIZE :])
    if header is None or header[0] != TOC or header[1] + layout.TAR_HEADER_SIZE > len(tail):
        raise rules.TOC_ABSENT.broken(where, blob_size)
    return hashlib.sha256(tail[-header[1] - layout.TAR_HEADER_SIZE :]).digest()


def inlined_bootstrap(read: Callable[[int, int], bytes], size: int, limits: Limits) -> bytes:
    """Take the bootstrap out of a blob.

    Args:
        read: (offset, size) to exactly so many bytes of the blob.
        size: [bytes] of the blob.
        limits: what to accept.
    Raises: NotABootstrap: the blob has none. MalformedImage: it is damaged.
    Cost: two calls of `read`.
    """
    tail_size = min(size, TAIL_SIZE)
    parts = find_parts(read(size - tail_size, tail_size), size)
    part = next((part for part in parts if part.name == BOOTSTRAP), None)
    if part is None:
        raise NotABootstrap(name="the blob", what="no bootstrap is inlined in it")
    if part.size > min(limits.bootstrap_size, MAX_RATIO * part.stored_size):
        raise rules.BOOTSTRAP_ROOM.broken(WHERE, part.offset)
    content = decompress(part.compressor, read(part.offset, part.stored_size), part.size)
    if part.digest and hashlib.sha256(content).digest() != part.digest:
        raise rules.TOC_PART.broken(WHERE, part.offset, BOOTSTRAP)
    return content


def _read_toc(tail: Buffer, size: int, blob_size: int, judge: Judge, where: str) -> tuple[Part, ...]:
    end = len(tail) - layout.TAR_HEADER_SIZE
    fits = size % layout.TOC_ENTRY.size == 0 and size <= min(end, layout.MAX_TOC_ENTRIES * layout.TOC_ENTRY.size)
    if not judge.holds(fits, rules.TOC_LENGTH, where, blob_size - layout.TAR_HEADER_SIZE):
        return ()
    rows = layout.TOC_ENTRY.rows(tail, end - size, size // layout.TOC_ENTRY.size, "ToC")
    toc_offset = blob_size - layout.TAR_HEADER_SIZE - size
    parts = (_read_part(row, toc_offset, judge, where) for row in rows)
    return tuple(part for part in parts if part is not None)


def _read_part(row: np.void, toc_offset: int, judge: Judge, where: str) -> Part | None:
    name = _text(row["name"].tobytes())
    offset, stored = int(row["offset"]), int(row["compressed_size"])
    inside = judge.holds(offset + stored <= toc_offset, rules.TOC_OUTSIDE, where, toc_offset, name)
    flags = int(row["flags"]) & layout.TOC_COMPRESSION
    compressor = next((compressor for flag, compressor in _COMPRESSORS if flag == flags), None)
    known = judge.holds(compressor is not None, rules.TOC_COMPRESSION, where, toc_offset, f"{name}: {flags:#x}")
    if not (inside and known and compressor is not None):
        return None
    return Part(
        name=name,
        offset=offset,
        stored_size=stored,
        size=int(row["uncompressed_size"]),
        compressor=compressor,
        digest=row["digest"].tobytes(),
    )


def _read_tar_header(header: Buffer) -> tuple[str, int] | None:
    """Read a GNU tar header that follows its part: the part's name and size; None if these bytes are none."""
    if len(header) != layout.TAR_HEADER_SIZE:
        return None
    row = layout.TAR_HEADER.rows(header, 0, 1, "tar header")[0]
    if row["magic"].tobytes() != layout.TAR_MAGIC:
        return None
    size, checksum = _octal(row["size"].tobytes()), _octal(row["checksum"].tobytes())
    stored = row["checksum"].tobytes()
    if size is None or checksum != sum(bytes(header)) - sum(stored) + len(stored) * ord(" "):
        return None
    return _text(row["name"].tobytes()), size


def _octal(field: bytes) -> int | None:
    digits = field.strip(b" \0")
    return int(digits, 8) if digits and not digits.strip(b"01234567") else None


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("ascii", "backslashreplace")
