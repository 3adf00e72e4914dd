"""A v6 bootstrap put together inode by inode: for shapes that no builder makes."""

import struct

import numpy as np

from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v6_layout as layout

META = 8192
DIRECTORY, REGULAR, SYMLINK, CHARACTER = 0o040755, 0o100644, 0o120777, 0o020600


class Bootstrap:
    """Inodes are added behind each other; nids can be foretold by `next_nid`."""

    def __init__(self, *, block_bits: int = 12, features: int = shared.ALIGNED | shared.CAP_TAR_TOC, flags: int = 0):
        self.block = 1 << block_bits
        self.content = bytearray(META + 4096)
        self.records: list[bytes] = []
        self.features, self.flags = features, flags | shared.COMPRESSION_NONE | shared.HASH_SHA256
        self.chunk_count = 1
        self.meta_size = 16

    @property
    def next_nid(self) -> int:
        return (-(-len(self.content) // 32) * 32 - META) // 32

    def inode(self, mode: int, *, size=0, kind=None, union=0, body=b"", xattrs=b"", nlink=1, compact=False, fmt=None):
        """Add an inode with what follows it; returns its nid."""
        nid = self.next_nid
        self.content += bytes(-len(self.content) % 32)
        count = 1 + (len(xattrs) - 12) // 4 if xattrs else 0
        data_layout = kind if kind is not None else layout.LAYOUT_CHUNKED if mode >> 12 == 8 else layout.LAYOUT_INLINE
        form = fmt if fmt is not None else data_layout << 1 | (0 if compact else 1)
        if compact:
            self.content += struct.pack("<4HIIIIHHI", form, count, mode, nlink, size, 0, union, 1, 5, 6, 0)
        else:
            head = struct.pack("<4HQIIII", form, count, mode, 0, size, union, 1, 70000, 70001)
            self.content += head + struct.pack("<qII16x", -5, 7, nlink)
        self.content += xattrs
        if mode >> 12 == 8:
            self.content += bytes(-len(self.content) % 8)
        self.content += body
        return nid

    def directory(self, entries, *, own=None, parent=None, **options):
        """Add a directory: (name, nid, file type) in the order given, behind its dots."""
        nid = self.next_nid
        own, parent = nid if own is None else own, nid if parent is None else parent
        data = dirents([(b".", own, 2), (b"..", parent, 2), *entries])
        return self.inode(DIRECTORY, size=len(data), body=data, nlink=2, **options)

    def file(self, indexes, size, **options):
        """Add a file of one slice an index (blob index, number, block)."""
        body = b"".join(
            struct.pack("<HBBI", number & 0xFFFF, blob + 1, number >> 16, block) for blob, number, block in indexes
        )
        return self.inode(REGULAR, size=size, union=shared_indexes(), body=body, **options)

    def chunk(self, number=0, *, size=100, block=0, blob=0, digest=b"d" * 32, flags=0, stored=None, offset=0):
        self.records.append(
            digest + struct.pack("<4I3Q2I", blob, flags, stored or size, size, offset, block * self.block, 0, number, 0)
        )

    def finish(self, root: int, *, chunk_size=4096, **head) -> bytes:
        """Add tables and superblocks."""
        content = self.content + bytes(-len(self.content) % 4096)
        table = len(content)
        content += b"".join(self.records)
        content += bytes(-len(content) % 4096)
        erofs, rafs = np.zeros(1, layout.SUPERBLOCK.dtype), np.zeros(1, layout.EXTENDED_SUPERBLOCK.dtype)
        slot, blob = np.zeros(1, layout.DEVICE_SLOT.dtype), np.zeros(1, layout.BLOB.dtype)
        values = {
            "magic": layout.MAGIC, "feature_compat": layout.COMPATIBLE_RAFS, "blkszbits": self.block.bit_length() - 1,
            "root_nid": root, "inos": 1, "meta_blkaddr": META // self.block, "feature_incompat": layout.INCOMPATIBLE,
            "extra_devices": 1, "device_table_slot": layout.DEVICE_TABLE_SLOT, "blocks": 1, "build_time": 1000,
            "build_time_nsec": 9,
        } | head  # fmt: skip
        for name, value in values.items():
            erofs[name] = value
        rafs["flags"], rafs["blob_table_offset"], rafs["blob_table_size"] = self.flags, 4096, layout.BLOB.size
        rafs["chunk_size"], rafs["chunk_table_offset"], rafs["chunk_table_size"] = (
            chunk_size,
            table,
            80 * len(self.records),
        )
        slot["blob_id"], slot["blocks"] = np.void(b"a" * 64), 1
        blob["blob_id"], blob["chunk_size"], blob["features"] = np.void(b"a" * 64), chunk_size, self.features
        blob["chunk_count"], blob["digester"], blob["uncompressed_size"] = self.chunk_count, 1, 4096
        blob["meta_uncompressed_size"] = blob["meta_compressed_size"] = self.meta_size
        for offset, record in ((1024, erofs), (1152, rafs), (1408, slot), (4096, blob)):
            content[offset : offset + record.nbytes] = record.tobytes()
        return bytes(content)


def shared_indexes() -> int:
    return layout.CHUNK_FORMAT_INDEXES


def dirents(entries) -> bytes:
    """One block of dirents and names."""
    offset = 12 * len(entries)
    head, names = b"", b""
    for name, nid, kind in entries:
        head += struct.pack("<QHBB", nid, offset, kind, 0)
        offset += len(name)
        names += name
    return head + names
