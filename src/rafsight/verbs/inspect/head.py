"""What the head of a bootstrap says: superblock and blob table.

This module asks for nothing but `image.head`: no inode is read for it.
"""

from typing import Final

from rafsight.access.session import Image
from rafsight.formats.oci.media_types import compression_of
from rafsight.formats.rafs.blob_sizes import data_size_at_most, has_chunks
from rafsight.formats.tables import BlobEntry, Superblock
from rafsight.reports.inspection.metadata import BlobFacts, BlobList, Stats, SuperblockFacts, TablePlace

_PREFETCH_ENTRY_SIZE: Final = 4
_ELSEWHERE: Final = frozenset({"SEPARATE", "EXTERNAL"})
"""Features of blobs whose data lie in a file of another name."""


def read_stats(image: Image) -> Stats:
    """Read the numbers of the superblock that say how large an image is, and where its tables lie."""
    superblock = image.head.superblock
    fields, is_stored = dict(superblock.fields), superblock.chunk_size > 0
    return Stats(
        format=superblock.format,
        version=superblock.version if is_stored else None,
        inode_count=superblock.inode_count,
        chunk_size=superblock.chunk_size if is_stored else None,
        root_ino=superblock.root_ino,
        flag_names=superblock.flag_names if is_stored else None,
        blob_table=_table(fields, "blob_table", fields.get("blob_table_size")),
        prefetch_table=_table(fields, "prefetch_table", _prefetch_size(superblock)),
        prefetch_count=_prefetch_size(superblock) // _PREFETCH_ENTRY_SIZE,
        chunk_table=_table(fields, "chunk_table", fields.get("chunk_table_size")),
    )


def read_superblock(image: Image) -> SuperblockFacts:
    """Read every number of the superblock."""
    superblock = image.head.superblock
    is_stored = superblock.chunk_size > 0  # layers have no superblock
    return SuperblockFacts(
        format=superblock.format,
        version=superblock.version if is_stored else None,
        chunk_size=superblock.chunk_size if is_stored else None,
        flags=superblock.flags if is_stored else None,
        flag_names=superblock.flag_names if is_stored else None,
        inode_count=superblock.inode_count,
        root_ino=superblock.root_ino,
        blob_count=len(image.head.blobs),
        prefetch_count=_prefetch_size(superblock) // _PREFETCH_ENTRY_SIZE if is_stored else None,
        fields=superblock.fields,
        texts=superblock.texts,
    )


def list_blobs(image: Image) -> BlobList:
    """Read the blob table."""
    return BlobList(blobs=tuple(_describe(blob, _compressor(image, blob)) for blob in image.head.blobs))


def _compressor(image: Image, blob: BlobEntry) -> str:
    """Name what a blob is compressed with: a layer says it in the manifest, at the same place."""
    classified = image.identity.classified
    if has_chunks(blob) or classified is None:
        return blob.compressor.name.lower()
    return compression_of(classified.manifest.layers[blob.index].media_type)


def _table(fields: dict[str, int], name: str, size: int | None) -> TablePlace | None:
    offset = fields.get(f"{name}_offset")
    return None if offset is None or size is None else TablePlace(offset=offset, size=size)


def _prefetch_size(superblock: Superblock) -> int:
    """Return the size of the prefetch table [bytes]: formats store this, or how many entries it has."""
    fields = dict(superblock.fields)
    return fields.get("prefetch_table_size", fields.get("prefetch_table_entries", 0) * _PREFETCH_ENTRY_SIZE)


def _describe(blob: BlobEntry, compressor: str) -> BlobFacts:
    return BlobFacts(
        index=blob.index,
        blob_id=blob.blob_id,
        has_chunks=has_chunks(blob),
        is_placeholder="INLINED_FS_META" in blob.feature_names and _ELSEWHERE.isdisjoint(blob.feature_names),
        compressor=compressor,
        digester=blob.digester.name.lower(),
        cipher=blob.cipher.name.lower(),
        features=blob.features,
        feature_names=blob.feature_names,
        chunk_size=blob.chunk_size,
        chunk_count=blob.chunk_count,
        compressed_size=blob.compressed_size,
        data_size=data_size_at_most(blob),
        uncompressed_size=blob.uncompressed_size,
        mapped_block_address=blob.mapped_block_address,
        prefetch_offset=blob.prefetch_offset,
        prefetch_size=blob.prefetch_size,
        meta_id=blob.meta_id,
        meta_compressor=blob.meta_compressor.name.lower(),
        meta_offset=blob.meta_offset,
        meta_compressed_size=blob.meta_compressed_size,
        meta_uncompressed_size=blob.meta_uncompressed_size,
        toc_digest=blob.toc_digest,
        toc_size=blob.toc_size,
        meta_digest=blob.meta_digest,
        meta_size=blob.meta_size,
    )
