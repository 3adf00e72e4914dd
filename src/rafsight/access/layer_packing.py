"""One layer becomes a blob and a record of its members, in one pass over its tar.

This module alone decides what of a layer goes into its blob: the content of its regular files, in the order of the tar,
and in the inlined form the layer's own bootstrap, in which whiteouts are files like all others.
"""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import IO, Final

import numpy as np

from rafsight.access.file_packing import FilePacker, ReferringPacker, StoringPacker
from rafsight.access.layer_records import LayerSummary, RecordWriter, StoredContent
from rafsight.access.packing import CompressionPool, KnownChunks
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.limits import Limits
from rafsight.formats.rafs.blob_parts import Sink
from rafsight.formats.rafs.codec import codec_of, write_bootstrap
from rafsight.formats.rafs.erofs_xattrs import holdable
from rafsight.formats.rafs.image_flags import image_flags
from rafsight.formats.rafs.reference_writer import Archive
from rafsight.formats.tables import BlobEntry, ChunkTable, Compressor, Digester, MalformedImage, TreeTables
from rafsight.formats.tar import Member, MemberKind
from rafsight.image.compose import Dictionary, FileChunks, PackedLayer, compose
from rafsight.image.overlay import LayerMerger, LayerSource

XATTRS: Final = "extended attributes of names or sizes that RAFS cannot hold"
_LONGEST_TARGET: Final = 4095
"""[bytes] of a symbolic link."""
_REFERENCE_ROOM: Final = 32
"""[bytes] A layer whose files refer to chunks so often that each has less of the largest bootstrap is refused."""


class TooManyReferences(CallerError):
    """The files of a layer are cut into more chunks than a bootstrap can list: very large ones, holes among them."""

    code = "too-many-references"
    template = "the files of a layer are {count} chunks together, and {most} are the most"
    remedy = "Choose a larger --chunk-size."
    exit_status = ExitStatus.UNSUPPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class PackTerms:
    """How images are made."""

    version: int = 6
    """Of RAFS."""
    compressor: Compressor = Compressor.ZSTD
    level: int = 3
    """Of zstd."""
    digester: Digester = Digester.BLAKE3
    chunk_size: int = 1 << 20
    """[bytes], a power of two."""
    is_inlined: bool = True
    """Blobs have their layer's bootstrap in them."""

    @property
    def is_aligned(self) -> bool:
        """What the version wants of chunks; see `Codec.ALIGNS_CHUNKS`."""
        return codec_of(self.version).ALIGNS_CHUNKS


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingBase:
    """What all layers of a conversion share."""

    terms: PackTerms
    pool: CompressionPool
    dictionary: Dictionary
    known: KnownChunks | None
    """The chunks of the dictionary."""
    limits: Limits


def pack_layer(
    members: Iterable[Member],
    base: PackingBase,
    *,
    source: LayerSource,
    blob: IO[bytes],
    record: RecordWriter,
    archive: Archive | None = None,
) -> LayerSummary:
    """Pack a layer.

    Args:
        members: of its tar.
        base: how.
        source: the layer.
        blob: takes the bytes of the blob.
        record: takes the members and what became of them.
        archive: the layer as it is stored, for a blob that only refers to it; None: chunks are stored.
    Raises: MalformedImage, TooManyChunks, NotReferable; what the members and the files raise.
    Cost: one pass. Memory: a few MiB of content, and the columns of the layer's tree.
    """
    packing = _Packing(base, source, _file_packer(base, blob.write, archive), record)
    for member in members:
        packing.add(member)
    return packing.finish()


def _file_packer(base: PackingBase, sink: Sink, archive: Archive | None) -> FilePacker:
    """Choose what becomes of the content of files."""
    terms = base.terms
    if archive is not None:
        return ReferringPacker(sink, archive, digester=terms.digester, chunk_size=terms.chunk_size, limits=base.limits)
    return StoringPacker(
        sink,
        compressor=terms.compressor,
        level=terms.level,
        digester=terms.digester,
        chunk_size=terms.chunk_size,
        aligned=terms.is_aligned,
        known=base.known,
        pool=base.pool,
    )


