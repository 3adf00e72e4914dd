"""The repaired image's objects: a small blob, the bootstrap's layer, config and manifest.

This module alone decides what they say. The same image, wishes and local files (with their times) give the same bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rafsight.access.packing import ContentPacker, KnownChunks
from rafsight.access.spool import Spool
from rafsight.base.digest import digest_of
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.events import Advanced, Finished, Listener, Started
from rafsight.formats.compression import Encoder
from rafsight.formats.oci.amend import amend_history, amend_manifest
from rafsight.formats.oci.documents import (
    BootstrapLayer,
    blob_layer,
    history_steps,
    rewrite_config,
    write_bootstrap_layer,
)
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.blob_writer import BlobWriter, WrittenBlob
from rafsight.formats.rafs.codec import codec_of, write_bootstrap
from rafsight.formats.rafs.words import image_compressor, image_digester
from rafsight.formats.tables import BlobEntry, ChunkTable, Compressor, Digester, TreeTables
from rafsight.image.changes import Changes
from rafsight.image.edit import PackedContents, edit_tree
from rafsight.verbs.repair.opening import NotRepairable, Original

_MOST_BLOBS: Final = 254
"""Devices have numbers of eight bits, and the bootstrap is one of them."""
_OPERATION: Final = "packing"
_CREATED_BY: Final = "rafsight repair"


class NoRoomForBlob(CallerError):
    """The image has as many blobs as an image can have."""

    code = "no-room-for-blob"
    template = "{reference} has {count} blobs already, and no image can have more than {most}"
    remedy = "Convert it to a plain image and back: `rafsight convert --to-oci`, then `rafsight convert`."
    exit_status = ExitStatus.UNSUPPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Content that came."""

    contents: PackedContents
    blob: WrittenBlob | None
    """None: every chunk was there already."""
    new_chunks: int
    reused_chunks: int
    """Slices of what came that are chunks of the image's own blobs, or repeat each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The objects of the repaired image, none of them pushed yet."""

    tables: TreeTables
    packed: Packed
    blob: Spool
    """Bytes of the new blob."""
    bootstrap: bytes
    layer: BootstrapLayer
    config: bytes
    manifest: bytes

    @property
    def blob_digest(self) -> str:
        """Of the new blob; empty if there is none."""
        return f"sha256:{self.packed.blob.entry.blob_id}" if self.packed.blob else ""

    @property
    def blob_size(self) -> int:
        """[bytes] of the new blob."""
        return self.packed.blob.size if self.packed.blob else 0

    @property
    def config_digest(self) -> str:
        """Of the config."""
        return digest_of(self.config)

    @property
    def manifest_digest(self) -> str:
        """Of the manifest."""
        return digest_of(self.manifest)


def build_image(original: Original, changes: Changes, comment: str, blob: Spool, listener: Listener) -> Built:
    """Make the objects of the repaired image.

    Args:
        original: what is repaired.
        changes: what becomes different.
        comment: for the history.
        blob: takes the bytes of the new blob.
        listener: told how many bytes are packed.
    Raises: NoSuchPath, WrongKind, ImpossibleChange, NoRoomForBlob, NotRepairable; what the contents raise.
    Cost: the contents of what comes, once; linear in the image's entries and chunks.
    """
    packed = _pack(original, changes, blob, listener)
    tables = edit_tree(original.image.tree, changes, packed.contents)
    tables = replace(tables, blobs=tuple(map(_settled, tables.blobs)))
    bootstrap = write_bootstrap(tables)
    metas = dict(original.parts.metas)
    added = []
    if packed.blob is not None:
        added.append(blob_layer(f"sha256:{packed.blob.entry.blob_id}", packed.blob.size))
        if packed.blob.meta:
            metas[packed.blob.entry.blob_id] = packed.blob.meta
    layer = write_bootstrap_layer(bootstrap, metas, original.extras)
    step = {"created_by": _CREATED_BY, "comment": comment, **({} if added else {"empty_layer": True})}
    blobs = (*original.found.manifest.layers[:-1], *added)  # they count as uncompressed
    config = rewrite_config(
        original.config.raw,
        diff_ids=[*(one.digest for one in blobs), layer.diff_id],
        history=amend_history(history_steps(original.config.raw), step),
    )
    manifest = amend_manifest(original.manifest, config=(digest_of(config), len(config)), blobs=added, bootstrap=layer)
    return Built(
        tables=tables, packed=packed, blob=blob, bootstrap=bootstrap, layer=layer, config=config, manifest=manifest
    )


