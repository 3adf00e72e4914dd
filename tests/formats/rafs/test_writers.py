"""Bootstraps written from tables: the same tree comes back, the peer's own bytes where nothing is left to choice."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.rafs import images
from tests.formats.rafs.laws import check_laws

from rafsight.base.errors import Defect
from rafsight.base.limits import Limits
from rafsight.formats.judge import Collector
from rafsight.formats.rafs.codec import check_bootstrap, read_bootstrap, write_bootstrap
from rafsight.formats.tables import Compressor
from rafsight.image.tree import ImageTree
from rafsight.testing.rafs_images import pack
from rafsight.testing.trees import Link, build_image

SMALL_BLOCKS = ("tar-tarfs",)
"""Images with blocks of 512 bytes, which are not written."""
WRITABLE = [name for name in images.NAMES if name not in SMALL_BLOCKS]
SAME_BYTES = ("v5-none", "v5-fsroot", "v5-nodata", "chunk-dict-v5")
"""Images of the peer without what it leaves to chance: xattrs in another order, rdev of what is no device."""


def read(content):
    tables = read_bootstrap(content, name="", limits=Limits())
    check_laws(tables)
    return tables


def describe(tables):
    """What a reader of an image may see, by path; directories without their made-up size."""
    tree, first, result = ImageTree(tables), tables.entries.link_row.tolist(), {}
    paths = tree.paths()
    for row, path in enumerate(paths):
        extents = tree.extent_rows(first[row])
        chunks = tables.extents.chunk[extents.start : extents.stop]
        attributes = tree.attributes(row)
        result[path] = (
            dataclasses.replace(attributes, ino=0, size=0 if attributes.kind == "directory" else attributes.size)
            if attributes.kind in ("char", "block")
            else dataclasses.replace(
                attributes, ino=0, device=(0, 0), size=0 if attributes.kind == "directory" else attributes.size
            ),
            tree.target(row),
            tree.xattrs(row),
            paths[first[row]],
            tables.chunks.digest[chunks].tobytes(),
            tables.chunks.compressed_offset[chunks].tolist(),
            tables.chunks.number[chunks].tolist(),
            tables.extents.file_offset[extents.start : extents.stop].tolist(),
        )
    return result


def assert_sound(content):
    judge = Collector()
    check_bootstrap(content, name="", limits=Limits(), judge=judge)
    assert not judge.faults


@pytest.mark.parametrize("name", WRITABLE)
def test_writing_what_was_read_changes_nothing(name):
    tables = read(images.bootstrap(name))
    written = write_bootstrap(tables)
    again = read(written)
    assert_sound(written)
    assert describe(again) == describe(tables)
    assert again.blobs == tables.blobs
    assert again.superblock.flags == tables.superblock.flags
    assert len(again.prefetch) == len(tables.prefetch)


@pytest.mark.parametrize("name", SAME_BYTES)
def test_the_bytes_are_the_peers(name):
    assert write_bootstrap(read(images.bootstrap(name))) == images.bootstrap(name)


def test_the_same_tables_give_the_same_bytes():
    tables = read(images.bootstrap("v5-zstd"))
    assert write_bootstrap(tables) == write_bootstrap(tables)


NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b".."))
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map(b"/".join),
    st.none()
    | st.binary(max_size=9000)
    | st.binary(min_size=1, max_size=40).map(lambda target: Link(target.replace(b"\0", b"x"))),
    max_size=12,
).filter(lambda files: not any(a != b and b.startswith(a + b"/") for a in files for b in files))


@settings(deadline=None, max_examples=100)
@given(
    files=TREES,
    version=st.sampled_from([5, 6]),
    compressor=st.sampled_from([Compressor.NONE, Compressor.LZ4_BLOCK, Compressor.ZSTD]),
)
def test_any_tree_comes_back(files, version, compressor):
    blob = bytearray()
    tables = pack(build_image(files), blob.extend, version=version, compressor=compressor)
    written = write_bootstrap(tables)
    assert_sound(written)
    again = read(written)
    assert describe(again) == describe(tables)


def test_what_a_version_cannot_say_is_not_written():
    with pytest.raises(Defect):
        write_bootstrap(read(images.bootstrap(SMALL_BLOCKS[0])))
