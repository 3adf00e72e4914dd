"""What stands in the file `labels`: a header page, then 32 bytes for each block of `data`.

The label of a block is the name of the chunk that lies there (28 bytes) and the ordinal of the block inside the chunk;
zeros: nothing lies there. A chunk is present if the label of its first block is its own, so that whatever another image
says about the same blob can never be taken for it. This module alone knows the layout and how chunks are named.
"""

import hashlib
import os
import struct
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.formats.rafs.erofs_packing import BLOCK
from rafsight.formats.records import Indexes, ragged
from rafsight.formats.tables import Octets, Offsets, TreeTables

HEADER_SIZE: Final = 4096
LABEL_SIZE: Final = 32
NAME_SIZE: Final = 28
VERSION: Final = 1
"""Part of the keys of the folders: another layout never meets this one."""

_MAGIC: Final = b"RSCHUNKS"
_HEADER: Final = struct.Struct("<8sIIIQ4qQ")
"""Magic, version, is_dirty, check of the labels, size of `data`, stamp."""
_CHECK: Final = struct.Struct("<I")
_DIGEST_SIZE: Final = 24
"""[bytes] of the digest in a name: beyond any search; the size fills the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the data file looked like when it was last known to be sound."""

    size: int
    modified: int
    """[ns] st_mtime."""
    changed: int
    """[ns] st_ctime."""
    device: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first page of `labels`."""

    is_dirty: bool
    """True while somebody writes: after a crash the labels may say more than the data."""
    data_size: int
    """[bytes] of the data file."""
    stamp: Stamp
    labels_check: int = 0
    """CRC-32 of all labels, where it is clean."""


def stamp_of(descriptor: int) -> Stamp:
    """Look at a data file."""
    state = os.fstat(descriptor)
    return Stamp(
        size=state.st_size,
        modified=state.st_mtime_ns,
        changed=state.st_ctime_ns,
        device=state.st_dev & 0x7FFF_FFFF_FFFF_FFFF,
        inode=state.st_ino,
    )


def pack_header(header: Header) -> bytes:
    """Write a header."""
    stamp = header.stamp
    body = _HEADER.pack(
        _MAGIC,
        VERSION,
        header.is_dirty,
        header.labels_check,
        header.data_size,
        stamp.size,
        stamp.modified,
        stamp.changed,
        stamp.device,
        stamp.inode,
    )
    return body + _CHECK.pack(zlib.crc32(body))


def read_header(descriptor: int) -> Header | None:
    """Read the header of a labels file; None if there is none."""
    stored = os.pread(descriptor, _HEADER.size + _CHECK.size, 0)
    if len(stored) != _HEADER.size + _CHECK.size:
        return None
    magic, version, is_dirty, labels_check, data_size, size, modified, changed, device, inode = _HEADER.unpack_from(
        stored
    )
    (check,) = _CHECK.unpack_from(stored, _HEADER.size)
    if magic != _MAGIC or version != VERSION or check != zlib.crc32(stored[: _HEADER.size]):
        return None
    stamp = Stamp(size=size, modified=modified, changed=changed, device=device, inode=inode)
    return Header(is_dirty=bool(is_dirty), data_size=data_size, stamp=stamp, labels_check=labels_check)


def labels_size(data_size: int) -> int:
    """Return how large the labels file of a data file is [bytes]."""
    return HEADER_SIZE + blocks_of(data_size) * LABEL_SIZE


def label_offset(block: int) -> int:
    """Return where the label of a block stands [bytes]."""
    return HEADER_SIZE + block * LABEL_SIZE


def blocks_of(size: int) -> int:
    """Return how many blocks some bytes take."""
    return -(-size // BLOCK)


def name_chunks(tables: TreeTables, rows: NDArray[np.int64]) -> Octets:
    """Name chunks by what they hold.

    Args:
        tables: the image.
        rows: (d,) of the chunk table, all of one blob.
    Returns: (d, 28). Chunks without a digest are named by their place, which is worth something in files of this image
        alone.
    """
    chunks = tables.chunks
    names = np.zeros((len(rows), NAME_SIZE), dtype=np.uint8)
    names[:, :_DIGEST_SIZE] = chunks.digest[rows, :_DIGEST_SIZE]
    sizes = (chunks.size[rows] & 0xFFFF_FFFF).astype("<u4")
    names[:, _DIGEST_SIZE:] = sizes.view(np.uint8).reshape(-1, 4)
    for index in np.flatnonzero(~chunks.digest[rows].any(axis=1)).tolist():
        row = rows[index]
        place = (chunks.size[row], chunks.compressed_offset[row], chunks.uncompressed_offset[row], chunks.number[row])
        words = struct.pack("<4Q", *(int(word) for word in place))
        names[index, :_DIGEST_SIZE] = np.frombuffer(hashlib.sha256(words).digest()[:_DIGEST_SIZE], np.uint8)
    return names


def labels_of(name: bytes, count: int) -> bytes:
    """Write the labels of the blocks of one chunk."""
    words = np.empty((count, 8), dtype="<u4")
    words[:, :7] = np.frombuffer(name, "<u4")
    words[:, 7] = np.arange(count)
    return words.tobytes()


def label(names: Octets, blocks: Offsets, counts: Offsets) -> tuple[Indexes, Indexes, Octets]:
    """Write the labels of all blocks of some chunks.

    Args:
        names: (d, 28).
        blocks: (d,) first blocks.
        counts: (d,) how many blocks each has.
    Returns: of each of b blocks: (b,) its chunk, (b,) its number, (b, 32) its label.
    """
    chunk, ordinal = ragged(counts)
    labels = np.empty((len(chunk), LABEL_SIZE), np.uint8)
    labels[:, :NAME_SIZE] = names[chunk]
    labels[:, NAME_SIZE:] = ordinal.astype("<u4").view(np.uint8).reshape(-1, 4)
    return chunk, blocks[chunk] + ordinal, labels


def find_present(labels: Octets, names: Octets, blocks: Offsets) -> NDArray[np.bool_]:
    """Tell which chunks have their label on their first block.

    Args:
        labels: (b, 32) of all blocks.
        names: (d, 28).
        blocks: (d,) first block of each chunk.
    """
    found = labels[blocks]
    result: NDArray[np.bool_] = (found[:, :NAME_SIZE] == names).all(axis=1) & ~found[:, NAME_SIZE:].any(axis=1)
    return result


def keep_only(labels: Octets, names: Octets, blocks: Offsets, counts: Offsets) -> Octets:
    """Return labels of which only those of some chunks are left.

    Args:
        labels: (b, 32) of all blocks.
        names: (d, 28).
        blocks: (d,) first blocks.
        counts: (d,) how many blocks each has.
    """
    own = np.zeros_like(labels)
    _, block, written = label(names, blocks, counts)
    own[block] = written
    return np.where((labels == own).all(axis=1)[:, None], labels, np.uint8(0))


def without(there: bytes, own: bytes) -> bytes:
    """Take one chunk's labels out of some labels."""
    found = np.frombuffer(there, np.uint8).reshape(-1, LABEL_SIZE)
    mine = np.frombuffer(own, np.uint8).reshape(-1, LABEL_SIZE)
    return np.where((found == mine).all(axis=1)[:, None], np.uint8(0), found).tobytes()


def is_taken(there: bytes, own: bytes) -> bool:
    """Tell whether one of some labels is that of another chunk."""
    if there == own or there.count(0) == len(there):
        return False
    found = np.frombuffer(there, np.uint8).reshape(-1, LABEL_SIZE)
    mine = np.frombuffer(own, np.uint8).reshape(-1, LABEL_SIZE)
    return bool((found.any(axis=1) & (found != mine).any(axis=1)).any())
