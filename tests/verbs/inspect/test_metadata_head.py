"""`stats`, `superblock` and `blobs`: from the head of the bootstrap alone."""

import shutil

import pytest
from tests.verbs.inspect import recorded
from tests.verbs.inspect.comparison import as_json, opened

from rafsight.access.session import Identity, Image, open_image
from rafsight.reports.inspection.metadata import TablePlace
from rafsight.verbs.inspect.metadata import list_blobs, read_stats, read_superblock


class TreeWasRead(Exception):
    pass


def headed(name):
    """An image whose tree must not be asked for."""

    def grow():
        raise TreeWasRead

    with opened(name, lazy=True) as image:
        return Image(identity=Identity(reference=name), head=image.head, grow=grow, backend=image.backend)


@pytest.mark.parametrize("name", recorded.NAMES)
@pytest.mark.parametrize("ask", [read_stats, read_superblock, list_blobs])
def test_the_tree_is_not_read(name, ask):
    image = headed(name)
    assert ask(image)
    with pytest.raises(TreeWasRead):
        assert image.tree


def test_the_tables_of_both_versions_have_one_form():
    old, new = read_stats(headed("v5-lz4-sha256-fs")), read_stats(headed("v6-lz4-sha256-4k-fs"))
    assert (old.prefetch_table, old.prefetch_count) == (TablePlace(offset=0x2360, size=20), 5)
    assert (new.prefetch_table, new.prefetch_count) == (TablePlace(offset=0x1100, size=20), 5)
    assert old.blob_table == TablePlace(offset=0x2378, size=0x48)
    assert new.blob_table == TablePlace(offset=0x1000, size=0x100)
    assert (old.chunk_table, new.chunk_table) == (None, TablePlace(offset=0xE000, size=860 * 80))


def test_a_superblock_has_every_stored_number():
    old, new = (as_json(read_superblock(headed(name))) for name in ("v5-lz4-sha256-fs", "v6-lz4-sha256-4k-fs"))
    shared = {
        "format", "version", "chunk_size", "flags", "flag_names", "inode_count", "root_inode", "blob_count",
        "prefetch_count", "magic", "blob_table_offset", "blob_table_size", "prefetch_table_offset",
    }  # fmt: skip
    assert old.keys() - shared == {
        "superblock_size", "inode_table_offset", "inode_table_entries", "prefetch_table_entries",
        "extended_blob_table_entries", "extended_blob_table_offset",
    }  # fmt: skip
    assert new.keys() - shared == {
        "checksum", "feature_compat", "blkszbits", "ext_slots", "root_nid", "inos", "build_time", "build_time_nsec",
        "blocks", "meta_blkaddr", "xattr_blkaddr", "feature_incompat", "union", "extra_devices", "device_table_slot",
        "uuid", "volume_name", "chunk_table_offset", "chunk_table_size", "prefetch_table_size",
    }  # fmt: skip
    assert old.keys() & new.keys() == shared
    assert (old["flags"], new["flags"]) == (0x3A, 0x100003A)
    assert old["flag_names"] == ["COMPRESSION_LZ4", "HASH_SHA256", "EXPLICIT_UID_GID", "HAS_XATTR"]
    assert new["flag_names"] == [*old["flag_names"], "ENCRYPTION_NONE"]
    assert (new["feature_compat"], new["meta_blkaddr"], new["root_inode"]) == (0x40000000, 2, 128)


@pytest.mark.parametrize("name", ["v5-inline", "v6-inline", "v6-toc-inline"])
def test_a_blob_with_its_bootstrap_inside_goes_by_its_own_name(name, tmp_path):
    (blob,) = (path for path in (recorded.GOLDEN / name).iterdir() if len(path.name) == 64)
    with open_image(f"boot:{shutil.copy(blob, tmp_path)}") as image:
        (row,) = list_blobs(image).blobs
    assert (row.blob_id, row.is_placeholder) == (blob.name, True)
    (alone,) = list_blobs(headed(name)).blobs
    assert (alone.blob_id, alone.is_placeholder) == ("image", True)


def test_the_meta_blob_of_a_reference_is_named():
    (row,) = list_blobs(headed("targz-ref")).blobs
    assert (recorded.GOLDEN / "targz-ref" / row.meta_id).stat().st_size == row.meta_size == 37040
    assert row.meta_digest.hex() == row.meta_id != row.blob_id