def _pack(original: Original, changes: Changes, blob: Spool, listener: Listener) -> Packed:
    """Cut contents into chunks, and store those that no blob has."""
    tables = original.tables
    version, chunk_size = tables.superblock.version, tables.superblock.chunk_size
    digester = image_digester(tables.superblock.flags)
    aligned = codec_of(version).ALIGNS_CHUNKS
    writer = BlobWriter(
        blob.append,
        Encoder(_compressor(image_compressor(tables.superblock.flags), aligned=aligned)),
        digester=digester,
        aligned=aligned,
    )
    known = KnownChunks(_reusable(tables, digester), tables.chunks.size)
    packer = ContentPacker(writer, digester=digester, chunk_size=chunk_size, known=known)
    references = _references(packer, changes, listener)
    written = writer.finish(chunk_size=chunk_size, index=len(tables.blobs))
    blob.finish()
    first = len(tables.chunks.size)
    rows = tuple(np.array([first + one if one >= 0 else -1 - one for one in each], np.int32) for each in references)
    count, new = sum(map(len, references)), written.entry.chunk_count
    if new:
        _require_room(original)
    return Packed(
        contents=PackedContents(
            chunks=_joined(tables.chunks, written.chunks) if new else tables.chunks,
            blobs=(*tables.blobs, written.entry) if new else tables.blobs,
            rows=rows,
        ),
        blob=written if new else None,
        new_chunks=new,
        reused_chunks=count - new,
    )


def _references(packer: ContentPacker, changes: Changes, listener: Listener) -> list[list[int]]:
    contents = [put.content for put in changes.puts]
    total = sum(content.size for content in contents if content is not None)
    listener(Started(operation=_OPERATION, title="packing files", total=total, unit="bytes"))

    def counted(pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            listener(Advanced(operation=_OPERATION, amount=len(piece)))

    found: list[list[int]] = []
    try:
        for content in contents:
            if content is None:
                found.append([])
                continue
            with content.open() as pieces:
                found.append(packer.add(counted(pieces), content.size))
        packer.finish()
    finally:
        listener(Finished(operation=_OPERATION))
    return found


def _compressor(image: Compressor, *, aligned: bool) -> Compressor:
    """Choose what compresses new chunks.

    Images of one compressor for all blobs take the same again, or none. Where each blob has its own, which is where
    chunks are aligned, that of estargz and zran images gives way to a better one.
    """
    if image is not Compressor.GZIP:
        return image
    return Compressor.ZSTD if aligned else Compressor.NONE


def _reusable(tables: TreeTables, digester: Digester) -> np.ndarray:
    """Return the digests of chunks that a new file may refer to; zeros for those of another algorithm."""
    same = np.array([blob.digester is digester for blob in tables.blobs], np.bool_)
    if not len(same):
        return tables.chunks.digest
    fitting: np.ndarray = np.where(same[tables.chunks.blob_index][:, None], tables.chunks.digest, np.uint8(0))
    return fitting


def _joined(one: ChunkTable, other: ChunkTable) -> ChunkTable:
    names = ChunkTable.__slots__
    return ChunkTable(**{name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in names})


def _require_room(original: Original) -> None:
    """Refuse an image that no blob can be added to.

    Raises: NoRoomForBlob, NotRepairable.
    """
    reference, count = original.image.identity.reference, len(original.tables.blobs)
    if count >= _MOST_BLOBS:
        raise NoRoomForBlob(reference=reference, count=count, most=_MOST_BLOBS)
    if count and not original.found.blob_layers:
        raise NotRepairable(
            reference=reference, why="its blobs lie outside the registry, where a new one cannot be put"
        )


def _settled(blob: BlobEntry) -> BlobEntry:
    """Let a blob be called by its id alone: some builders forget that the bootstrap is not inside it any more."""
    is_named = blob.blob_id != shared.PLACEHOLDER_ID and not blob.features & shared.SEPARATE
    return replace(blob, features=blob.features & ~shared.INLINED_FS_META) if is_named else blob
