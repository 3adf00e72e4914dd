"""The head of a RAFS v6 bootstrap: superblocks, and where everything lies.

This module alone decides which v6 bootstraps are read at all. What only the peer's loader insists on (checksum 0, build
counts) is left to `check`; what would make this reader wrong is refused here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.rafs import shared_layout
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs.faults import UnsupportedImage
from rafsight.formats.rafs.words import check_chunk_size, check_flags, flag_names
from rafsight.formats.records import Buffer, Long, check_range, octets_of, require
from rafsight.formats.tables import MalformedImage, Octets, Offsets, Superblock

WHERE: Final = "v6 superblock"
_SHOWN: Final = (
    "checksum", "feature_compat", "blkszbits", "ext_slots", "build_time", "build_time_nsec", "blocks",
    "meta_blkaddr", "xattr_blkaddr", "feature_incompat", "extra_devices", "device_table_slot",
)  # fmt: skip
_SHOWN_EXTENDED: Final = (
    "blob_table_offset", "blob_table_size", "chunk_table_offset", "chunk_table_size", "prefetch_table_offset",
    "prefetch_table_size",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A v6 bootstrap whose head has been read; sizes and offsets in bytes."""

    content: Buffer
    octets: Octets
    """(file size,) the same."""
    superblock: Superblock
    block_size: int
    meta_offset: int
    """Where nid 0 would lie."""
    slot_count: int
    """Inode slots between there and the end."""
    first_offset: int
    """End of superblocks and device slots: nothing else lies before it."""
    root_nid: int
    build_time: int
    build_time_nsec: int
    device_count: int
    blob_table_offset: int
    blob_count: int
    chunk_table_offset: int
    chunk_table_count: int
    prefetch_offset: int
    prefetch_count: int
    chunk_size: int
    is_tarfs: bool

    def locate(self, nids: Long, where: str) -> Offsets:
        """Find the inodes of some nids.

        Args:
            nids: (n,).
            where: what names them, for the error.
        Returns: (n,) [bytes]; the first 32 bytes of each lie inside the file, past the head.
        Raises: MalformedImage.
        """
        inside = nids < np.uint64(self.slot_count)
        offsets = self.meta_offset + layout.INODE_SLOT * np.where(inside, nids, np.uint64(0)).astype(np.int64)
        require(inside & (offsets >= self.first_offset), where, "names an inode outside the file", offsets)
        return offsets


def read_volume(content: Buffer, limits: Limits) -> Volume:
    """Read the superblocks of a v6 bootstrap.

    Raises: MalformedImage, UnsupportedImage.
    """
    head = layout.SUPERBLOCK.rows(content, layout.SUPERBLOCK_OFFSET, 1, WHERE)[0]
    erofs = {name: int(head[name]) for name in (*_SHOWN, "root_nid", "inos")}
    _check_features(erofs)
    tail = layout.EXTENDED_SUPERBLOCK.rows(content, layout.EXTENDED_SUPERBLOCK_OFFSET, 1, "v6 extended superblock")[0]
    rafs = {name: int(tail[name]) for name in (*_SHOWN_EXTENDED, "flags", "chunk_size")}
    check_flags(rafs["flags"], WHERE)
    block_size = 1 << erofs["blkszbits"]
    meta_offset = erofs["meta_blkaddr"] * block_size
    if meta_offset > len(content):
        raise MalformedImage(where=WHERE, what="the metadata begin past the end", offset=meta_offset)
    device_end = layout.DEVICE_TABLE_OFFSET + erofs["extra_devices"] * layout.DEVICE_SLOT.size
    check_range(content, 0, device_end, "v6 device table")
    return Volume(
        content=content,
        octets=octets_of(content),
        superblock=_describe(erofs, rafs),
        block_size=block_size,
        meta_offset=meta_offset,
        slot_count=(len(content) - meta_offset) // layout.INODE_SLOT,
        first_offset=device_end,
        root_nid=erofs["root_nid"],
        build_time=_signed(erofs["build_time"]),
        build_time_nsec=erofs["build_time_nsec"],
        device_count=erofs["extra_devices"],
        blob_table_offset=rafs["blob_table_offset"],
        blob_count=_blob_count(rafs["blob_table_size"], limits),
        chunk_table_offset=rafs["chunk_table_offset"],
        chunk_table_count=_rows(rafs["chunk_table_size"], shared_layout.CHUNK_INFO.size, "v6 chunk table"),
        prefetch_offset=rafs["prefetch_table_offset"],
        prefetch_count=_rows(rafs["prefetch_table_size"], layout.PREFETCH_ENTRY.size, "v6 prefetch table"),
        chunk_size=check_chunk_size(rafs["chunk_size"], WHERE, layout.EXTENDED_SUPERBLOCK_OFFSET + 20),
        is_tarfs=bool(rafs["flags"] & shared_layout.TARFS_MODE),
    )


def _check_features(erofs: dict[str, int]) -> None:
    """Refuse EROFS images that are no RAFS, or use what RAFS v6 does not."""
    if not erofs["feature_compat"] & layout.COMPATIBLE_RAFS:
        raise UnsupportedImage(where=WHERE, what="an EROFS image without the RAFS extension")
    if erofs["feature_incompat"] != layout.INCOMPATIBLE:
        raise UnsupportedImage(where=WHERE, what=f"feature word {erofs['feature_incompat']:#x}")
    if erofs["blkszbits"] not in (layout.BLOCK_BITS, layout.TARFS_BLOCK_BITS):
        raise UnsupportedImage(where=WHERE, what=f"a block size of 2^{erofs['blkszbits']}")
    if erofs["ext_slots"] or erofs["xattr_blkaddr"]:
        raise UnsupportedImage(where=WHERE, what="a longer superblock or shared xattrs")
    if erofs["device_table_slot"] != layout.DEVICE_TABLE_SLOT:
        raise UnsupportedImage(where=WHERE, what=f"a device table in slot {erofs['device_table_slot']}")


def _describe(erofs: dict[str, int], rafs: dict[str, int]) -> Superblock:
    shown = tuple((name, erofs[name]) for name in _SHOWN) + tuple((name, rafs[name]) for name in _SHOWN_EXTENDED)
    return Superblock(
        format="RAFS v6",
        version=6,
        chunk_size=rafs["chunk_size"],
        flags=rafs["flags"],
        flag_names=flag_names(rafs["flags"]),
        inode_count=erofs["inos"],
        root_ino=erofs["root_nid"],
        fields=shown,
    )


def _blob_count(size: int, limits: Limits) -> int:
    count = _rows(size, layout.BLOB.size, "v6 blob table")
    if count > min(layout.MAX_DEVICES, limits.blob_count):
        raise MalformedImage(where="v6 blob table", what=f"has {count} blobs", offset=layout.EXTENDED_SUPERBLOCK_OFFSET)
    return count


def _rows(size: int, row_size: int, where: str) -> int:
    if size % row_size:
        what = f"has {size} bytes, no multiple of {row_size}"
        raise MalformedImage(where=where, what=what, offset=layout.EXTENDED_SUPERBLOCK_OFFSET)
    return size // row_size


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
