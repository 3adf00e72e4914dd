"""The blob table and the device slots of a RAFS v6 bootstrap.

This module alone decides which file holds which part of a v6 blob (end of section 3 of the format reference).
"""

from typing import Final

import numpy as np

from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs.faults import UnsupportedImage
from rafsight.formats.rafs.v6_volume import Volume
from rafsight.formats.rafs.words import (
    check_blob_id,
    cipher_of,
    compressor_of,
    digester_of,
    feature_names,
    real_id,
)
from rafsight.formats.tables import BlobEntry, Cipher, MalformedImage

WHERE: Final = "v6 blob table"
_MAX_COMPRESSED_SIZE: Final = 1 << 40
_MAX_UNCOMPRESSED_SIZE: Final = 1 << 44
_DIRECT: Final = shared.TARFS | shared.EXTERNAL
"""Blobs without a chunk-info array."""


def read_blobs(volume: Volume, name: str) -> tuple[BlobEntry, ...]:
    """Read the blob table.

    Args:
        volume: the bootstrap.
        name: what stands for the placeholder of inlined bootstraps.
    Raises: MalformedImage, UnsupportedImage.
    """
    rows = layout.BLOB.rows(volume.content, volume.blob_table_offset, volume.blob_count, WHERE)
    slots = layout.DEVICE_SLOT.rows(volume.content, layout.DEVICE_TABLE_OFFSET, volume.device_count, "v6 device table")
    mapped = [int(number) for number in slots["mapped_blkaddr"]]
    mapped += [0] * (volume.blob_count - len(mapped))
    return tuple(_read_blob(volume, index, row, mapped[index], name) for index, row in enumerate(rows))


def _read_blob(volume: Volume, index: int, row: np.void, mapped: int, name: str) -> BlobEntry:
    place = volume.blob_table_offset + index * layout.BLOB.size
    where = f"{WHERE}, row {index}"
    features = int(row["features"])
    cipher = cipher_of(int(row["cipher"]), where)
    _check(volume, row, index, place, cipher)
    stored = check_blob_id(row["blob_id"].tobytes().rstrip(b"\0"), where, place)
    blob_id = real_id(stored, features, name)
    is_separate = bool(features & shared.SEPARATE) and cipher is Cipher.NONE
    secret = row["meta_digest_or_key"].tobytes()
    has_meta = not features & _DIRECT and int(row["meta_uncompressed_size"]) > 0
    needs_meta = not features & _DIRECT and int(row["chunk_count"]) > 0
    needs_meta &= bool(features & (shared.BATCH | shared.ZRAN)) or not volume.chunk_table_count
    if needs_meta and not has_meta:
        raise MalformedImage(where=where, what="has chunks, and no chunk-info array", offset=place)
    return BlobEntry(
        index=index,
        blob_id=blob_id,
        data_id=blob_id,
        meta_id=_meta_id(blob_id, features, secret, name) if has_meta else "",
        compressor=compressor_of(int(row["compressor"]), where),
        digester=digester_of(int(row["digester"]), where),
        cipher=cipher,
        features=features,
        feature_names=feature_names(features),
        chunk_size=int(row["chunk_size"]),
        chunk_count=int(row["chunk_count"]),
        compressed_size=int(row["compressed_size"]),
        uncompressed_size=int(row["uncompressed_size"]),
        meta_offset=int(row["meta_offset"]),
        meta_compressed_size=int(row["meta_compressed_size"]),
        meta_uncompressed_size=int(row["meta_uncompressed_size"]),
        meta_compressor=compressor_of(int(row["meta_compressor"]), where),
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


def _check(volume: Volume, row: np.void, index: int, place: int, cipher: Cipher) -> None:
    """Refuse blob entries that would be misread.

    Raises: MalformedImage, UnsupportedImage.
    """
    where, features = f"{WHERE}, row {index}", int(row["features"])
    unknown = features & shared.INCOMPATIBLE_FEATURES & ~shared.KNOWN_INCOMPATIBLE_FEATURES
    if unknown or features & shared.NO_EXTENDED_BLOB_TABLE:
        raise UnsupportedImage(where=where, what=f"feature word {features:#x}")
    checks = (
        (int(row["blob_index"]) == index, f"says that it is blob {row['blob_index']}"),
        (bool(features & shared.EXTERNAL) or int(row["chunk_size"]) == volume.chunk_size, "has another chunk size"),
        (int(row["chunk_count"]) <= 1 << 24, "has too many chunks"),
        (int(row["compressed_size"]) <= _MAX_COMPRESSED_SIZE, "is too large"),
        (int(row["uncompressed_size"]) <= _MAX_UNCOMPRESSED_SIZE, "is too large"),
        (int(row["meta_offset"]) + int(row["meta_compressed_size"]) <= _MAX_COMPRESSED_SIZE, "has its table too far"),
        (int(row["meta_compressed_size"]) <= int(row["meta_uncompressed_size"]), "has a table larger than unpacked"),
        (
            bool(features & shared.ENCRYPTED) == (cipher is not Cipher.NONE),
            "is encrypted and has no cipher, or has one",
        ),
        (bool(features & _DIRECT) or bool(features & shared.ALIGNED), "is not aligned"),
        (bool(features & shared.TARFS) == volume.is_tarfs, "is a tar in an image of none, or none in one"),
    )
    for holds, what in checks:
        if not holds:
            raise MalformedImage(where=where, what=what, offset=place)
