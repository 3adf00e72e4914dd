"""The layout tables against the offsets that the format reference and the kernel's header state."""

import pytest

from rafsight.formats.rafs import blob_meta_layout, shared_layout, v5_layout, v6_layout
from rafsight.formats.records import Record

RECORDS = {
    record.name: record
    for module in (shared_layout, v5_layout, v6_layout, blob_meta_layout)
    for record in vars(module).values()
    if isinstance(record, Record)
}
OFFSETS = {
    "chunk record": {"blob_index": 32, "compressed_offset": 48, "file_offset": 64, "number": 72, "crc32": 76},
    "v5 superblock": {"flags": 16, "inode_count": 24, "inode_table_entries": 56, "extended_blob_table_offset": 72},
    "v5 inode": {"parent": 32, "mode": 60, "flags": 80, "child_index": 92, "name_size": 100, "rdev": 104, "mtime": 112},
    "extended blob table entry": {"features": 4, "compressed_size": 16, "reserved": 24},
    "EROFS superblock": {
        "blkszbits": 12,
        "root_nid": 14,
        "meta_blkaddr": 40,
        "feature_incompat": 80,
        "extra_devices": 86,
    },
    "v6 extended superblock": {"blob_table_size": 16, "chunk_table_offset": 24, "prefetch_table_offset": 40},
    "device slot": {"blocks": 64, "mapped_blkaddr": 68},
    "v6 blob table entry": {
        "features": 84,
        "toc_size": 104,
        "meta_offset": 112,
        "meta_digest_or_key": 168,
        "cipher": 216,
    },
    "compact inode": {"nlink": 6, "size": 8, "union": 16, "uid": 24},
    "extended inode": {"size": 8, "union": 16, "uid": 24, "mtime": 32, "nlink": 44},
    "dirent": {"name_offset": 8, "file_type": 10},
    "EROFS chunk index": {"device": 2, "block": 4},
    "chunk index": {"device": 2, "number_high": 3, "block": 4},
    "chunk-info header": {"context_offset": 40, "context_count": 56, "end_magic": 4092},
    "zran context": {"dictionary_offset": 16, "previous_byte": 36, "bits": 37},
    "tar header": {"size": 124, "checksum": 148, "type": 156, "magic": 257},
    "ToC entry": {"name": 8, "digest": 24, "offset": 56, "compressed_size": 64},
}
SIZES = {
    "chunk record": 80, "v5 superblock": 80, "inode table entry": 4, "v5 inode": 128, "xattr block": 8, "xattr pair": 4,
    "blob table entry": 8, "extended blob table entry": 64, "prefetch table entry": 4, "EROFS superblock": 128,
    "v6 extended superblock": 256, "device slot": 128, "v6 blob table entry": 256, "compact inode": 32,
    "extended inode": 64, "dirent": 12, "EROFS chunk index": 8,
    "chunk index": 8, "xattr entry": 4, "chunk-info header": 4096,
    "chunk-info record v1": 16, "chunk-info record v2": 24, "batch context": 40, "zran context": 40, "tar header": 512,
    "ToC entry": 128,
}  # fmt: skip


def test_sizes():
    assert {name: record.dtype.itemsize for name, record in RECORDS.items()} == SIZES


@pytest.mark.parametrize("name", OFFSETS)
def test_offsets(name):
    fields = RECORDS[name].dtype.fields
    assert {field: fields[field][1] for field in OFFSETS[name]} == OFFSETS[name]


@pytest.mark.parametrize("name", SIZES)
def test_fields_have_no_gaps_and_one_meaning_each(name):
    record = RECORDS[name]
    assert record.dtype.names == tuple(field for field, _, _ in record.fields)
    assert sum(record.dtype[field].itemsize for field in record.dtype.names) == record.size


def test_a_table_that_does_not_add_up_is_refused():
    with pytest.raises(AssertionError, match="3 bytes of fields"):
        Record("wrong", size=4, fields=(("one", "u1", ""), ("two", "<u2", "")))
