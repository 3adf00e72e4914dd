"""Where the chunks of an image lie, and from the stored bytes of a unit to its content.

This module alone decides what can be read at all, and in which order units are decrypted and decompressed. Most blobs
tell by the bootstrap alone where their chunks are; batches and zran slices only by the blob's chunk-info array, so that
their chunks are placed once somebody has fetched it.
"""

from collections.abc import Mapping

import numpy as np

from rafsight.base.errors import Defect, ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.checksum import digest as compute_digest
from rafsight.formats.cipher import decrypt_unit
from rafsight.formats.compression import Decoder
from rafsight.formats.judge import STRICT, Judge
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.blob_meta import read_blob_meta
from rafsight.formats.rafs.faults import UnsupportedImage
from rafsight.formats.rafs.units import join, place_by_meta, place_directly
from rafsight.formats.rafs.zran import decode_slice
from rafsight.formats.records import Buffer, Indexes
from rafsight.formats.tables import (
    BlobEntry,
    Cipher,
    Digester,
    MalformedImage,
    Placement,
    Rows,
    TreeTables,
    UnitForm,
)


def place_chunks(tables: TreeTables, metas: Mapping[int, Buffer], limits: Limits, judge: Judge = STRICT) -> Placement:
    """Find the units of all chunks whose place is known.

    Args:
        tables: the image.
        metas: expanded chunk-info arrays by blob index: what `blob_meta.expand` returned, or the whole file
            `<hex>.blob.meta` of a bootstrap layer. Only those of blobs with `needs_meta` are looked at.
        limits: what to accept.
        judge: told about places that cannot be; where it goes on, chunks without a possible place have none.
    Returns: a chunk's unit is -1 if its blob needs an array that is not given, or keeps its data where no registry has
        them (`require_placed` tells which).
    Raises: MalformedImage: a chunk's place cannot be.
    Cost: linear in the chunks, by columns.
    """
    chunks, blobs = tables.chunks, tables.blobs
    direct = np.array([not (blob.needs_meta or _is_foreign(blob)) for blob in blobs], np.bool_)
    rows: Indexes = np.flatnonzero(direct[chunks.blob_index]) if blobs else np.empty(0, np.intp)
    placed = [place_directly(chunks, rows, blobs, limits, judge)]
    dictionaries: list[bytes | memoryview] = [b""] * len(blobs)
    for blob in blobs:
        if blob.needs_meta and blob.index in metas:
            with judge.part(f"chunk-info array of blob {blob.index}"):
                meta = read_blob_meta(metas[blob.index], blob, judge)
                dictionaries[blob.index] = meta.dictionaries
                mine = np.flatnonzero(chunks.blob_index == blob.index)
                placed += place_by_meta(chunks, mine, blob, meta, limits, judge=judge)
    unit_index = np.full(len(chunks.size), -1, np.int64)
    unit_offset = np.zeros(len(chunks.size), np.int64)
    first = 0
    for part in placed:
        unit_index[part.rows] = first + part.unit
        unit_offset[part.rows] = part.unit_offset
        first += len(part.units.offset)
    return Placement(
        unit_index=unit_index,
        unit_offset=unit_offset,
        units=join([part.units for part in placed]),
        dictionaries=tuple(dictionaries),
    )


def require_placed(tables: TreeTables, placement: Placement, chunks: Rows | Indexes) -> None:
    """Make sure that some chunks can be read.

    Args:
        tables: the image.
        placement: what `place_chunks` found.
        chunks: (c,) rows of the chunk table.
    Raises: UnsupportedImage: a chunk lies in an external blob. Defect: nobody fetched the chunk-info array of its blob.
    """
    missing = np.flatnonzero(placement.unit_index[chunks] < 0)
    if not missing.size:
        return
    blob = tables.blobs[int(tables.chunks.blob_index[chunks[missing[0]]])]
    if _is_foreign(blob):
        raise UnsupportedImage(where=f"blob {blob.blob_id}", what="data in an external backend")
    raise Defect(what=f"the chunk-info array of blob {blob.blob_id} was not fetched")


