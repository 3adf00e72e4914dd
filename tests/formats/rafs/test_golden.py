import pytest
from tests.formats.rafs import images
from tests.formats.rafs.laws import check_laws

from rafsight.formats.compression import Decoder
from rafsight.formats.rafs import blob_meta, toc
from rafsight.formats.rafs.codec import CODECS, is_bootstrap, read_bootstrap

INLINED = ["targz-ref-toc-inline", "v5-inline", "v6-enc-batch-inline", "v6-inline", "v6-toc-inline"]


@pytest.mark.parametrize("name", images.NAMES)
def test_reads_the_tree_that_was_built(name):
    image = images.open_golden(name)
    tree, groups = images.expected(name)
    assert images.describe(image) == tree
    assert images.link_groups(image.tables) == groups


@pytest.mark.parametrize("name", images.NAMES)
def test_keeps_the_laws_of_the_tables(name):
    check_laws(images.open_golden(name).tables)


@pytest.mark.parametrize("name", images.NAMES)
def test_verifies_every_chunk(name):
    image = images.open_golden(name)
    assert (image.placement.unit_index >= 0).all()
    for chunk in range(len(image.tables.chunks.size)):
        images.read_chunk(image.tables, image.placement, chunk, image.blob, Decoder())


@pytest.mark.parametrize("name", images.NAMES)
def test_exactly_one_codec_takes_a_bootstrap(name):
    head = images.bootstrap(name)[:4096]
    assert [codec.probe(head) for codec in CODECS].count(True) == 1
    assert is_bootstrap(memoryview(head))


def test_any_buffer_will_do():
    content = images.bootstrap("v6-none")
    tables = [
        read_bootstrap(buffer, name="", limits=images.LIMITS)
        for buffer in (content, memoryview(content), memoryview(bytearray(content)), memoryview(content).cast("I"))
    ]
    assert len({tuple(images.paths(table)) for table in tables}) == 1


def test_nothing_but_bootstraps_is_taken():
    assert not is_bootstrap(b"")
    assert not is_bootstrap(bytes(4096))


@pytest.mark.parametrize("name", images.NAMES)
def test_inlined_bootstrap_is_the_bootstrap(name):
    blob_name, content = images.inlined(images.GOLDEN / name)
    assert bool(blob_name) == (name in INLINED)
    assert content == (images.bootstrap(name) if blob_name else b"")


@pytest.mark.parametrize("name", images.NAMES)
def test_chunk_info_array_says_what_the_chunk_table_says(name):
    """Section 2.7 of the format reference; batched and sliced chunks are elsewhere."""
    image = images.open_golden(name)
    chunks = image.tables.chunks
    for entry in image.tables.blobs:
        if not entry.meta_id or entry.needs_meta:
            continue
        meta = blob_meta.read_blob_meta(image.metas[entry.index], entry)
        rows = (chunks.blob_index == entry.index).nonzero()[0]
        number = chunks.number[rows]
        for column in ("size", "compressed_size", "compressed_offset", "uncompressed_offset"):
            assert (getattr(meta, column)[number] == getattr(chunks, column)[rows]).all(), column
        assert ((meta.flags[number] & 1) == (chunks.flags[rows] & 1)).all()


@pytest.mark.parametrize("name", images.NAMES)
def test_bundled_chunk_info_array_is_as_good_as_the_stored_one(name):
    image = images.open_golden(name)
    for index, expanded in image.metas.items():
        entry = image.tables.blobs[index]
        table, header = expanded[: -blob_meta.HEADER_SIZE], expanded[-blob_meta.HEADER_SIZE :]
        bundled = table + bytes(-len(table) % 4096) + header
        assert blob_meta.expand(bundled, entry, images.LIMITS) == expanded
        assert len(blob_meta.read_blob_meta(bundled, entry).size) == entry.chunk_count


