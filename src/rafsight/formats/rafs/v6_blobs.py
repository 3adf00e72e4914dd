"""The blob table and the device slots of a RAFS v6 bootstrap.

This module alone decides which file holds which part of a v6 blob (end of section 3 of the format reference).
"""

from typing import Final

import numpy as np

from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs import v6_rules as rules
from rafsight.formats.rafs.v6_volume import BLOB_TABLE, DEVICE_TABLE, Volume
from rafsight.formats.rafs.words import (
    check_blob_id,
    cipher_of,
    compressor_of,
    digester_of,
    feature_names,
    real_id,
)
from rafsight.formats.tables import BlobEntry, Cipher

MAX_CHUNK_COUNT: Final = 1 << 24
_MAX_COMPRESSED_SIZE: Final = 1 << 40
_MAX_UNCOMPRESSED_SIZE: Final = 1 << 44
DIRECT: Final = shared.TARFS | shared.EXTERNAL
"""Features of blobs without a chunk-info array."""


def read_blobs(volume: Volume, name: str) -> tuple[BlobEntry, ...]:
    """Read the blob table.

    Args:
        volume: the bootstrap.
        name: what stands for the placeholder of inlined bootstraps.
    Returns: none if the table lies outside the file and the judge goes on.
    Raises: MalformedImage, UnsupportedImage.
    """
    rows = volume.table(layout.BLOB, volume.blob_table_offset, volume.blob_count, BLOB_TABLE)
    slots = volume.table(layout.DEVICE_SLOT, layout.DEVICE_TABLE_OFFSET, volume.device_count, DEVICE_TABLE)
    mapped = [int(number) for number in slots["mapped_blkaddr"]]
    mapped += [0] * (volume.blob_count - len(mapped))
    return tuple(_read_blob(volume, index, row, mapped[index], name) for index, row in enumerate(rows))


def _read_blob(volume: Volume, index: int, row: np.void, mapped: int, name: str) -> BlobEntry:
    place = volume.blob_table_offset + index * layout.BLOB.size
    where, judge = f"{BLOB_TABLE}, row {index}", volume.judge
    features = int(row["features"])
    cipher = cipher_of(int(row["cipher"]), where, place + 216, judge)
    numbers = _check(volume, row, index, cipher)
    stored = check_blob_id(row["blob_id"].tobytes().rstrip(b"\0"), where, place, judge)
    blob_id = real_id(stored, features, name)
    is_separate = bool(features & shared.SEPARATE) and cipher is Cipher.NONE
    secret = row["meta_digest_or_key"].tobytes()
    has_meta = not features & DIRECT and numbers["meta_uncompressed_size"] > 0
    needs_meta = not features & DIRECT and numbers["chunk_count"] > 0
    needs_meta &= bool(features & (shared.BATCH | shared.ZRAN)) or not volume.has_chunk_table
    judge.holds(has_meta or not needs_meta, rules.BLOB_META_ABSENT, where, place + 128)
    return BlobEntry(
        index=index,
        blob_id=blob_id,
        data_id=blob_id,
        meta_id=_meta_id(blob_id, features, secret if is_separate else b"", name) if has_meta else "",
        compressor=compressor_of(int(row["compressor"]), where, place + 76, judge),
        digester=digester_of(int(row["digester"]), where, place + 80, judge),
        cipher=cipher,
        features=features,
        feature_names=feature_names(features),
        chunk_size=int(row["chunk_size"]),
        chunk_count=numbers["chunk_count"],
        compressed_size=numbers["compressed_size"],
        uncompressed_size=numbers["uncompressed_size"],
        meta_offset=numbers["meta_offset"],
        meta_compressed_size=numbers["meta_compressed_size"],
        meta_uncompressed_size=numbers["meta_uncompressed_size"],
        meta_compressor=compressor_of(int(row["meta_compressor"]), where, place + 108, judge),
        needs_meta=needs_meta,
        mapped_block_address=mapped,
        toc_digest=row["toc_digest"].tobytes() if row["toc_size"] else b"",
        toc_size=int(row["toc_size"]),
        meta_digest=secret if is_separate and any(secret) else b"",
        meta_size=int.from_bytes(row["meta_size_or_iv"].tobytes(), "little") if is_separate else 0,
        key=secret if cipher is not Cipher.NONE else b"",
        iv=row["meta_size_or_iv"].tobytes() + row["iv_rest"].tobytes() if cipher is not Cipher.NONE else b"",
    )


