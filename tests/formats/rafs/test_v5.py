import struct

import numpy as np
import pytest
from tests.formats.rafs import images
from tests.formats.rafs.handmade_v5 import (
    BLOB_ID,
    DIRECTORY,
    REGULAR,
    SYMLINK,
    bootstrap,
    chunk,
    inode,
    root,
    with_files,
)
from tests.formats.rafs.laws import check_laws

from rafsight.base.errors import ExitStatus
from rafsight.base.limits import Limits
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.rafs.codec import read_bootstrap
from rafsight.formats.rafs.faults import UnsupportedImage
from rafsight.formats.rafs.placement import place_chunks
from rafsight.formats.tables import Compressor, Digester, MalformedImage


def read(content, name="", **limits):
    tables = read_bootstrap(content, name=name, limits=Limits(**limits))
    check_laws(tables)
    return tables


def patched(name, offset, replacement):
    content = bytearray(images.bootstrap(name))
    content[offset : offset + len(replacement)] = replacement
    return bytes(content)


# what this release does not read


@pytest.mark.parametrize("version", [0x400, 0x600, 0x700])
def test_other_versions(version):
    with pytest.raises(UnsupportedImage, match=f"RAFS version {version:#x}") as caught:
        read(patched("v5-zstd", 4, struct.pack("<I", version)))
    assert caught.value.exit_status is ExitStatus.UNSUPPORTED


def test_unknown_flags():
    with pytest.raises(UnsupportedImage, match="0x400"):
        read(patched("v5-zstd", 16, struct.pack("<Q", 0x490)))


@pytest.mark.parametrize(
    ("offset", "replacement", "what"),
    [
        (8, struct.pack("<I", 4096), "says it has 4096 bytes"),
        (12, struct.pack("<I", 5000), "chunk size .*5000"),
        (32, struct.pack("<Q", 4096), "lies on another table"),
        (32, struct.pack("<Q", 8196), "does not begin where"),
        (32, b"\xff" * 8, "inode table: lies outside the file .needs"),
        (40, b"\xff" * 8, "prefetch table: lies outside"),
        (48, b"\xff" * 8, "blob table: lies outside"),
        (48, struct.pack("<Q", 8192), "lies on another table"),
        (56, bytes(4), "has 0 entries"),
        (56, b"\xff" * 4, "inode table: lies outside the file .needs"),
        (68, b"\xff" * 4, "extended blob table: lies outside"),
        (72, b"\xff" * 8, "extended blob table: lies outside"),
    ],
)
def test_superblocks_that_cannot_be(offset, replacement, what):
    with pytest.raises(MalformedImage, match=what):
        read(patched("v5-lz4-sha256-fs", offset, replacement))


@pytest.mark.parametrize("size", [4, 7, 8, 79, 80, 8191, 8192])
def test_cut_in_the_superblock(size):
    with pytest.raises(MalformedImage):
        read(images.bootstrap("v5-zstd")[:size])


# the tree


def test_handmade_tree():
    content = chunk(4096) + chunk(100, offset=4096, number=1)
    tables = read(
        with_files(
            inode(REGULAR, b"a", size=4196, child_count=2, after=content),
            inode(SYMLINK, b"b", size=6, target_size=6, after=b"target\0\0"),
            inode(0o020600, b"c", rdev=0x105),
            inode(0o010600, b"d", rdev=0xFFFFFFFF),
        )
    )
    assert images.names(tables) == [b"", b"a", b"b", b"c", b"d"]
    assert bytes(images.area(tables, "target", 2)) == b"target"
    assert tables.entries.rdev.tolist() == [0, 0, 0, 0x105, 0]
    assert tables.extents.file_offset.tolist() == [0, 4096]


def test_unsorted_directory_is_sorted_and_keeps_its_subtrees():
    inner = {"child_index": 5, "child_count": 2}
    tables = read(
        bootstrap(
            [
                root(3),
                inode(DIRECTORY, b"z", **inner),
                inode(REGULAR, b"m"),
                inode(DIRECTORY, b"a", child_index=7, child_count=1),
                inode(REGULAR, b"2"),
                inode(REGULAR, b"1"),
                inode(REGULAR, b"0"),
            ]
        )
    )
    assert sorted(images.paths(tables)) == sorted([b"/", b"/z", b"/m", b"/a", b"/z/2", b"/z/1", b"/a/0"])
    assert images.names(tables) == [b"", b"a", b"m", b"z", b"1", b"2", b"0"]