def _is_foreign(blob: BlobEntry) -> bool:
    return bool(blob.features & shared.EXTERNAL)


def decode_unit(placement: Placement, unit: int, stored: Buffer, blob: BlobEntry, decoder: Decoder) -> bytes:
    """Turn the stored bytes of one unit into its content.

    Args:
        placement: what `place_chunks` found.
        unit: row of `placement.units`; its sizes were bounded there.
        stored: `stored_size` bytes from `offset` of the unit's data file.
        blob: the unit's.
        decoder: this thread's.
    Returns: `decoded_size` bytes. A chunk is `size` bytes of them from its `unit_offset` on, not yet verified.
    Raises: MalformedImage: the bytes are damaged. UnsupportedImage: the blob's data lie elsewhere. Defect: the unit is
        a range of a stream.
    """
    units = placement.units
    form, size = UnitForm(int(units.form[unit])), int(units.decoded_size[unit])
    if _is_foreign(blob):
        raise UnsupportedImage(where=f"blob {blob.blob_id}", what="data in an external backend")
    if len(stored) != int(units.stored_size[unit]):
        what = f"has {len(stored)} of {int(units.stored_size[unit])} bytes"
        raise MalformedImage(where=f"chunk data of blob {blob.blob_id}", what=what, offset=int(units.offset[unit]))
    is_encrypted = blob.cipher is not Cipher.NONE
    if is_encrypted:
        stored = decrypt_unit(stored, blob.key, blob.iv)
    if form is UnitForm.ZRAN:
        start = int(units.dictionary_offset[unit])
        dictionary = placement.dictionaries[blob.index][start : start + int(units.dictionary_size[unit])]
        return decode_slice(stored, size, dictionary, int(units.bits[unit]))
    if form is UnitForm.STREAM:
        raise Defect(what="a range of a stream was to be decoded by itself")
    if form is UnitForm.PLAIN or (is_encrypted and len(stored) == size):
        if len(stored) != size:
            what = f"has {len(stored)} bytes, and the image promises {size}"
            raise MalformedImage(where=f"chunk data of blob {blob.blob_id}", what=what, offset=int(units.offset[unit]))
        return bytes(stored)
    return decoder.decompress(blob.compressor, stored, size)


def decode_units(
    placement: Placement, units: Indexes, stored: memoryview, *, start: int, blob: BlobEntry, decoder: Decoder
) -> list[Buffer | ImageFault]:
    """Turn the stored bytes of many units of one blob into their contents; small ones at once.

    Args:
        placement: what `place_chunks` found.
        units: (u,) rows of `placement.units`.
        stored: bytes of the units' data file that hold all of them.
        start: [bytes] where these begin in that file.
        blob: the units'.
        decoder: this thread's.
    Returns: contents as `decode_unit` returns them, or what it would raise.
    """
    table = placement.units
    starts, sizes = table.offset[units] - start, table.stored_size[units]
    is_plain_way = blob.cipher is Cipher.NONE and not _is_foreign(blob)
    if is_plain_way and bool(
        (table.form[units] == UnitForm.COMPRESSED).all() and (starts + sizes <= len(stored)).all()
    ):
        expected = table.decoded_size[units]
        found = decoder.decompress_many(blob.compressor, stored, starts.tolist(), sizes.tolist(), expected)
        if found is not None:
            return list(found)
    result: list[Buffer | ImageFault] = []
    for unit, at, size in zip(units.tolist(), starts.tolist(), sizes.tolist(), strict=True):
        try:
            result.append(decode_unit(placement, unit, stored[at : at + size], blob, decoder))
        except ImageFault as error:
            result.append(error)
    return result


def verify_chunk(content: Buffer, digest: bytes, digester: Digester) -> bool:
    """Compare the content of a chunk with its digest.

    Args:
        content: the chunk.
        digest: 32 bytes of the chunk table.
        digester: of the chunk's blob.
    Returns: False if it is another chunk. True also for a digest of zeros (tarfs, external blobs): the format has none
        there, nothing was verified, and whoever reports has to say so.
    """
    return compute_digest(digester, content) == digest if any(digest) else True
