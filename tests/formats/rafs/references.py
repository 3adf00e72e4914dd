"""Small images whose data stay in a tar: made by the writers, and read back as any image is."""

import hashlib
import io
import tarfile
from dataclasses import replace

import numpy as np
from tests.formats.rafs.images import LIMITS, read_chunk

from rafsight.formats.checksum import digest
from rafsight.formats.compression import Decoder
from rafsight.formats.judge import Collector
from rafsight.formats.rafs import blob_checks, blob_meta, toc, toc_checks
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.blob_writer import WrittenBlob
from rafsight.formats.rafs.codec import read_bootstrap, write_bootstrap
from rafsight.formats.rafs.placement import place_chunks
from rafsight.formats.rafs.reference_writer import Archive, ReferenceBlobWriter
from rafsight.formats.tables import Digester, TreeTables
from rafsight.testing.trees import build_image


def make_tar(files: dict[bytes, bytes]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path.decode())
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return plain.getvalue()


def chunks_of(tar: bytes, chunk_size: int) -> list[tuple[int, bytes]]:
    """(offset, content) of each distinct chunk, in the order of the tar."""
    found: dict[bytes, int] = {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            for start in range(0, member.size, chunk_size):
                offset = member.offset_data + start
                found.setdefault(tar[offset : offset + min(chunk_size, member.size - start)], offset)
    return [(offset, content) for content, offset in found.items()]


def archive_of(stored: bytes, points) -> Archive:
    def read(offset: int, size: int) -> bytes:
        assert 0 <= offset <= offset + size <= len(stored)
        return stored[offset : offset + size]

    return Archive(blob_id=hashlib.sha256(stored).hexdigest(), size=len(stored), read=read, points=points)


def refer(
    files: dict[bytes, bytes], archive: Archive, *, chunk_size: int = 1 << 20, digester=Digester.SHA256, inlined=True
) -> tuple[WrittenBlob, bytes, TreeTables]:
    """Write the reference blob of a tar with these files: what it is, its bytes, and tables to write."""
    tar, file = make_tar(files), io.BytesIO()
    writer = ReferenceBlobWriter(file.write, archive, digester=digester, limits=LIMITS)
    numbers = {}
    for offset, content in chunks_of(tar, chunk_size):
        numbers[content] = writer.add(offset, len(content), digest(digester, content))
    image = build_image(files, chunk_size=chunk_size)
    old, plain = image.tables, image.blob
    spans = zip(old.chunks.compressed_offset.tolist(), old.chunks.size.tolist(), strict=True)
    number = np.array([numbers[plain[at : at + size]] for at, size in spans], np.int32)
    flags = shared.COMPRESSION_GZIP | shared.HASH_SHA256 | shared.EXPLICIT_UID_GID | shared.ENCRYPTION_NONE
    extents = replace(old.extents, chunk=number[old.extents.chunk] if len(number) else old.extents.chunk)
    base = replace(old, superblock=replace(old.superblock, version=6, flags=flags), extents=extents)

    def tables(entry, chunks):
        return replace(base, chunks=chunks, blobs=(entry,) if entry.chunk_count else ())

    def make(entry, chunks):
        return write_bootstrap(tables(entry, chunks))

    written = writer.finish(chunk_size=chunk_size, bootstrap=make if inlined else None)
    return written, file.getvalue(), tables(written.entry, written.chunks)


def read_back(stored: bytes, blob: bytes, boot: bytes, name: str = "image", array: bytes = b"") -> list[bytes]:
    """Read every chunk of an image through its bootstrap and the two files; in the order of the chunk table."""
    tables = read_bootstrap(boot, name=name, limits=LIMITS)
    (entry,) = tables.blobs
    start = entry.meta_offset
    array = array or blob[start : start + entry.meta_compressed_size + blob_meta.HEADER_SIZE]
    metas = {0: blob_meta.expand(array, entry, LIMITS)}
    placement, decoder = place_chunks(tables, metas, LIMITS), Decoder()
    files = {entry.data_id: stored}
    return [
        read_chunk(tables, placement, chunk, files.__getitem__, decoder) for chunk in range(len(tables.chunks.size))
    ]


def faults(blob: bytes, boot: bytes) -> list[str]:
    """Every rule that the reference blob breaks, by the eyes of a check."""
    tables, judge = read_bootstrap(boot, name="image", limits=LIMITS), Collector()
    (entry,) = tables.blobs
    array = blob[entry.meta_offset : entry.meta_offset + entry.meta_compressed_size + blob_meta.HEADER_SIZE]
    expanded = blob_meta.expand(array, entry, LIMITS, judge)
    assert blob_checks.check_blob_meta(expanded, entry, tables.chunks, judge, LIMITS)
    if entry.features & shared.HAS_TOC:
        parts = toc_checks.check_toc(blob[-toc.TAIL_SIZE :], len(blob), entry, judge)
        contents = {part.name: blob[part.offset : part.offset + part.stored_size] for part in parts}
        blob_checks.check_digest_array(contents[toc.DIGESTS], entry, tables.chunks, judge)
        for part in parts:
            content = Decoder().decompress(part.compressor, contents[part.name], part.size)
            toc_checks.check_part(part, content, entry, judge)
    return [str(fault) for fault in judge.faults]