@pytest.mark.parametrize(
    ("records", "what"),
    [
        ([root(1, child_index=1), inode(REGULAR, b"a")], "come before it"),
        ([root(2, child_index=2), inode(REGULAR, b"a")], "more children"),
        ([root(1), inode(REGULAR, b"a"), inode(REGULAR, b"b")], "no directory holds"),
        ([root(1), inode(DIRECTORY, b"a", child_index=2, child_count=1)], "come before it"),
        ([root(2), inode(DIRECTORY, b"a", child_index=3, child_count=1), inode(REGULAR, b"b")], "shares children"),
        ([root(1, child_index=1 << 31), inode(REGULAR, b"a")], "more children"),
        ([root(1, child_count=0xFFFFFFFF), inode(REGULAR, b"a")], "more children"),
        ([inode(REGULAR, b"/")], "is the root"),
        ([root(2), inode(REGULAR, b"a"), inode(REGULAR, b"a")], "name of its neighbour"),
        ([root(1), inode(REGULAR, b"a/b")], "slash"),
        ([root(1), inode(REGULAR, b"a\0b")], "NUL"),
        ([root(1), inode(REGULAR, b"..")], "named"),
        ([root(1), inode(REGULAR, b"")], "no or more than 255"),
        ([root(1), inode(REGULAR, b"x" * 256)], "no or more than 255"),
        ([root(1), inode(0, b"a")], "no file type"),
        ([root(1), inode(0x1F1FF, b"a")], "no file type"),
        ([root(1), inode(REGULAR, b"a", nlink=0)], "no links"),
        ([root(1), inode(REGULAR, b"a", size=1 << 63)], "size that no file has"),
        ([root(1), inode(SYMLINK, b"a")], "target of no"),
        ([root(1), inode(SYMLINK, b"a", target_size=3, after=b"a\0b".ljust(8, b"\0"))], "NUL in its target"),
        ([root(1), inode(SYMLINK, b"a", target_size=65535)], "past the end"),
        ([root(1), inode(REGULAR, b"a", flags=4)], "xattrs that reach past the end"),
        ([root(1), inode(REGULAR, b"a", flags=4, after=b"\xff" * 8)], "xattrs that reach past the end"),
        ([root(1), inode(REGULAR, b"a", flags=4, after=struct.pack("<Q", 64))], "past the end"),
        ([root(1), inode(REGULAR, b"a", child_count=0xFFFFFFFF, size=4096)], "past the end"),
        ([root(1), inode(REGULAR, b"a", ino=9)], "inode number"),
    ],
)
def test_inodes_that_cannot_be(records, what):
    with pytest.raises(MalformedImage, match=what):
        read(bootstrap(records))


def test_records_that_overlap():
    content = bytearray(with_files(inode(REGULAR, b"a"), inode(REGULAR, b"b")))
    content[8192 + 8 : 8192 + 12] = content[8192 + 4 : 8192 + 8]
    with pytest.raises(MalformedImage, match="lies on another inode record"):
        read(bytes(content))


def test_depth_is_bounded():
    def chain(length):
        levels = [inode(DIRECTORY, b"d", child_index=n + 3, child_count=1) for n in range(length)]
        return bootstrap([root(1), *levels, inode(REGULAR, b"f")])

    assert len(read(chain(1000)).entries.mode) == 1002
    with pytest.raises(MalformedImage, match="deeper than any path"):
        read(chain(5000))


# hard links


def test_hard_links_share_their_content():
    content = chunk(50)
    tables = read(
        with_files(
            inode(REGULAR, b"a", size=50, child_count=1, nlink=2, after=content),
            inode(REGULAR, b"b", size=50, child_count=1, nlink=2, ino=2, after=content),
        )
    )
    assert tables.entries.link_row.tolist() == [0, 1, 1]
    assert tables.entries.extent_count.tolist() == [0, 1, 1]
    assert len(tables.extents.size) == len(tables.chunks.size) == 1


@pytest.mark.parametrize(
    "second",
    [
        inode(REGULAR, b"b", size=51, child_count=1, ino=2, after=chunk(51)),
        inode(REGULAR, b"b", size=50, child_count=1, ino=2, digest=np.void(b"x" * 32), after=chunk(50)),
        inode(SYMLINK, b"b", size=50, target_size=1, ino=2, after=b"x".ljust(8, b"\0")),
    ],
)
def test_names_of_one_inode_must_agree(second):
    first = inode(REGULAR, b"a", size=50, child_count=1, after=chunk(50))
    with pytest.raises(MalformedImage, match="different file"):
        read(with_files(first, second))


# files and chunks


def test_holes():
    records = chunk(100, file_offset=4096) + chunk(50, file_offset=20000, offset=100, number=1)
    tables = read(
        with_files(inode(REGULAR, b"a", size=30000, flags=layout.INODE_HAS_HOLE, child_count=2, after=records))
    )
    assert tables.extents.file_offset.tolist() == [4096, 20000]
    assert tables.extents.size.tolist() == [100, 50]


