"""Which chunks have the same content, as far as bootstraps tell.

This module alone decides that: chunks with digests are the same if algorithm, digest and size are; chunks without
(tarfs, external blobs, tar members) if they are the same place of the same blob. Unequal chunks may still have equal
content: `can_differ` tells where that is out of the question.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from rafsight.formats.records import Bools, Indexes, Long
from rafsight.formats.tables import Rows, TreeTables

_BARE: Final = np.uint64(1 << 63)
"""Marks the key of a chunk that has no digest."""
_SIZE_SHIFT: Final = np.uint64(8)
_BLOB_SHIFT: Final = np.uint64(48)
_WORDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkIdentity:
    """What is known about the content of an image's chunks; m rows, those of the chunk table."""

    content: Indexes
    """(m,) equal numbers mean equal content, also between images that were identified together."""
    has_digest: Bools
    digester: Rows
    """(m,) the algorithm, a `Digester`."""


class Obstacle(StrEnum):
    """Why equal content of two images cannot be found, or not all of it."""

    NONE = ""
    NO_DIGESTS = "no digests"
    """All chunks of one image are without: only places in common blobs can be compared."""
    ALGORITHM = "algorithm"
    """The digests of one image are of other algorithms than those of the other."""
    CHUNK_SIZE = "chunk size"
    """Content is cut at other places; only what is smaller than a chunk of both can be found."""


def knows_content(tables: TreeTables) -> bool:
    """Tell whether equal content can be found at all: a chunk has a digest, or there is none. Cost: one pass."""
    digests = tables.chunks.digest
    return not len(digests) or bool(digests.any())


def find_obstacle(
    images: Sequence[TreeTables], identities: Sequence[ChunkIdentity], used: Sequence[Indexes]
) -> Obstacle:
    """Say why the chunks of two images cannot be compared.

    Args:
        images: two images.
        identities: of their chunks, identified together.
        used: the chunks of each that matter.
    """
    if not all(map(len, used)):
        return Obstacle.NONE
    known = [rows[identity.has_digest[rows]] for identity, rows in zip(identities, used, strict=True)]
    if not all(map(len, known)):
        return Obstacle.NO_DIGESTS
    left, right = (identity.digester[rows] for identity, rows in zip(identities, known, strict=True))
    if not np.isin(left, right).any():
        return Obstacle.ALGORITHM
    return Obstacle.CHUNK_SIZE if len({one.superblock.chunk_size for one in images}) > 1 else Obstacle.NONE


def identify_chunks(images: Sequence[TreeTables]) -> tuple[ChunkIdentity, ...]:
    """Number the contents of the chunks of some images.

    Cost: no I/O. One sort of all chunks.
    """
    blob_ids: dict[str, int] = {}
    keys = [_keys(tables, blob_ids) for tables in images]
    numbers = _number(np.concatenate([words for words, _, _ in keys]))
    ends = np.cumsum([len(words) for words, _, _ in keys])
    parts = np.split(numbers, ends[:-1])
    return tuple(
        ChunkIdentity(content=part, has_digest=has_digest, digester=digester)
        for part, (_, has_digest, digester) in zip(parts, keys, strict=True)
    )


def _keys(tables: TreeTables, blob_ids: dict[str, int]) -> tuple[Long, Bools, Rows]:
    """Make (m, 5) words that say all about the content of each chunk."""
    chunks = tables.chunks
    digester = np.array([blob.digester for blob in tables.blobs], dtype=np.int32)[chunks.blob_index]
    words = np.empty((len(chunks.size), _WORDS), dtype=np.uint64)
    words[:, :4] = np.ascontiguousarray(chunks.digest).view(np.uint64)
    words[:, 4] = chunks.size.astype(np.uint64) << _SIZE_SHIFT | digester.astype(np.uint64)
    has_digest = np.asarray(words[:, :4].any(axis=1))
    bare = np.flatnonzero(~has_digest)
    if bare.size:
        numbers = np.array([blob_ids.setdefault(blob.blob_id, len(blob_ids)) for blob in tables.blobs], dtype=np.uint64)
        blob = numbers[chunks.blob_index[bare]]
        # the first word spreads best if it has all of the place; the others make sure
        words[bare, 0] = chunks.uncompressed_offset[bare].astype(np.uint64) ^ (blob << _BLOB_SHIFT)
        words[bare, 1] = chunks.compressed_offset[bare].astype(np.uint64)
        words[bare, 2] = blob
        words[bare, 4] = words[bare, 4] >> _SIZE_SHIFT << _SIZE_SHIFT | _BARE  # no digest, no algorithm
    return words, has_digest, digester


def _number(words: Long) -> Indexes:
    """Give equal rows equal numbers."""
    order = np.argsort(words[:, 0])
    lead = words[order, 0]
    alike = lead[1:] == lead[:-1]
    same: Bools = (words[order[1:]] == words[order[:-1]]).all(axis=1)
    if bool((alike & ~same).any()):  # the first eight bytes do not tell all apart
        order = np.lexsort(words.T[::-1])
        same = (words[order[1:]] == words[order[:-1]]).all(axis=1)
    numbers = np.empty(len(words), dtype=np.intp)
    numbers[order[:1]] = 0
    numbers[order[1:]] = np.cumsum(~same)
    return numbers


def can_differ(left: ChunkIdentity, right: ChunkIdentity, left_rows: Indexes, right_rows: Indexes) -> Bools:
    """Tell for which pairs of chunks another number means another content: both have digests of one algorithm.

    Args:
        left: of one image.
        right: of another one, identified together with it.
        left_rows: (p,) chunk rows.
        right_rows: (p,) chunk rows.
    """
    same_algorithm: Bools = left.digester[left_rows] == right.digester[right_rows]
    return left.has_digest[left_rows] & right.has_digest[right_rows] & same_algorithm