def _meta_id(blob_id: str, features: int, digest: bytes, name: str) -> str:
    """Name the file that holds the chunk-info array."""
    if not features & shared.SEPARATE:
        return blob_id
    return digest.hex() if any(digest) else name


_BOUNDED: Final = (
    ("chunk_count", MAX_CHUNK_COUNT, rules.BLOB_CHUNK_COUNT, 72),
    ("compressed_size", _MAX_COMPRESSED_SIZE, rules.BLOB_SIZE, 88),
    ("uncompressed_size", _MAX_UNCOMPRESSED_SIZE, rules.BLOB_SIZE, 96),
    ("meta_offset", _MAX_COMPRESSED_SIZE, rules.BLOB_META_OFFSET, 112),
    ("meta_compressed_size", _MAX_COMPRESSED_SIZE, rules.BLOB_META_OFFSET, 120),
)
"""Numbers of an entry, what bounds them, and [bytes] of them in the entry."""


def _check(volume: Volume, row: np.void, index: int, cipher: Cipher) -> dict[str, int]:
    """Look at what would make blob entries be misread.

    Returns: counts and sizes by their names; 0 for one that is larger than it can be.
    Raises: MalformedImage, UnsupportedImage.
    """
    judge, features = volume.judge, int(row["features"])
    place, where = volume.blob_table_offset + index * layout.BLOB.size, f"{BLOB_TABLE}, row {index}"
    unknown = features & shared.INCOMPATIBLE_FEATURES & ~shared.KNOWN_INCOMPATIBLE_FEATURES
    unknown |= features & shared.NO_EXTENDED_BLOB_TABLE
    judge.holds(not unknown, rules.BLOB_FEATURES, where, place + 84, f"{features:#x}")
    judge.holds(int(row["blob_index"]) == index, rules.BLOB_INDEX, where, place + 64, str(row["blob_index"]))
    is_external, is_tar = bool(features & shared.EXTERNAL), bool(features & shared.TARFS)
    same = is_external or int(row["chunk_size"]) == volume.chunk_size
    judge.holds(same, rules.BLOB_CHUNK_SIZE, where, place + 68, str(row["chunk_size"]))
    numbers = {"meta_uncompressed_size": int(row["meta_uncompressed_size"])}
    for name, most, rule, at in _BOUNDED:
        number = int(row[name])
        numbers[name] = number if judge.holds(number <= most, rule, where, place + at, str(number)) else 0
    end = numbers["meta_offset"] + numbers["meta_compressed_size"]
    judge.holds(end <= _MAX_COMPRESSED_SIZE, rules.BLOB_META_OFFSET, where, place + 112, str(end))
    fits = numbers["meta_compressed_size"] <= numbers["meta_uncompressed_size"]
    judge.holds(fits, rules.BLOB_META_SIZE, where, place + 120)
    judge.holds(bool(features & shared.ENCRYPTED) == (cipher is not Cipher.NONE), rules.BLOB_ENCRYPTION, where,
                place + 216)  # fmt: skip
    is_aligned = is_external or is_tar or bool(features & shared.ALIGNED)
    judge.holds(is_aligned, rules.BLOB_ALIGNMENT, where, place + 84)
    judge.holds(is_tar == volume.is_tarfs, rules.BLOB_TARFS, where, place + 84)
    return numbers
