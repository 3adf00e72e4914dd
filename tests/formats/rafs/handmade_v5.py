"""RAFS v5 bootstraps put together record by record: for shapes that no builder makes."""

import struct

import numpy as np

from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v5_layout as layout

DIRECTORY, REGULAR, SYMLINK = 0o040755, 0o100644, 0o120777
BLOB_ID = b"b" * 64


def inode(mode, name, **fields):
    """One record: `after` is what follows the name."""
    after = fields.pop("after", b"")
    row = np.zeros(1, layout.INODE.dtype)
    row["mode"], row["nlink"], row["name_size"] = mode, 1, len(name)
    for field, value in fields.items():
        row[field] = value
    return row.tobytes() + name + bytes(-len(name) % 8) + after


def chunk(size, *, offset=0, file_offset=0, blob=0, number=0, flags=0, digest=b"c" * 32, stored=None):
    sizes = (blob, flags, stored or size, size)
    return digest + struct.pack("<4I3Q2I", *sizes, offset, offset, file_offset, number, 0)


def bootstrap(records, *, extended=True, features=shared.CAP_TAR_TOC, flags=0, blob_ids=(BLOB_ID,), **head):
    """Put a v5 bootstrap together; inode numbers are positions unless given."""
    table_size = -(-4 * len(records) // 8) * 8
    blob_table = b"\0".join(struct.pack("<II", 0, 0) + blob_id for blob_id in blob_ids)
    blob_table += bytes(-len(blob_table) % 8)
    rows = b"".join(struct.pack("<IIQQ40x", 1, features, 4096, 4096) for _ in blob_ids) if extended else b""
    blob_offset = 8192 + table_size
    start = blob_offset + len(blob_table) + len(rows)
    table, body = b"", b""
    for number, record in enumerate(records):
        table += struct.pack("<I", (start + len(body)) >> 3)
        ino = int.from_bytes(record[40:48], "little") or number + 1
        body += record[:40] + struct.pack("<Q", ino) + record[48:]
    superblock = np.zeros(1, layout.SUPERBLOCK.dtype)
    values = {
        "magic": layout.MAGIC, "version": layout.VERSION, "superblock_size": 8192, "chunk_size": 4096,
        "flags": flags, "inode_count": len(records), "inode_table_offset": 8192, "prefetch_table_offset": blob_offset,
        "blob_table_offset": blob_offset, "inode_table_entries": len(records), "blob_table_size": len(blob_table),
        "extended_blob_table_entries": len(blob_ids) if extended else 0,
        "extended_blob_table_offset": blob_offset + len(blob_table),
    } | head  # fmt: skip
    for name, value in values.items():
        superblock[name] = value
    return superblock.tobytes().ljust(8192, b"\0") + table.ljust(table_size, b"\0") + blob_table + rows + body


def root(count, **fields):
    return inode(DIRECTORY, b"/", **({"child_index": 2, "child_count": count} | fields))


def with_files(*files):
    return bootstrap([root(len(files)), *files])
