"""Kinds of damage to RAFS v5 bootstraps, and the rule that each one breaks."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from tests.formats.rafs import images
from tests.formats.rafs.handmade_v5 import DIRECTORY, REGULAR, bootstrap, inode, root
from tests.formats.rafs.v5_patch import Patch

from rafsight.base.limits import Limits
from rafsight.formats.judge import Rule
from rafsight.formats.rafs import shared_rules as s
from rafsight.formats.rafs import v5_rules as v

BASE = "v5-lz4-sha256-fs"
HUGE = 0xFFFF_FFF8


@dataclass(frozen=True)
class Damage:
    name: str
    rule: Rule
    patch: Callable[[Patch], object]
    at: bytes | int | Callable[[Patch], int] | None = None
    """The path of the inode that the fault names, or the offset that it shows."""
    also: set[str] = field(default_factory=set)
    """Codes of other faults that may come with it."""
    seal: bool = False
    """Whether digests are computed again."""
    ends: bool = False
    """Whether nothing can be read."""
    base: str = BASE
    limits: Limits = images.LIMITS

    def make(self) -> Patch:
        patch = Patch(base(self.base))
        self.patch(patch)
        if self.seal:
            patch.seal()
        return patch


@cache
def base(name: str) -> bytes:
    if name == "chain":
        return _chain(4200)
    if name == "twins":
        return _twins()
    return images.bootstrap(name)


def _chain(length: int) -> bytes:
    """Directories in each other, and a file at the end."""
    fields = {"child_count": 1, "nlink": 3, "size": 4096}
    levels = [inode(DIRECTORY, b"d", child_index=n + 3, parent=n + 1, **fields) for n in range(length)]
    file = inode(REGULAR, b"f", parent=length + 1)
    return _sealed(bootstrap([root(1, nlink=3, size=4096), *levels, file], flags=0x5))


def _twins() -> bytes:
    """A file with two xattrs whose names are equally long."""
    pairs = b"".join(struct.pack("<I", 8) + name + b"\0v" for name in (b"user.a", b"user.b"))
    area = struct.pack("<Q", len(pairs)) + pairs
    file = inode(REGULAR, b"a", parent=1, flags=4, after=area)
    return _sealed(bootstrap([root(1, nlink=2, size=4096), file], flags=0x25))


def _sealed(content: bytes) -> bytes:
    patch = Patch(content)
    patch.seal()
    return bytes(patch.content)


def _relocate(p: Patch) -> None:
    """Move the record of `/!dir` behind all others."""
    start = p.record(b"/!dir")
    p.content += p.content[start : start + 136]
    p.set_entry(b"/!dir", (len(p.content) - 136) // 8)


def _number_links(p: Patch) -> None:
    for path in (b"/h3", b"/a/h1", b"/a/b/h2"):
        p.set(path, ino=p.number(b"/a/h1"))


def _shorten_link(p: Patch) -> None:
    p.set(b"/a/b/h2", size=4999)
    p.set_chunk(b"/a/b/h2", size=4999)


def _claim_siblings(p: Patch) -> None:
    p.set(b"/a", child_index=p.number(b"/!dir/$x"), child_count=1)


def _misplace(p: Patch) -> None:
    """Have an entry name a record without a number amid the chunks of a large file."""
    start, place = p.record(b"/one"), p.set_chunk(b"/big", 5)
    p.put(place, bytes(p.content[start : start + 216]))
    p.set_entry(b"/one", place // 8)
    p.set(b"/one", ino=0)


def _drop_record(p: Patch) -> None:
    p.content = p.content[:-80]


def _make_sparse(p: Patch, ordinal: int, file_offset: int) -> int:
    p.set(b"/sparse", flags=8)
    return p.set_chunk(b"/sparse", ordinal, file_offset=file_offset)


def _pair(p: Patch, path: bytes) -> int:
    return p.xattr_place(p.index_of[path]) + 8


def _blob_place(p: Patch, offset: int = 8) -> int:
    return p.head("blob_table_offset") + offset


def _prefetch_place(p: Patch, entry: int) -> int:
    return p.head("prefetch_table_offset") + 4 * entry


def _features(p: Patch, bits: int) -> None:
    place = p.head("extended_blob_table_offset") + 4
    p.put(place, struct.pack("<I", p.get(place, "<u4") | bits))


def _padding(p: Patch, path: bytes) -> None:
    index = p.index_of[path]
    p.put(p.record_at(index) + 128 + p.value(index, "name_size"), b"x")


GAP = {v.RECORD_GAP.code}
ORDER = {s.NAME_ORDER.code}
COUNT = {s.INODE_COUNT.code}

SUPERBLOCK = [
    Damage("another version", v.VERSION, lambda p: p.set_head(version=0x600), 4, ends=True),
    Damage(
        "nothing but a superblock", s.BOOTSTRAP_SIZE, lambda p: p.content.__delitem__(slice(8192, None)), 0, ends=True
    ),
    Damage("odd size", s.BOOTSTRAP_SIZE, lambda p: p.content.extend(b"\0\0\0"), 0, also=GAP),
    Damage("superblock size", v.SUPERBLOCK_SIZE, lambda p: p.set_head(superblock_size=4096), 8),
    Damage("unknown flag", s.UNKNOWN_FLAGS, lambda p: p.set_head(flags=p.head("flags") | 0x400), 16),
    Damage("chunk size 5000", s.CHUNK_SIZE, lambda p: p.set_head(chunk_size=5000), 12),
    Damage("chunk size 0", s.CHUNK_SIZE, lambda p: p.set_head(chunk_size=0), 12),
    Damage("chunk size 2 GiB", s.CHUNK_SIZE, lambda p: p.set_head(chunk_size=1 << 31), 12),
    Damage(
        "half the chunk size",
        v.CHUNK_COUNT,
        lambda p: p.set_head(chunk_size=32768),
        b"/big",
        also={v.CHUNK_FILE_OFFSET.code, s.CHUNK_LENGTH.code},
    ),
    Damage("two compressors", v.ALGORITHMS, lambda p: p.set_head(flags=p.head("flags") | 0x80), 16),
    Damage("no digester", v.ALGORITHMS, lambda p: p.set_head(flags=p.head("flags") & ~0xC), 16, base="v5-zstd"),
    Damage("flag of v6", v.FOREIGN_FLAGS, lambda p: p.set_head(flags=p.head("flags") | 0x1000000), 16),
    Damage("xattrs without flag", s.XATTR_FLAG, lambda p: p.set_head(flags=p.head("flags") & ~0x20), 16),
    Damage("too many inodes", v.INODE_EXCESS, lambda p: p.set_head(inode_count=1000), 24),
    Damage("one inode more", s.INODE_COUNT, lambda p: p.set_head(inode_count=214), 24),
    Damage("superblock padding", s.RESERVED, lambda p: p.put(4000, b"x"), 4000),
]
TABLES = [
    Damage("inode table past the end", s.TABLE_OUTSIDE, lambda p: p.set_head(inode_table_offset=1 << 40), 1 << 40, ends=True),
    Damage("inode table in the superblock", s.TABLE_OVERLAP, lambda p: p.set_head(inode_table_offset=4096), 4096, ends=True),
    Damage("no entries", v.NO_ENTRIES, lambda p: p.set_head(inode_table_entries=0), 56, ends=True),
    Damage("endless inode table", s.TABLE_OUTSIDE, lambda p: p.set_head(inode_table_entries=0xFFFFFFFF), 8192,
           also={s.INODE_OUTSIDE.code}),
    Damage("one entry more", s.INODE_OUTSIDE, lambda p: p.set_head(inode_table_entries=216), 9052),
    Damage("one entry less", v.CHILDREN_OUTSIDE, lambda p: p.set_head(inode_table_entries=214), "/ünïcode".encode(), also=COUNT | GAP),
    Damage("too many entries", s.ENTRY_COUNT, lambda p: None, 56, limits=Limits(entry_count=214),
           also=COUNT | GAP | {v.CHILDREN_OUTSIDE.code}),
    Damage("prefetch table past the end", s.TABLE_OUTSIDE, lambda p: p.set_head(prefetch_table_offset=1 << 62), 1 << 62),
    Damage("endless prefetch table", s.TABLE_OUTSIDE, lambda p: p.set_head(prefetch_table_entries=0xFFFFFFFF), 9056),
    Damage("prefetch table on the inode table", s.TABLE_OVERLAP, lambda p: p.set_head(prefetch_table_offset=8200), 8200),
    Damage("crooked prefetch table", s.TABLE_ALIGNMENT, lambda p: p.set_head(prefetch_table_offset=9060), 9060),
    Damage("absent and crooked table", s.TABLE_ALIGNMENT, lambda p: p.set_head(prefetch_table_offset=8225), 8225, base="v5-nodata"),
    Damage("prefetch goes on", s.PREFETCH_TAIL, lambda p: p.put(_prefetch_place(p, 2), bytes(4)), lambda p: _prefetch_place(p, 3)),
    Damage("prefetch padding", s.RESERVED, lambda p: p.put(_prefetch_place(p, 5), b"x"), lambda p: _prefetch_place(p, 5)),
    Damage("inode table padding", s.RESERVED, lambda p: p.put(9052, b"x"), 9052),
    Damage("endless blob table", s.TABLE_OUTSIDE, lambda p: p.set_head(blob_table_size=HUGE), 9080),
    Damage("blob table on the inode table", s.TABLE_OVERLAP, lambda p: p.set_head(blob_table_offset=8192), None),
    Damage("odd blob table", v.BLOB_TABLE_SIZE, lambda p: p.set_head(blob_table_size=70), 64),
    Damage("blob table padding", s.RESERVED, lambda p: p.put(_blob_place(p, 67), b"\0xxxx"), lambda p: _blob_place(p, 68)),
    Damage("blob named like a path", s.BLOB_ID, lambda p: p.put(_blob_place(p), b"../"), _blob_place),
    Damage("blob without a name", s.BLOB_ID, lambda p: p.put(_blob_place(p), b"\0"), _blob_place,
           also={v.READAHEAD.code, v.EXTENDED_ROWS.code}),
    Damage("readahead from the middle", v.READAHEAD, lambda p: p.put(_blob_place(p, 0), b"\5"), lambda p: _blob_place(p, 0)),
    Damage("too many blobs", s.BLOB_COUNT, lambda p: None, 8224, base="chunk-dict-v5", limits=Limits(blob_count=1),
           also={s.CHUNK_BLOB.code, v.EXTENDED_SURPLUS.code, s.RESERVED.code}),
    Damage("endless extended blob table", s.TABLE_OUTSIDE, lambda p: p.set_head(extended_blob_table_entries=0x7FFFFFFF), 9152),
    Damage("extended blob table past the end", s.TABLE_OUTSIDE, lambda p: p.set_head(extended_blob_table_offset=1 << 63), 1 << 63),
    Damage("extended rows without blobs", v.EXTENDED_SURPLUS, lambda p: p.set_head(extended_blob_table_entries=2), 9152,
           also={v.RECORD_ON_TABLE.code}),
    Damage("blobs without extended rows", v.EXTENDED_ROWS, lambda p: p.set_head(extended_blob_table_entries=1), 8376, base="chunk-dict-v5"),
    Damage("extended row padding", s.RESERVED, lambda p: p.put(9152 + 40, b"x"), 9152),
    Damage("batches in v5", v.FOREIGN_FEATURES, lambda p: _features(p, 0x80), 9152),
    Damage("unknown feature", v.FOREIGN_FEATURES, lambda p: _features(p, 0x1000), 9152),
]  # fmt: skip
RECORDS = [
    Damage("record in the superblock", s.INODE_OUTSIDE, lambda p: p.set_entry(b"/f4095", 1024), lambda p: p.entry(b"/f4095")),
    Damage("record past 4 GiB", s.INODE_OUTSIDE, lambda p: p.set_entry(b"/f4095", 1 << 29), lambda p: p.entry(b"/f4095")),
    Damage("record at the end", s.INODE_OUTSIDE, lambda p: p.set_entry(b"/f4095", len(p.content) // 8), lambda p: p.entry(b"/f4095")),
    Damage("directory past the end", s.INODE_OUTSIDE, lambda p: p.set_entry(b"/a", HUGE), lambda p: p.entry(b"/a")),
    Damage("root past the end", s.INODE_OUTSIDE, lambda p: p.set_entry(b"/", HUGE), 8192),
    Damage("one record for two", v.RECORD_OVERLAP, lambda p: p.set_entry(b"/one", p.record(b"/none") // 8), b"/none"),
    Damage("record eight bytes late", v.RECORD_CUT, lambda p: p.set_entry(b"/one", p.record(b"/one") // 8 + 1), lambda p: p.record(b"/one")),
    Damage("senseless record amid another", v.RECORD_OVERLAP, _misplace, lambda p: p.record(b"/one"),
           also={v.INODE_DIGEST.code, s.CHUNK_BLOB.code, s.CHUNK_OFFSET.code, s.CHUNK_LENGTH.code, v.CHUNK_FILE_OFFSET.code, v.CHUNK_FOREIGN_FLAGS.code}),
    Damage("more chunks than room", v.RECORD_OVERLAP, lambda p: p.add(b"/f4095", "child_count", 1), b"/f4095"),
    Damage("larger xattrs", v.RECORD_OVERLAP, lambda p: p.put(_pair(p, b"/xa-fifo") - 8, b"\x20"), b"/xa-fifo"),
    Damage("cut in a chunk record", v.RECORD_CUT, _drop_record, "/ünïcode/🦀".encode()),
    Damage("chunks past the end", v.RECORD_CUT, lambda p: p.set(b"/f4095", child_count=0xFFFFFFFF), b"/f4095"),
    Damage("target past the end", v.RECORD_CUT, lambda p: p.set(b"/sl-dangling", target_size=65535), b"/sl-dangling"),
    Damage("name past the end", v.RECORD_CUT, lambda p: p.set("/ünïcode/🦀".encode(), name_size=65535), "/ünïcode/🦀".encode()),
    Damage("bytes behind the last record", v.RECORD_GAP, lambda p: p.content.extend(bytes(8)), "/ünïcode/🦀".encode()),
    Damage("directory behind its child", v.RECORD_ORDER, _relocate, b"/!dir/$x", also=GAP),
    Damage("record on a table", v.RECORD_ON_TABLE, lambda p: p.set_head(extended_blob_table_entries=2), b"/",
           also={v.EXTENDED_SURPLUS.code}),
]  # fmt: skip
TREE = [
    Damage("loop to the root", v.CHILDREN_BEFORE, lambda p: p.set(b"/a", child_index=1), b"/a"),
    Damage("child of itself", v.CHILDREN_BEFORE, lambda p: p.set(b"/a/b", child_index=p.number(b"/a/b")), b"/a/b"),
    Damage("child index 0", v.CHILDREN_BEFORE, lambda p: p.set(b"/", child_index=0), b"/"),
    Damage("endless directory", v.CHILDREN_OUTSIDE, lambda p: p.set(b"/a", child_count=0xFFFFFFFF), b"/a"),
    Damage("children nowhere", v.CHILDREN_OUTSIDE, lambda p: p.set(b"/a", child_index=0xFFFFFFFF), b"/a"),
    Damage("endless root", v.CHILDREN_OUTSIDE, lambda p: p.set(b"/", child_count=0xFFFFFFFF), b"/"),
    Damage("one child more", v.CHILDREN_SHARED, lambda p: p.add(b"/a", "child_count", 1), b"/a"),
    Damage("children of another", v.CHILDREN_SHARED, _claim_siblings, b"/a", also={v.ENTRY_LOST.code}),
    Damage("one child less", v.ENTRY_LOST, lambda p: p.add(b"/a", "child_count", -1), b"/a/sl-hard", seal=True),
    Damage("one subtree less", v.ENTRY_LOST, lambda p: p.set(b"/a/b", child_count=0), b"/a/b/c", seal=True),
    Damage("root without children", v.ENTRY_LOST, lambda p: p.set(b"/", child_count=0), b"/a", seal=True),
    Damage("root is a file", s.ROOT_KIND, lambda p: p.set(b"/", mode=0o100644), b"/"),
    Damage("root without a name", v.ROOT_NAME, lambda p: p.rename(b"/", b"r"), b"/"),
    Damage("too deep", s.DIRECTORY_DEPTH, lambda p: None, base="chain"),
    Damage("directory size", v.DIRECTORY_SIZE, lambda p: p.set(b"/big-dir", size=4096), b"/big-dir"),
    Damage("named ..", s.NAME_DOTS, lambda p: p.rename(b"/..a", b".."), b"/..a", also=ORDER),
    Damage("named .", s.NAME_DOTS, lambda p: p.rename(b"/one", b"."), b"/one", also=ORDER),
    Damage("slash in a name", s.NAME_SLASH, lambda p: p.rename(b"/f4096", b"f4/96"), b"/f4096", also=ORDER),
    Damage("NUL in a name", s.NAME_NUL, lambda p: p.rename(b"/f4096", b"f\x004096"), b"/f4096", also=ORDER),
    Damage("no name", s.NAME_SIZE, lambda p: p.set(b"/empty", name_size=0), b"/empty", also=ORDER | GAP),
    Damage("name of 256 bytes", s.NAME_SIZE, lambda p: p.rename(b"/" + b"N" * 255, b"N" * 256), b"/" + b"N" * 255),
    Damage("two of one name", s.NAME_TWICE, lambda p: p.rename(b"/ids2", b"ids"), b"/ids2"),
    Damage("names out of order", s.NAME_ORDER, lambda p: p.rename(b"/mt0", b"zt0"), b"/mtbig"),
]
INODES = [
    Damage("no mode", s.NO_FILE_TYPE, lambda p: p.set(b"/empty", mode=0), b"/empty"),
    Damage("mode of 17 bits", s.NO_FILE_TYPE, lambda p: p.set(b"/empty", mode=0x181A4), b"/empty"),
    Damage("directory without a type", s.NO_FILE_TYPE, lambda p: p.set(b"/a", mode=0o755), b"/a"),
    Damage("no links", s.NO_LINKS, lambda p: p.set(b"/one", nlink=0), b"/one"),
    Damage("absurd size", s.INODE_SIZE, lambda p: p.set(b"/one", size=1 << 63), b"/one"),
    Damage("symlink to nothing", s.SYMLINK_SIZE, lambda p: p.set(b"/sl-short", target_size=0), b"/sl-short", also=GAP, seal=True),
    Damage("NUL in a target", s.SYMLINK_NUL, lambda p: p.put(p.target_place(p.index_of[b"/sl-abs"]) + 3, b"\0"), b"/sl-abs", seal=True),
    Damage("inode number 0", v.INODE_NUMBER, lambda p: p.set(b"/one", ino=0), b"/one"),
    Damage("huge inode number", v.INODE_NUMBER, lambda p: p.set(b"/one", ino=1 << 63), b"/one"),
    Damage("number of another file", v.LINK_DIFFERS, lambda p: p.set(b"/one", ino=p.number(b"/none")), b"/one", also=COUNT),
    Damage("number of a later file", v.NUMBER_PLACE, lambda p: p.set(b"/one", ino=p.number(b"/zeros")), b"/one",
           also=COUNT | {v.LINK_DIFFERS.code}),
    Damage("number of a later link", v.NUMBER_PLACE, _number_links, b"/h3"),
    Damage("link of another size", v.LINK_DIFFERS, _shorten_link, b"/a/b/h2", also={v.LINK_CHUNKS.code}),
    Damage("another parent", v.PARENT_NUMBER, lambda p: p.set(b"/one", parent=p.number(b"/a")), b"/one"),
    Damage("huge parent", v.PARENT_NUMBER, lambda p: p.set(b"/one", parent=1 << 63), b"/one"),
    Damage("parent of the root", v.PARENT_NUMBER, lambda p: p.set(b"/", parent=1), b"/"),
    Damage("unknown inode flag", v.INODE_FLAGS, lambda p: p.set(b"/one", flags=0x10), b"/one"),
    Damage("file flagged as symlink", v.SYMLINK_FLAG, lambda p: p.set(b"/one", flags=1), b"/one"),
    Damage("symlink without flag", v.SYMLINK_FLAG, lambda p: p.set(b"/sl-abs", flags=0), b"/sl-abs"),
    Damage("flagged as a hard link", v.HARDLINK_FLAG, lambda p: p.set(b"/one", flags=2), b"/one"),
    Damage("target of a file", v.TARGET_UNUSED, lambda p: p.set(b"/empty", target_size=3), b"/empty"),
    Damage("children of a fifo", v.COUNT_UNUSED, lambda p: p.set(b"/fifo", child_count=2), b"/fifo"),
    Damage("reserved bytes", s.RESERVED, lambda p: p.flip(p.record(b"/one") + 121), b"/one"),
    Damage("name padding", s.RESERVED, lambda p: _padding(p, b"/one"), b"/one"),
    Damage("target padding", s.RESERVED, lambda p: p.put(p.target_place(p.index_of[b"/sl-abs"]) + 12, b"x"), b"/sl-abs"),
    Damage("xattr padding", s.RESERVED, lambda p: p.put(_pair(p, b"/xa-fifo") + 20, b"x"), b"/xa-fifo"),
    Damage("xattrs that are not there", s.XATTRS_OUTSIDE, lambda p: p.set(b"/empty", flags=4), b"/empty"),
    Damage("xattrs past the end", s.XATTRS_OUTSIDE, lambda p: p.put(_pair(p, b"/xa-fifo") - 8, b"\xff" * 8), b"/xa-fifo"),
    Damage("pair past its area", s.XATTRS, lambda p: p.put(_pair(p, b"/xa-fifo"), b"\x0f"), b"/xa-fifo"),
    Damage("endless pair", s.XATTRS, lambda p: p.put(_pair(p, b"/xa-fifo"), b"\xff" * 4), b"/xa-fifo"),
    Damage("half a pair", s.XATTRS, lambda p: p.put(_pair(p, b"/xa-fifo") - 8, b"\x13"), b"/xa-fifo"),
    Damage("pair without NUL", v.XATTR_NAMELESS, lambda p: p.put(_pair(p, b"/xa-fifo") + 13, b"x"), b"/xa-fifo"),
    Damage("unknown namespace", v.XATTR_NAMESPACE, lambda p: p.put(_pair(p, b"/xa-fifo") + 4, b"x"), b"/xa-fifo"),
    Damage("two xattrs of one name", s.XATTR_TWICE, lambda p: p.put(_pair(p, b"/a") + 12 + 9, b"a"), b"/a", base="twins"),
]  # fmt: skip
CHUNKS = [
    Damage("chunk of no blob", s.CHUNK_BLOB, lambda p: p.set_chunk(b"/rand20k", blob_index=7), b"/rand20k"),
    Damage(
        "far compressed offset",
        s.CHUNK_OFFSET,
        lambda p: p.set_chunk(b"/rand20k", compressed_offset=1 << 60),
        b"/rand20k",
    ),
    Damage(
        "far uncompressed offset",
        s.CHUNK_OFFSET,
        lambda p: p.set_chunk(b"/rand20k", uncompressed_offset=1 << 63),
        b"/rand20k",
    ),
    Damage("longer chunk", s.CHUNK_LENGTH, lambda p: p.set_chunk(b"/rand20k", size=20001), b"/rand20k"),
    Damage("empty chunk", s.CHUNK_LENGTH, lambda p: p.set_chunk(b"/rand20k", size=0), b"/rand20k"),
    Damage("shorter file", s.CHUNK_LENGTH, lambda p: p.set(b"/rand20k", size=19999), b"/rand20k"),
    Damage("larger file", v.CHUNK_COUNT, lambda p: p.set(b"/rand20k", size=1 << 40), b"/rand20k"),
    Damage("empty file", v.CHUNK_COUNT, lambda p: p.set(b"/rand20k", size=0), b"/rand20k"),
    Damage("one chunk less", v.CHUNK_COUNT, lambda p: p.add(b"/big", "child_count", -1), b"/big", also=GAP, seal=True),
    Damage(
        "chunk elsewhere in the file",
        v.CHUNK_FILE_OFFSET,
        lambda p: p.set_chunk(b"/big", 1, file_offset=1 << 60),
        b"/big",
    ),
    Damage("batched chunk", v.CHUNK_FOREIGN_FLAGS, lambda p: p.set_chunk(b"/rand20k", flags=0x18), b"/rand20k"),
    Damage("link to another place", v.LINK_PLACES, lambda p: p.set_chunk(b"/a/h1", compressed_offset=0), b"/a/h1"),
    Damage("absurd hole", v.HOLE_OFFSET, lambda p: _make_sparse(p, 2, 1 << 62), b"/sparse"),
    Damage("hole past the end", v.HOLE_END, lambda p: _make_sparse(p, 4, 299_999), b"/sparse"),
    Damage("chunks over each other", v.HOLE_OVERLAP, lambda p: _make_sparse(p, 2, 65537), b"/sparse"),
]
DIGESTS = [
    Damage("digest of a file", v.INODE_DIGEST, lambda p: p.flip(p.record(b"/a/dup1")), b"/a/dup1"),
    Damage("digest of a chunk", v.INODE_DIGEST, lambda p: p.flip(p.set_chunk(b"/a/dup1")), b"/a/dup1"),
    Damage("digest of a directory", v.INODE_DIGEST, lambda p: p.flip(p.record(b"/a/b")), b"/a/b"),
    Damage("digest of a fifo", v.INODE_DIGEST, lambda p: p.flip(p.record(b"/fifo") + 31), b"/fifo"),
    Damage("digest of an empty directory", v.INODE_DIGEST, lambda p: p.flip(p.record(b"/a/b/c/d")), b"/a/b/c/d"),
    Damage("digest of the root", v.INODE_DIGEST, lambda p: p.flip(p.record(b"/")), b"/"),
    Damage("digest with blake3", v.INODE_DIGEST, lambda p: p.flip(p.record(b"/a/dup1")), b"/a/dup1", base="v5-zstd"),
    Damage("another target", v.INODE_DIGEST, lambda p: p.flip(p.target_place(p.index_of[b"/sl-abs"])), b"/sl-abs"),
    Damage(
        "chunk of one name",
        v.LINK_CHUNKS,
        lambda p: p.flip(p.set_chunk(b"/a/h1")),
        b"/a/h1",
        also={v.INODE_DIGEST.code},
    ),
]
DAMAGES = [*SUPERBLOCK, *TABLES, *RECORDS, *TREE, *INODES, *CHUNKS, *DIGESTS]
