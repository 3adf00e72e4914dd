"""The head of a RAFS v6 bootstrap: superblocks, and where everything lies.

This module alone decides which v6 bootstraps are read at all, and what stands in for numbers of their head that cannot
be. What only the peer's loader insists on (checksum 0, build counts) is left to the audit.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.base.text import escape
from rafsight.base.units import MiB
from rafsight.formats.judge import Judge
from rafsight.formats.rafs import shared_layout, shared_rules
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs import v6_rules as rules
from rafsight.formats.rafs.words import check_chunk_size, check_flags, flag_names
from rafsight.formats.records import Bools, Buffer, Long, Record, octets_of
from rafsight.formats.tables import Octets, Offsets, Superblock

WHERE: Final = "v6 superblock"
BLOB_TABLE: Final = "v6 blob table"
CHUNK_TABLE: Final = "v6 chunk table"
DEVICE_TABLE: Final = "v6 device table"
PREFETCH_TABLE: Final = "v6 prefetch table"
_EROFS, _RAFS = layout.SUPERBLOCK_OFFSET, layout.EXTENDED_SUPERBLOCK_OFFSET
_SHOWN: Final = (
    "magic", "checksum", "feature_compat", "blkszbits", "ext_slots", "root_nid", "inos", "build_time",
    "build_time_nsec", "blocks", "meta_blkaddr", "xattr_blkaddr", "feature_incompat", "union", "extra_devices",
    "device_table_slot",
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
    judge: Judge
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

    @property
    def has_chunk_table(self) -> bool:
        """Tell whether there is a chunk table that can be read."""
        size = self.chunk_table_count * shared_layout.CHUNK_INFO.size
        return size > 0 and self.chunk_table_offset + size <= len(self.content)

    def locate(self, nids: Long) -> tuple[Offsets, Bools]:
        """Find the inodes of some nids.

        Args:
            nids: (n,).
        Returns: (n,) [bytes]; (n,) whether the first 32 bytes lie inside the file, past the head. Offsets of others
            are 0.
        """
        inside = nids < np.uint64(self.slot_count)
        offsets = self.meta_offset + layout.INODE_SLOT * np.where(inside, nids, np.uint64(0)).astype(np.int64)
        inside &= offsets >= self.first_offset
        return np.where(inside, offsets, 0), inside

    def table(self, record: Record, offset: int, count: int, where: str) -> np.ndarray:
        """View a table; no rows if it lies outside the file and the judge goes on.

        Returns: (count,) or (0,), structured.
        """
        inside = offset + count * record.size <= len(self.content)
        if not self.judge.holds(inside, shared_rules.TABLE_OUTSIDE, where, offset, f"{count} rows"):
            count = 0
        return record.rows(self.content, offset if count else 0, count, where)


def read_volume(content: Buffer, limits: Limits, judge: Judge) -> Volume:
    """Read the superblocks of a v6 bootstrap.

    Raises: MalformedImage, UnsupportedImage: with a judge that goes on, only if it is too short or no RAFS at all.
    """
    if len(content) < layout.DEVICE_TABLE_OFFSET:
        raise shared_rules.BOOTSTRAP_SIZE.broken(WHERE, 0, f"{len(content)} bytes")
    head = layout.SUPERBLOCK.rows(content, _EROFS, 1, WHERE)[0]
    erofs = {name: int(head[name]) for name in _SHOWN}
    _check_features(erofs, judge)
    tail = layout.EXTENDED_SUPERBLOCK.rows(content, _RAFS, 1, WHERE)[0]
    rafs = {name: int(tail[name]) for name in (*_SHOWN_EXTENDED, "flags", "chunk_size")}
    check_flags(rafs["flags"], WHERE, _RAFS, judge)
    block_size = 1 << erofs["blkszbits"]
    meta_offset = erofs["meta_blkaddr"] * block_size
    if not judge.holds(meta_offset <= len(content), rules.META_OUTSIDE, WHERE, _EROFS + 40, str(meta_offset)):
        meta_offset = len(content)
    table_rows = _rows(rafs["blob_table_size"], layout.BLOB, BLOB_TABLE, 16, judge)
    blob_count = _blob_count(table_rows, erofs["extra_devices"], limits, judge)
    device_count = _device_count(erofs["extra_devices"], blob_count, len(content), judge)
    stored = check_chunk_size(rafs["chunk_size"], WHERE, _RAFS + 20, judge)
    rafs["chunk_size"] = stored or _other_chunk_size(content, rafs)
    return Volume(
        content=content,
        octets=octets_of(content),
        judge=judge,
        superblock=_describe(head, erofs, rafs),
        block_size=block_size,
        meta_offset=meta_offset,
        slot_count=(len(content) - meta_offset) // layout.INODE_SLOT,
        first_offset=layout.DEVICE_TABLE_OFFSET + device_count * layout.DEVICE_SLOT.size,
        root_nid=erofs["root_nid"],
        build_time=_signed(erofs["build_time"]),
        build_time_nsec=erofs["build_time_nsec"],
        device_count=device_count,
        blob_table_offset=rafs["blob_table_offset"],
        blob_count=blob_count,
        chunk_table_offset=rafs["chunk_table_offset"],
        chunk_table_count=_rows(rafs["chunk_table_size"], shared_layout.CHUNK_INFO, CHUNK_TABLE, 32, judge),
        prefetch_offset=rafs["prefetch_table_offset"],
        prefetch_count=_rows(rafs["prefetch_table_size"], layout.PREFETCH_ENTRY, PREFETCH_TABLE, 48, judge),
        chunk_size=rafs["chunk_size"],
        is_tarfs=bool(rafs["flags"] & shared_layout.TARFS_MODE),
    )


def _check_features(erofs: dict[str, int], judge: Judge) -> None:
    """Look at what an EROFS image uses; without RAFS, or with another block size, nothing can be read."""
    if not erofs["feature_compat"] & layout.COMPATIBLE_RAFS:
        raise rules.NOT_RAFS.broken(WHERE, _EROFS + 8)
    if erofs["feature_incompat"] != layout.INCOMPATIBLE:
        raise rules.FEATURE_WORD.broken(WHERE, _EROFS + 80, f"{erofs['feature_incompat']:#x}")
    if erofs["blkszbits"] not in (layout.BLOCK_BITS, layout.TARFS_BLOCK_BITS):
        raise rules.BLOCK_SIZE.broken(WHERE, _EROFS + 12, f"2^{erofs['blkszbits']}")
    judge.holds(not erofs["ext_slots"], rules.LONGER_SUPERBLOCK, WHERE, _EROFS + 13)
    judge.holds(not erofs["xattr_blkaddr"], rules.SHARED_XATTRS, WHERE, _EROFS + 44)
    slot = erofs["device_table_slot"]
    judge.holds(slot == layout.DEVICE_TABLE_SLOT, rules.DEVICE_TABLE_SLOT, WHERE, _EROFS + 88, str(slot))


def _describe(head: np.void, erofs: dict[str, int], rafs: dict[str, int]) -> Superblock:
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
        texts=(
            ("uuid", head["uuid"].tobytes().hex()),
            ("volume_name", escape(head["volume_name"].tobytes().rstrip(b"\0"))),
        ),
    )


def _rows(size: int, record: Record, where: str, field: int, judge: Judge) -> int:
    """Count the rows of a table; `field` is [bytes] of its size in the extended superblock."""
    judge.holds(size % record.size == 0, shared_rules.TABLE_SIZE, where, _RAFS + field, f"{size} bytes")
    return size // record.size


def _blob_count(table_rows: int, device_count: int, limits: Limits, judge: Judge) -> int:
    """Count the blobs: the rows of the blob table; if these cannot be, as many as there are devices."""
    most = min(layout.MAX_DEVICES, limits.blob_count)
    if judge.holds(table_rows <= most, shared_rules.BLOB_COUNT, BLOB_TABLE, _RAFS + 16, f"{table_rows} blobs"):
        return table_rows
    return min(device_count, most)


def _device_count(stored: int, blob_count: int, size: int, judge: Judge) -> int:
    """Count the device slots.

    A table that ends past the file is refused. One of another length than the blob table is only told to judges that go
    on, with as many slots as there are blobs: the superblock would reach over the inodes otherwise.
    """
    room = (size - layout.DEVICE_TABLE_OFFSET) // layout.DEVICE_SLOT.size
    at, detail = _EROFS + 86, f"{stored} for {blob_count} blobs"
    is_inside = judge.holds(stored <= room, shared_rules.TABLE_OUTSIDE, DEVICE_TABLE, at, detail)
    if judge.is_strict:
        return stored
    if is_inside:
        judge.holds(stored == blob_count, rules.DEVICE_COUNT, DEVICE_TABLE, at, detail)
    return min(stored, blob_count, room)


def _other_chunk_size(content: Buffer, rafs: dict[str, int]) -> int:
    """Find a chunk size for an image whose superblock has none: that of its first blob, or what builders choose."""
    place = rafs["blob_table_offset"] + 68
    size = int.from_bytes(content[place : place + 4], "little")
    is_one = not size & (size - 1) and shared_layout.MIN_CHUNK_SIZE <= size <= shared_layout.MAX_CHUNK_SIZE
    return size if is_one else MiB


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