@dataclass(slots=True)
class _Columns:
    """Where files have their chunks; see `FileChunks`."""

    offset: "array[int]" = field(default_factory=lambda: array("q"))
    count: "array[int]" = field(default_factory=lambda: array("q"))
    reference: "array[int]" = field(default_factory=lambda: array("q"))

    def add(self, offset: int, references: list[int]) -> None:
        self.offset.append(offset)
        self.count.append(len(references))
        self.reference.extend(references)

    def finish(self) -> FileChunks:
        count = np.array(self.count, np.int64)
        return FileChunks(
            offset=np.array(self.offset, np.int64),
            start=np.cumsum(count) - count,
            count=count,
            reference=np.array(self.reference, np.int64),
        )


class _Packing:
    """The pass over one layer."""

    def __init__(self, base: PackingBase, source: LayerSource, files: FilePacker, record: RecordWriter) -> None:
        self._base = base
        self._source = source
        self._where = f"layer {source.digest}"
        self._record = record
        self._files = files
        self._merger = LayerMerger(base.limits, keeps_whiteouts=True) if base.terms.is_inlined else None
        if self._merger is not None:
            self._merger.begin_layer(source)
        self._columns = _Columns()
        self._content_size = 0
        self._left_out: Counter[str] = Counter()

    def add(self, member: Member) -> None:
        """Take one member."""
        if member.kind == MemberKind.FILE and member.size:
            self._expect(-(-member.size // self._base.terms.chunk_size))
            self._columns.add(member.content_offset, self._files.add(member))
            self._content_size += member.size
        if member.kind == MemberKind.SYMLINK and len(member.target) > _LONGEST_TARGET:
            what = f"a symbolic link to more than {_LONGEST_TARGET} bytes, which no image can hold"
            raise MalformedImage(where=self._where, what=what, offset=member.content_offset)
        kept = holdable(member.xattrs)
        if len(kept) < len(member.xattrs):
            self._left_out[XATTRS] += len(member.xattrs) - len(kept)
        plain = replace(member, segments=None, content=StoredContent(size=member.size), xattrs=kept)
        self._record.add(plain)
        if self._merger is not None:
            self._merger.add(plain)

    def _expect(self, count: int) -> None:
        """Refuse a file whose chunks no bootstrap could list, before its holes are filled with them."""
        count += len(self._columns.reference)
        most = self._base.limits.bootstrap_size // _REFERENCE_ROOM
        if count > most:
            raise TooManyReferences(count=count, most=most)

    def finish(self) -> LayerSummary:
        """End the blob and the record."""
        files = self._columns.finish()
        merger = self._merger

        def inline(entry: BlobEntry, chunks: ChunkTable) -> bytes:
            assert merger is not None
            layer = PackedLayer(members=(), files=files, entry=entry, chunks=chunks)
            tables = compose(merger.finish(), [layer], self._base.dictionary, chunk_size=self._base.terms.chunk_size)
            return write_bootstrap(finish_tables(tables, self._base.terms))

        written = self._files.finish(None if merger is None else inline)
        is_reference = bool(any(written.entry.meta_digest))
        name = written.entry.meta_digest.hex() if is_reference else written.entry.blob_id
        summary = LayerSummary(
            blob_digest=f"sha256:{name}" if written.size else "",
            reference=self._source.digest if is_reference else "",
            blob_size=written.size,
            meta=written.meta,
            content_size=self._content_size,
            left_out=tuple(self._left_out.items()),
        )
        self._record.finish(files, written.entry, written.chunks, summary)
        return summary


def finish_tables(tables: TreeTables, terms: PackTerms) -> TreeTables:
    """Give composed tables the version and flags that they are written with."""
    flags = image_flags(
        terms.compressor,
        terms.digester,
        tables.blobs,
        has_xattrs=bool(tables.entries.xattr_size.any()),
        aligned=terms.is_aligned,
    )
    return replace(tables, superblock=replace(tables.superblock, version=terms.version, flags=flags))