@pytest.mark.parametrize(
    ("offsets", "size", "what"),
    [
        ((4096, 4000), 30000, "before the chunk before it ends"),
        ((0, 1 << 62), 30000, "absurd"),
        ((0, 4096), 4100, "past the end of the file"),
    ],
)
def test_holes_that_cannot_be(offsets, size, what):
    records = b"".join(chunk(4096, file_offset=offset, offset=n, number=n) for n, offset in enumerate(offsets))
    with pytest.raises(MalformedImage, match=what):
        read(with_files(inode(REGULAR, b"a", size=size, flags=8, child_count=2, after=records)))


@pytest.mark.parametrize(
    ("size", "count", "records", "what"),
    [
        (5000, 1, chunk(4096), "too many or too few"),
        (4096, 2, chunk(4096) * 2, "too many or too few"),
        (5000, 2, chunk(4096) * 2, "another length"),
        (100, 1, chunk(100, blob=1), "blob that is not"),
        (100, 1, chunk(100, offset=1 << 60), "offset that no blob reaches"),
    ],
)
def test_chunks_that_cannot_be(size, count, records, what):
    with pytest.raises(MalformedImage, match=what):
        read(with_files(inode(REGULAR, b"a", size=size, child_count=count, after=records)))


def test_equal_chunks_are_one_and_different_ones_at_one_place_are_not():
    def file(name, **options):
        return inode(REGULAR, name, size=100, child_count=1, after=chunk(100, **options))

    same = read(with_files(file(b"a"), file(b"b", file_offset=7)))
    assert same.extents.chunk.tolist() == [0, 0]
    other = read(with_files(file(b"a"), file(b"b", digest=b"e" * 32), file(b"c")))
    assert len(other.chunks.size) == 2
    assert other.extents.chunk[0] == other.extents.chunk[2] != other.extents.chunk[1]


# blobs


def test_image_without_extended_blob_table():
    """As the first releases wrote them: chunk records alone say where data are."""
    content = bootstrap(
        [root(1), inode(REGULAR, b"a", size=100, child_count=1, after=chunk(100, blob=1))],
        extended=False,
        blob_ids=(BLOB_ID, b"short-id"),
    )
    tables = read(content)
    assert [blob.blob_id for blob in tables.blobs] == ["b" * 64, "short-id"]
    assert [blob.compressed_size for blob in tables.blobs] == [0, 0]
    assert tables.blobs[0].feature_names == ("_V5_NO_EXT_BLOB_TABLE",)
    assert place_chunks(tables, {}, Limits()).unit_index.tolist() == [0]


def test_fewer_extended_rows_than_blobs():
    with pytest.raises(MalformedImage, match="fewer rows"):
        read(bootstrap([root(0)], blob_ids=(BLOB_ID, BLOB_ID), extended_blob_table_entries=1))


@pytest.mark.parametrize("blob_id", [b"../x", b"", b".x", b"x" * 65, b"a b"])
def test_blob_ids_that_cannot_be(blob_id):
    with pytest.raises(MalformedImage, match="blob id"):
        read(bootstrap([root(0)], blob_ids=(blob_id + b"\0" * 8, BLOB_ID)))


def test_too_many_blobs():
    content = bootstrap([root(0)], blob_ids=(BLOB_ID,) * 5)
    assert len(read(content).blobs) == 5
    with pytest.raises(MalformedImage, match="more blobs than"):
        read(content, blob_count=4)


def test_unknown_features_are_dropped():
    assert read(bootstrap([root(0)], features=0x4000F000)).blobs[0].features == shared.CAP_TAR_TOC


@pytest.mark.parametrize(
    ("features", "blob_id", "name", "real"),
    [
        (shared.INLINED_FS_META | shared.CAP_TAR_TOC, b"x" * 64, "named", "named"),
        (shared.INLINED_FS_META | shared.CAP_TAR_TOC, b"x" * 64, "", "x" * 64),
        (shared.CAP_TAR_TOC, BLOB_ID, "named", "b" * 64),
        (0, b"x" * 64, "named", "named"),
        (0, BLOB_ID, "named", "b" * 64),
    ],
)
def test_placeholder_is_replaced(features, blob_id, name, real):
    content = bootstrap([root(0)], features=features, blob_ids=(blob_id,))
    assert read(content, name).blobs[0].data_id == real


@pytest.mark.parametrize(
    ("flags", "compressor", "digester"),
    [
        (0, Compressor.LZ4_BLOCK, Digester.BLAKE3),
        (0x1 | 0x80 | 0x8, Compressor.NONE, Digester.SHA256),
        (0x40 | 0x80 | 0xC, Compressor.GZIP, Digester.BLAKE3),
        (0x80, Compressor.ZSTD, Digester.BLAKE3),
    ],
)
def test_first_flag_decides(flags, compressor, digester):
    (blob,) = read(bootstrap([root(0)], flags=flags)).blobs
    assert (blob.compressor, blob.digester) == (compressor, digester)