@pytest.mark.parametrize("name", [name for name in images.NAMES if "toc" in name])
def test_toc_is_the_one_that_the_blob_table_means(name):
    image = images.open_golden(name)
    (entry,) = image.tables.blobs
    blob = image.blob(entry.meta_id)
    tail = blob[-toc.TAIL_SIZE :]
    parts = {part.name: part for part in toc.find_parts(tail, len(blob))}
    assert parts[toc.META].offset == entry.meta_offset
    assert parts[toc.META].stored_size == entry.meta_compressed_size
    assert parts[toc.META].size == entry.meta_uncompressed_size
    assert parts[toc.META_HEADER].size == blob_meta.HEADER_SIZE
    assert parts[toc.DIGESTS].size == 32 * entry.chunk_count
    if entry.toc_digest:
        assert toc.toc_digest(tail) == entry.toc_digest
    header = parts[toc.META_HEADER]
    assert blob[header.offset : header.offset + header.size] == image.metas[0][-blob_meta.HEADER_SIZE :]
    digests = parts[toc.DIGESTS]
    chunks = image.tables.chunks
    for number, digest in zip(chunks.number.tolist(), chunks.digest, strict=True):
        start = digests.offset + 32 * number
        assert blob[start : start + 32] == digest.tobytes()


@pytest.mark.parametrize(
    ("name", "inos"),
    [
        ("v5-lz4-sha256-fs", [b"/f4097", b"/a/b", b"/sl-short", b"/big", "/ünïcode/文件.txt".encode()]),
        ("v6-lz4-sha256-4k-fs", [b"/f4097", b"/a/b", b"/sl-short", b"/big", "/ünïcode/文件.txt".encode()]),
        ("v6-fsroot", [b"/"]),
        ("v5-fsroot", [b"/"]),
        ("v6-zstd", []),
    ],
)
def test_prefetch_table_names_files(name, inos):
    tables = images.open_golden(name).tables
    path_of = dict(zip(tables.entries.ino.tolist(), images.paths(tables), strict=False))
    path_of |= {
        ino: path
        for row, (ino, path) in enumerate(zip(tables.entries.ino.tolist(), images.paths(tables), strict=True))
        if tables.entries.link_row[row] == row
    }
    assert sorted(path_of[ino] for ino in tables.prefetch.tolist()) == sorted(inos)


def test_readahead_of_a_v5_blob():
    (entry,) = images.open_golden("v5-blobpf").tables.blobs
    assert entry.prefetch_size > 0


@pytest.mark.parametrize(
    ("name", "data", "meta"),
    [
        ("v6-zstd", "id", "id"),
        ("v6-inline", "name", "name"),
        ("targz-ref", "id", "digest"),
        ("targz-ref-tar", "id", "digest"),
        ("targz-ref-toc-inline", "id", "name"),
        ("tar-tarfs", "id", ""),
        ("v5-zstd", "id", ""),
        ("v5-inline", "name", ""),
        ("v6-blobid", "id", "id"),
    ],
)
def test_files_of_a_blob(name, data, meta):
    image = images.open_golden(name)
    (entry,) = image.tables.blobs
    files = {"id": entry.blob_id, "name": image.name, "digest": entry.meta_digest.hex(), "": ""}
    assert (entry.data_id, entry.meta_id) == (files[data], files[meta])
    assert all((image.directory / part).is_file() for part in (entry.data_id, entry.meta_id) if part)


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("v6-batch", True),
        ("v6-enc-batch-inline", True),
        ("targz-ref", True),
        ("targz-ref-tar", False),
        ("v6-enc", False),
    ],
)
def test_only_batches_and_slices_need_the_chunk_info_array(name, needed):
    assert [entry.needs_meta for entry in images.open_golden(name).tables.blobs] == [needed]


def test_superblock_says_what_tools_print():
    superblock = images.open_golden("v6-lz4-sha256-4k-fs").tables.superblock
    fields = dict(superblock.fields)
    assert (superblock.inode_count, superblock.chunk_size, superblock.root_ino) == (215, 4096, 128)
    assert superblock.flag_names == (
        "COMPRESSION_LZ4",
        "HASH_SHA256",
        "EXPLICIT_UID_GID",
        "HAS_XATTR",
        "ENCRYPTION_NONE",
    )
    assert (fields["blob_table_offset"], fields["blob_table_size"]) == (0x1000, 0x100)
    assert fields["prefetch_table_size"] == 20
