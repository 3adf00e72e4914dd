"""What becomes of the content of a layer's files: chunks stored in the layer's blob, or left where they are.

This module alone knows both ways; who packs a layer has the references that either gives.
"""

from typing import Protocol

from rafsight.access.packing import CompressionPool, ContentPacker, KnownChunks, cut
from rafsight.base.limits import Limits
from rafsight.base.text import escape
from rafsight.formats.checksum import digest as digest_of
from rafsight.formats.compression import Encoder
from rafsight.formats.rafs.blob_parts import Sink
from rafsight.formats.rafs.blob_writer import BlobWriter, MakeBootstrap, WrittenBlob
from rafsight.formats.rafs.reference_writer import Archive, ReferenceBlobWriter
from rafsight.formats.rafs.zran_points import NotReferable
from rafsight.formats.tables import Compressor, Digester
from rafsight.formats.tar import Member


class FilePacker(Protocol):
    """Takes the content of files, in the order of the tar."""

    def add(self, member: Member) -> list[int]:
        """Take a file that is not empty; return references to its chunks, in order."""
        ...

    def finish(self, bootstrap: MakeBootstrap | None) -> WrittenBlob:
        """End the blob."""
        ...


class StoringPacker:
    """Stores chunks in the blob, each once."""

    def __init__(
        self,
        sink: Sink,
        *,
        compressor: Compressor,
        level: int,
        digester: Digester,
        chunk_size: int,
        aligned: bool,
        known: KnownChunks | None,
        pool: CompressionPool,
    ) -> None:
        """Begin; the arguments are those of `BlobWriter` and `ContentPacker`."""
        self._chunk_size = chunk_size
        self._writer = BlobWriter(sink, Encoder(compressor, level), digester=digester, aligned=aligned)
        self._packer = ContentPacker(self._writer, digester=digester, chunk_size=chunk_size, known=known, pool=pool)

    def add(self, member: Member) -> list[int]:
        """Pack a file; holes are zeros."""
        pieces = iter(member.content)
        if member.segments is None:
            return self._packer.add(pieces, member.size)
        return self._packer.add_sparse(pieces, member.segments, member.size)

    def finish(self, bootstrap: MakeBootstrap | None) -> WrittenBlob:
        """End the blob."""
        self._packer.finish()
        return self._writer.finish(chunk_size=self._chunk_size, bootstrap=bootstrap)


class ReferringPacker:
    """Takes note of where chunks lie in the layer."""

    def __init__(self, sink: Sink, archive: Archive, *, digester: Digester, chunk_size: int, limits: Limits) -> None:
        """Begin; the arguments are those of `ReferenceBlobWriter`."""
        self._archive = archive
        self._digester = digester
        self._chunk_size = chunk_size
        self._writer = ReferenceBlobWriter(sink, archive, digester=digester, limits=limits)
        self._numbers: dict[bytes, int] = {}

    def add(self, member: Member) -> list[int]:
        """Take note of a file.

        Raises: NotReferable: its bytes do not lie together.
        """
        if member.segments is not None:
            why = f"/{escape(member.name)} is stored in pieces, as a file with holes"
            raise NotReferable(layer=self._archive.blob_id, why=why)
        references, offset = [], member.content_offset
        for content in cut(iter(member.content), self._chunk_size):
            digest = digest_of(self._digester, content)
            if digest not in self._numbers:
                self._numbers[digest] = self._writer.add(offset, len(content), digest)
            references.append(self._numbers[digest])
            offset += len(content)
        return references

    def finish(self, bootstrap: MakeBootstrap | None) -> WrittenBlob:
        """End the blob."""
        return self._writer.finish(chunk_size=self._chunk_size, bootstrap=bootstrap)
