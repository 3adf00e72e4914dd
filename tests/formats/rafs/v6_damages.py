"""Kinds of damage to RAFS v6 metadata: how it is done, and which rule must tell of it. Tables, and small functions."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.formats.rafs import images
from tests.formats.rafs.handmade import REGULAR, SYMLINK, Bootstrap, dirents
from tests.formats.rafs.v6_surgery import Patient

from rafsight.formats.judge import Rule
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import shared_rules as both
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs import v6_rules as rules

SMALL, LARGE, TAR, BARE = "v6-none", "v6-lz4-sha256-4k-fs", "tar-tarfs", "v6-nodata"
HUGE = 1 << 40
TREE, TABLE, NOTHING = "tree", "table", "nothing"


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One kind."""

    name: str
    rule: Rule
    harm: Callable[[Patient], int | None]
    """Changes the patient; [bytes] that the fault must show, None if it has no place of its own."""
    path: bytes | None = None
    """Path of the inode that the fault must show."""
    image: str | Callable[[], bytes] = SMALL
    also: str = ""
    """Codes of the other rules that are broken with it."""
    left: str = TREE
    """What is left to be looked at: the tree, the tables alone, nothing."""
    limits: tuple[tuple[str, int], ...] = ()

    def content(self) -> bytes:
        return self.image() if callable(self.image) else images.bootstrap(self.image)


def kind(name, rule, harm, **options):
    return Damage(name=name, rule=rule, harm=harm, **options)


# how to harm


def _no_place(harm):
    def quietly(p):
        harm(p)

    return quietly


def _grow(p):
    p.content.append(0)
    return 0


def _cut(p):
    del p.content[1300:]
    return 0


def _flags(change):
    return lambda p: p.rafs("flags", change(p.tables.superblock.flags))


def _unaligned_blob_table(p):
    return p.move(layout.EXTENDED_SUPERBLOCK, "blob_table_offset", 4096, 256, 5000)


def _unaligned_chunk_table(p):
    return p.move(layout.EXTENDED_SUPERBLOCK, "chunk_table_offset", 16384, 1680, 16384 + 1800)


def _early_prefetch_table(p):
    return p.move(layout.EXTENDED_SUPERBLOCK, "prefetch_table_offset", 4352, 20, 2000)


def _prefetch_after_end(p):
    p.write(4352, bytes(4))
    return 4356


def _prefetch_on_blobs(p):
    p.rafs("prefetch_table_size", 4)
    p.rafs("prefetch_table_offset", 4096 + 220)
    return 4096 + 220


def _odd_prefetch_table(p):
    return p.rafs("prefetch_table_size", 21)


def _outside(field, offset):
    def harm(p):
        p.rafs(field, offset)
        return offset

    return harm


def _shifted_metadata(p):
    """Let the metadata begin a block of 512 bytes earlier; what lies there stays."""
    for path in [path for path in p.places if p.node(path).kind[0] == 4]:
        for _, place, _ in p.dirents(path):
            p._set(layout.DIRENT, place, "nid", int(p.get(layout.DIRENT, place, "nid")) + 16)
    p.erofs("root_nid", 128 + 16)
    return p.erofs("meta_blkaddr", 15)


def _no_array(p):
    p.rafs("chunk_table_size", 0)
    return p.blob(0, "meta_uncompressed_size", 0)


def _second_slot_like_first(p):
    return p.slot(1, "blob_id", bytes(p.content[1408 : 1408 + 64])) and 1408 + 128


def _equal_halves(p):
    return p.blob(0, "meta_digest_or_key", bytes(range(16)) * 2)


def _shared_names(p):
    """Give the second entry's name a place past its block."""
    return p.dirent(b"r", "name_offset", 0xFFFF)


def _same_place(p):
    """Let two names begin at one place: the first of them is empty."""
    return p.dirent(b"one", "name_offset", int(p.get(layout.DIRENT, p.dirent_place(b"r"), "name_offset")))


def _first_name(p):
    first = p.dirents(b"d")[0][1]
    return p._set(layout.DIRENT, first, "name_offset", 13)


def _dot_becomes_comma(p):
    """Let a link stand where `.` stood."""
    _, place, start = p.dirents(b"")[0]
    p._set(layout.DIRENT, place, "nid", p.nids[b"one"])
    p._set(layout.DIRENT, place, "file_type", 1)
    p.write(start, b",")
    return p.places[b""]


def _wrong_dotdot(p):
    return p._set(layout.DIRENT, p.dirents(b"d")[1][1], "nid", p.nids[b"d"])


def _second_dot(p):
    p.dirent(b"l", "nid", p.nids[b""])
    p.rename(b"l", b".")
    return p.dirent_place(b"l")


def _behind_names(p):
    block = p.data(b"big-dir")
    last = max(start + len(name) for name, _, start in p.dirents(b"big-dir") if start < block + 4096)
    assert last < block + 4090
    p.write(block + 4090, b"!")
    return last


def _empty_last_name(p):
    return p.rename(b"z", b"\0")


def _hidden_in_root(p):
    """Let an entry lead to the root once more."""
    p.dirent(b"d", "nid", p.nids[b""])
    return p.dirent_place(b"d")


def _twice(p):
    p.dirent(b"d/e", "nid", p.nids[b"d"])
    return p.dirent_place(b"d/e")


def _long_target(p):
    p.inode(b"sl-4095", "size", 4096)
    p.write(p.data(b"sl-4095") + 4095, b"x")
    return p.places[b"sl-4095"]


def _nul_in_target(p):
    p.write(p.body(b"l") + 1, b"\0")
    return p.places[b"l"]


def _on_another(p):
    """Let a file reach over the inodes behind it: their bytes are taken for its chunk indexes."""
    p.inode(b"d/s00", "size", 5 * 4096)
    return p.places[b"d/s01"]


def _special_twice(p):
    p.dirent(b"one", "nid", p.nids[b"null"])
    p.dirent(b"one", "file_type", 3)
    return p.places[b"null"]


def _unknown_prefix(p):
    at = p.places[b"xa"] + 64
    p.write(at + 12 + 1, b"\x09")
    return at


def _long_xattr(p):
    at = p.places[b"xa"] + 64
    p.write(at + 12 + 2, b"\xff\xff")
    return at


def _shared_xattr(p):
    at = p.places[b"xa"] + 64
    p.write(at + 4, b"\1")
    return at


def _xattr_twice(p):
    at = p.places[b"xa"] + 64
    p.write(at + 12, bytes((1, 1, 27, 0)) + b"k" + bytes(27) + bytes((1, 1, 7, 0)) + b"k" + bytes(7))
    return at


def _xattr_head(p):
    at = p.places[b"xa"] + 64
    p.write(at + 6, b"\1")
    return at


def _inode_harm(path, field, value):
    def harm(p):
        p.inode(path, field, value)
        return p.places[path]

    return harm


def _chunk_harm(row, field, value):
    def harm(p):
        p.chunk(row, field, value)
        return p.chunk_place(row)

    return harm


def _slot_harm(row, field, value):
    """A fault of a slot's id shows the slot."""
    return lambda p: p.slot(row, field, value)


def _same_key(p):
    for field in ("number", "uncompressed_offset"):
        p.chunk(3, field, p.get(shared.CHUNK_INFO, p.chunk_place(2), field))
    return p.chunk_place(3)


def _swapped_chunks(p):
    first, second = p.chunk_place(1), p.chunk_place(2)
    one, other = p.sound[first : first + 80], p.sound[second : second + 80]
    p.write(first, other)
    p.write(second, one)
    return second


# shapes that no golden image has


def shared_targets():
    boot = Bootstrap()
    block = len(boot.content) // 4096 + 1
    links = [boot.inode(SYMLINK, kind=0, size=4096, union=block) for _ in range(30)]
    root = boot.directory([(b"%02d" % n, nid, 7) for n, nid in enumerate(links)])
    boot.content += b"t" * (block * 4096 + 8192 - len(boot.content))
    return boot.finish(root)


def shared_indexes():
    boot = Bootstrap()
    inodes = [boot.inode(REGULAR, size=4096 * 1000, union=0x20) for _ in range(50)]
    root = boot.directory([(b"%02d" % n, nid, 1) for n, nid in enumerate(inodes)])
    boot.content += bytes(9000)
    return boot.finish(root)


def shared_blocks():
    boot = Bootstrap()
    file = boot.file([], 0)
    block = len(boot.content) // 4096 + 4
    inner = [boot.inode(0o040755, size=4096, kind=0, union=block, nlink=2) for _ in range(60)]
    root = boot.directory([(b"%02d" % n, nid, 2) for n, nid in enumerate(inner)])
    boot.content += bytes(block * 4096 - len(boot.content))
    boot.content += dirents([(b"%03d" % n, file, 1) for n in range(270)]).ljust(4096, b"\0")
    return boot.finish(root)


def long_name():
    boot = Bootstrap()
    file = boot.file([], 0)
    return boot.finish(boot.directory([(b"x" * 256, file, 1), (b"y", file, 1)]))


def without_table():
    boot = Bootstrap()
    file = boot.file([(0, 0, 0)], 100)
    return boot.finish(boot.directory([(b"a", file, 1)]))


def _nothing(p):
    """The image is harmed as it is made."""


HANDMADE = "build-time inode-count "
"""What the maker of these does not care for."""

SUPERBLOCK = [
    kind("a byte too many", both.BOOTSTRAP_SIZE, _grow),
    kind("cut in the head", both.BOOTSTRAP_SIZE, _cut, left=NOTHING),
    kind("unknown flag", both.UNKNOWN_FLAGS, _flags(lambda flags: flags | 1 << 40)),
    kind("chunk size no power of two", both.CHUNK_SIZE, lambda p: p.rafs("chunk_size", 6144)),
    kind("chunk size 0", both.CHUNK_SIZE, lambda p: p.rafs("chunk_size", 0)),
    kind("chunk size and no blob table", both.CHUNK_SIZE, lambda p: p.rafs("chunk_size", 1), image=BARE),
    kind(
        "other chunk size",
        rules.BLOB_CHUNK_SIZE,
        _no_place(lambda p: p.rafs("chunk_size", 8192)),
        also="chunk-length chunk-bits",
    ),
    kind("no RAFS", rules.NOT_RAFS, lambda p: p.erofs("feature_compat", 1), left=NOTHING),
    kind("compression feature", rules.FEATURE_WORD, lambda p: p.erofs("feature_incompat", 0xD), left=NOTHING),
    kind("block size 8192", rules.BLOCK_SIZE, lambda p: p.erofs("blkszbits", 13), left=NOTHING),
    kind("superblock slots", rules.LONGER_SUPERBLOCK, lambda p: p.erofs("ext_slots", 1)),
    kind("shared xattrs", rules.SHARED_XATTRS, lambda p: p.erofs("xattr_blkaddr", 3)),
    kind("device table slot", rules.DEVICE_TABLE_SLOT, lambda p: p.erofs("device_table_slot", 12)),
    kind(
        "metadata past the end",
        rules.META_OUTSIDE,
        lambda p: p.erofs("meta_blkaddr", 0xFFFFFFFF),
        also="inode-outside inode-count",
        left=TABLE,
    ),
    kind("metadata not on 4096", rules.META_ALIGNMENT, _shifted_metadata, image=TAR),
    kind("checksum", rules.CHECKSUM, lambda p: p.erofs("checksum", 0xDEAD)),
    kind("union", rules.UNION, lambda p: p.erofs("union", 1)),
    kind("no inodes", rules.NO_INODES, lambda p: p.erofs("inos", 0)),
    kind("too many inodes", both.INODE_COUNT, lambda p: p.erofs("inos", 1 << 60)),
    kind("build time", rules.BUILD_TIME, lambda p: p.erofs("build_time", 1)),
    kind("build nanoseconds", rules.BUILD_TIME, _no_place(lambda p: p.erofs("build_time_nsec", 1))),
    kind("block count", rules.BLOCK_COUNT, lambda p: p.erofs("blocks", 1)),
    kind("blocks and no devices", rules.BLOCKS_WITHOUT_DEVICES, lambda p: p.erofs("blocks", 7), image=BARE),
    kind("reserved in the superblock", both.RESERVED, lambda p: p.erofs("reserved", b"x" * 38)),
    kind("reserved in the extended one", both.RESERVED, _no_place(lambda p: p.rafs("reserved", b"x" * 200))),
    kind("no compression flag", rules.COMPRESSION_FLAG, _flags(lambda flags: flags & ~1)),
    kind("two compression flags", rules.COMPRESSION_FLAG, _flags(lambda flags: flags | 2)),
    kind("no digest flag", rules.DIGEST_FLAG, _flags(lambda flags: flags & ~0xC)),
    kind("two digest flags", rules.DIGEST_FLAG, _flags(lambda flags: flags | 0xC)),
    kind("says it is encrypted", rules.ENCRYPTION_FLAG, _flags(lambda flags: flags ^ 0x300_0000)),
    kind("says it is not encrypted", rules.ENCRYPTION_FLAG, _flags(lambda flags: flags ^ 0x300_0000), image="v6-enc"),
    kind("says it is both", rules.ENCRYPTION_FLAG, _flags(lambda flags: flags | 0x300_0000), image="v6-enc"),
    kind("says it has digests", rules.DIGEST_ARRAY_FLAG, _flags(lambda flags: flags | 0x100)),
    kind("says it has no digests", rules.DIGEST_ARRAY_FLAG, _flags(lambda flags: flags & ~0x100), image="v6-toc"),
    kind("says it has no xattrs", both.XATTR_FLAG, _flags(lambda flags: flags & ~0x20)),
    kind("tarfs and is none", rules.BLOB_TARFS, _no_place(_flags(lambda flags: flags | 0x200))),
]
TABLES = [
    kind("blob table outside", both.TABLE_OUTSIDE, _outside("blob_table_offset", HUGE)),
    kind("blob table past the end", both.TABLE_OUTSIDE, _outside("blob_table_offset", 20480)),
    kind("chunk table outside", both.TABLE_OUTSIDE, _outside("chunk_table_offset", HUGE)),
    kind("chunk table of a tar outside", both.TABLE_OUTSIDE, _outside("chunk_table_offset", HUGE), image=TAR),
    kind("chunk table far too large", both.TABLE_OUTSIDE, _no_place(lambda p: p.rafs("chunk_table_size", 80 << 50))),
    kind("prefetch table outside", both.TABLE_OUTSIDE, _outside("prefetch_table_offset", HUGE), image=LARGE),
    kind("device table outside", both.TABLE_OUTSIDE, lambda p: p.erofs("extra_devices", 0xFFFF)),
    kind("blob table unaligned", both.TABLE_ALIGNMENT, _unaligned_blob_table),
    kind("chunk table unaligned", both.TABLE_ALIGNMENT, _unaligned_chunk_table),
    kind("prefetch table in the head", both.TABLE_ALIGNMENT, _early_prefetch_table, image=LARGE),
    kind("prefetch entry after the end", both.PREFETCH_TAIL, _prefetch_after_end, image=LARGE),
    kind("prefetch table on the blob table", both.TABLE_OVERLAP, _prefetch_on_blobs),
    kind("chunk table of a byte more", both.TABLE_SIZE, lambda p: p.rafs("chunk_table_size", 1681)),
    kind("blob table of a byte more", both.TABLE_SIZE, lambda p: p.rafs("blob_table_size", 257)),
    kind("prefetch table of a byte more", both.TABLE_SIZE, _odd_prefetch_table, image=LARGE),
    kind("512 blobs", both.BLOB_COUNT, lambda p: p.rafs("blob_table_size", 512 * 256)),
]
BLOBS = [
    kind("no devices", rules.DEVICE_COUNT, lambda p: p.erofs("extra_devices", 0), also="blocks-without-devices"),
    kind("a device too many", rules.DEVICE_COUNT, lambda p: p.erofs("extra_devices", 2)),
    kind("device id", rules.DEVICE_ID, _slot_harm(0, "blob_id", b"b" * 64)),
    kind("device id no text", rules.DEVICE_ID, _slot_harm(0, "blob_id", b"\xff" * 64)),
    kind("device twice", rules.DEVICE_TWICE, _second_slot_like_first, image="merge-oci-v6", also="device-id"),
    kind("device without blocks", rules.DEVICE_EMPTY, lambda p: p.slot(0, "blocks", 0), also="block-count"),
    kind("device of other blocks", rules.DEVICE_BLOCKS, lambda p: p.slot(0, "blocks", 22), also="block-count"),
    kind("device in the bootstrap", rules.DEVICE_ADDRESS, lambda p: p.slot(0, "mapped_blkaddr", 1)),
    kind(
        "device on the one before",
        rules.DEVICE_ADDRESS,
        lambda p: p.slot(1, "mapped_blkaddr", 128),
        image="merge-oci-v6",
    ),
    kind("reserved in a slot", both.RESERVED, lambda p: p.slot(0, "reserved", b"x" * 56)),
    kind(
        "blob id with a slash",
        both.BLOB_ID,
        lambda p: p.blob(0, "blob_id", b"../../etc/passwd".ljust(64, b"\0")),
        also="device-id",
    ),
    kind("no blob id", both.BLOB_ID, lambda p: p.blob(0, "blob_id", bytes(64)), also="device-id"),
    kind("compressor 7", both.UNKNOWN_COMPRESSOR, lambda p: p.blob(0, "compressor", 7)),
    kind("compressor of the array", both.UNKNOWN_COMPRESSOR, lambda p: p.blob(0, "meta_compressor", 7)),
    kind("digester 7", both.UNKNOWN_DIGESTER, lambda p: p.blob(0, "digester", 7)),
    kind("cipher 2", both.UNKNOWN_CIPHER, lambda p: p.blob(0, "cipher", 2)),
    kind("unknown feature", rules.BLOB_FEATURES, lambda p: p.blob(0, "features", 0x40001001)),
    kind("feature of v5", rules.BLOB_FEATURES, lambda p: p.blob(0, "features", 0xC0000001)),
    kind("blob says it is another", rules.BLOB_INDEX, lambda p: p.blob(0, "blob_index", 1)),
    kind("blob of another chunk size", rules.BLOB_CHUNK_SIZE, lambda p: p.blob(0, "chunk_size", 8192)),
    kind(
        "too many chunks",
        rules.BLOB_CHUNK_COUNT,
        lambda p: p.blob(0, "chunk_count", (1 << 24) + 1),
    ),
    kind("compressed size", rules.BLOB_SIZE, lambda p: p.blob(0, "compressed_size", (1 << 64) - 1)),
    kind(
        "uncompressed size",
        rules.BLOB_SIZE,
        lambda p: p.blob(0, "uncompressed_size", (1 << 64) - 1),
        also="device-blocks",
    ),
    kind("uncompressed size no blocks", rules.BLOB_UNALIGNED, lambda p: p.blob(0, "uncompressed_size", 86017)),
    kind("array too far", rules.BLOB_META_OFFSET, lambda p: p.blob(0, "meta_offset", 1 << 60)),
    kind("array larger than unpacked", rules.BLOB_META_SIZE, lambda p: p.blob(0, "meta_compressed_size", 1000)),
    kind("no array", rules.BLOB_META_ABSENT, _no_array, also="blob-meta-size blob-meta-count"),
    kind("array of other size", rules.BLOB_META_COUNT, lambda p: p.blob(0, "meta_uncompressed_size", 352)),
    kind(
        "array of v2 of other size",
        rules.BLOB_META_COUNT,
        lambda p: p.blob(0, "meta_uncompressed_size", 480),
        image="v6-enc",
    ),
    kind(
        "encrypted without cipher",
        rules.BLOB_ENCRYPTION,
        _no_place(lambda p: p.blob(0, "features", 0x40000105)),
        also="blob-meta-count encryption-flag",
    ),
    kind("cipher without encrypted", rules.BLOB_ENCRYPTION, lambda p: p.blob(0, "cipher", 1), also="blob-key"),
    kind("not aligned", rules.BLOB_ALIGNMENT, lambda p: p.blob(0, "features", 0x40000000)),
    kind("tar that is aligned", rules.BLOB_ALIGNMENT, lambda p: p.blob(0, "features", 0x40000041), image=TAR),
    kind("tar among blobs", rules.BLOB_TARFS, lambda p: p.blob(0, "features", 0x40000041), also="blob-alignment"),
    kind("batches in small records", rules.BLOB_RECORD_VERSION, lambda p: p.blob(0, "features", 0x40000081)),
    kind("key of equal halves", rules.BLOB_KEY, _equal_halves, image="v6-enc"),
    kind("reserved in a blob", both.RESERVED, lambda p: p.blob(0, "reserved", b"x" * 36)),
    kind("key of a blob without cipher", both.RESERVED, _no_place(_equal_halves)),
]
DIRECTORIES = [
    kind(
        "root nid 0",
        rules.ROOT_NID,
        lambda p: p.erofs("root_nid", 0),
        left=TABLE,
        also="no-links no-file-type root-kind inode-count",
    ),
    kind("root nid outside", both.INODE_OUTSIDE, lambda p: p.erofs("root_nid", 0xFFFF), left=TABLE, also="inode-count"),
    kind(
        "root is a file",
        both.ROOT_KIND,
        _no_place(lambda p: p.erofs("root_nid", 136)),
        path=b"",
        left=TABLE,
        also="inode-count",
    ),
    kind(
        "root of 2^40 bytes",
        rules.DIRECTORY_SIZE,
        _inode_harm(b"", "size", HUGE),
        path=b"",
        left=TABLE,
        also="inode-count",
    ),
    kind(
        "directory of 2^40 bytes",
        rules.DIRECTORY_SIZE,
        _inode_harm(b"d/e", "size", HUGE),
        path=b"d/e",
        also="inode-count",
    ),
    kind(
        "directory of a file's layout", rules.LAYOUT, _inode_harm(b"d/e", "format", 9), path=b"d/e", also="inode-count"
    ),
    kind(
        "directory of data outside",
        rules.DATA_OUTSIDE,
        _inode_harm(b"big-dir", "union", 0xFFFFFFFF),
        path=b"big-dir",
        image=LARGE,
        also="inode-count",
    ),
    kind(
        "directory of data in the head",
        rules.DATA_OUTSIDE,
        _inode_harm(b"big-dir", "union", 0),
        path=b"big-dir",
        image=LARGE,
        also="inode-count",
    ),
    kind(
        "directory too small",
        rules.DIRECTORY_BLOCK,
        _no_place(_inode_harm(b"d/e", "size", 5)),
        path=b"d/e",
        also="inode-count",
    ),
    kind("first name offset", rules.FIRST_NAME, _first_name, path=b"d", also="inode-count", left=TABLE),
    kind(
        "first name offset 0",
        rules.FIRST_NAME,
        lambda p: p._set(layout.DIRENT, p.dirents(b"d/e")[0][1], "name_offset", 0),
        path=b"d/e",
        also="inode-count",
    ),
    kind("name offset", rules.NAME_OFFSET, _shared_names, path=b"", also="inode-count"),
    kind("two names at one place", rules.NAME_OFFSET, _same_place, path=b"", also="inode-count"),
    kind(
        "`.` leads elsewhere",
        rules.DOTS_WRONG,
        lambda p: p._set(layout.DIRENT, p.dirents(b"d")[0][1], "nid", 128) - 0,
        path=b"d",
    ),
    kind("`..` leads elsewhere", rules.DOTS_WRONG, _wrong_dotdot, path=b"d"),
    kind(
        "`..` leads far away",
        rules.DOTS_WRONG,
        lambda p: p._set(layout.DIRENT, p.dirents(b"d")[1][1], "nid", 1 << 60),
        path=b"d",
    ),
    kind("`.` twice", rules.DOTS_TWICE, _second_dot, path=b"", also="inode-count name-order"),
    kind("no `.`", rules.DOTS_ABSENT, _dot_becomes_comma, path=b"", also="inode-count"),
    kind(
        "file called `..`",
        rules.DOTS_WRONG,
        lambda p: p.rename(b"xa", b"..") and p.dirent_place(b"xa"),
        path=b"",
        also="inode-count dots-twice name-order",
    ),
    kind("entry before `.`", both.NAME_ORDER, _no_place(lambda p: p.rename(b"d", b"!")), path=b""),
    kind("names out of order", both.NAME_ORDER, lambda p: p.rename(b"one", b"zne") and None, path=None),
    kind("name twice", both.NAME_TWICE, lambda p: p.rename(b"d/s01", b"s00"), path=b"d/s00"),
    kind("name with a slash", both.NAME_SLASH, lambda p: p.rename(b"one", b"on/"), path=b"on/"),
    kind("name with a NUL", both.NAME_NUL, lambda p: p.rename(b"one", b"o\0e"), path=b"o\0e"),
    kind("name of nothing", both.NAME_SIZE, _empty_last_name, also="inode-count name-order"),
    kind("name of 256 bytes", both.NAME_SIZE, _nothing, path=b"x" * 256, image=long_name, also=HANDMADE),
    kind("wrong file type", rules.DIRENT_TYPE, lambda p: p.dirent(b"one", "file_type", 7) - 10, path=b"one"),
    kind("file type 0", rules.DIRENT_TYPE, lambda p: p.dirent(b"d", "file_type", 0) - 10, path=b"d"),
    kind("reserved in a dirent", both.RESERVED, lambda p: p.dirent(b"one", "reserved", 1), path=b""),
    kind("something behind the names", rules.NAME_PADDING, _behind_names, path=b"big-dir", image=LARGE),
    kind("loop", both.DIRECTORY_TWICE, _hidden_in_root, path=b"", also="inode-count", left=TABLE),
    kind("reached twice", both.DIRECTORY_TWICE, _twice, path=b"d", also="inode-count"),
    kind("nid outside", both.INODE_OUTSIDE, lambda p: p.dirent(b"one", "nid", HUGE), path=b"", also="inode-count"),
    kind(
        "nid past any number",
        both.INODE_OUTSIDE,
        lambda p: p.dirent(b"one", "nid", (1 << 64) - 1),
        path=b"",
        also="inode-count",
    ),
    kind(
        "inode cut by the end",
        both.INODE_OUTSIDE,
        lambda p: (
            p.dirent(b"one", "nid", (20480 - 8192) // 32 - 1) and p.write(20480 - 32, b"\5") and p.dirent_place(b"one")
        ),
        path=b"",
        also="inode-count",
    ),
    kind(
        "too deep",
        both.DIRECTORY_DEPTH,
        _no_place(_nothing),
        path=b"d/e",
        limits=(("path_size", 4),),
        also="inode-count",
    ),
    kind(
        "too many entries",
        both.ENTRY_COUNT,
        _no_place(_nothing),
        path=b"d",
        limits=(("entry_count", 20),),
        also="inode-count",
        left=TABLE,
    ),
    kind(
        "directories that share blocks",
        rules.DIRECTORY_SIZE,
        _nothing,
        image=shared_blocks,
        also=HANDMADE + "inode-overlap dots-absent",
    ),
]
INODES = [
    kind("unknown format", rules.INODE_FORMAT, _inode_harm(b"one", "format", 0x29), path=b"one"),
    kind("absurd size", both.INODE_SIZE, _inode_harm(b"one", "size", 1 << 63), path=b"one"),
    kind("no links", both.NO_LINKS, _inode_harm(b"one", "nlink", 0), path=b"one"),
    kind("mode 0", both.NO_FILE_TYPE, _inode_harm(b"one", "mode", 0), path=b"one", also="dirent-type inode-layout"),
    kind("xattrs past the end", both.XATTRS_OUTSIDE, _inode_harm(b"xa", "xattr_count", 0xFFFF), path=b"xa"),
    kind("xattr of an unknown prefix", both.XATTRS, _unknown_prefix, path=b"xa"),
    kind("xattr past its area", both.XATTRS, _long_xattr, path=b"xa"),
    kind("shared xattr", both.XATTRS, _shared_xattr, path=b"xa"),
    kind("xattr twice", both.XATTR_TWICE, _xattr_twice, path=b"xa"),
    kind("reserved in xattrs", both.RESERVED, _xattr_head, path=b"xa"),
    kind("reserved in an inode", both.RESERVED, _inode_harm(b"one", "reserved2", b"x" * 16), path=b"one"),
    kind("other reserved in an inode", both.RESERVED, _inode_harm(b"one", "reserved", 1), path=b"one"),
    kind("device of a file's layout", rules.LAYOUT, _inode_harm(b"null", "format", 9), path=b"null"),
    kind("names of one device", rules.LINKED_KIND, _special_twice, path=b"null"),
    kind("inode on another", rules.INODE_OVERLAP, _on_another, path=b"d/s01", also="chunk-blob chunk-length"),
    kind("empty symlink", both.SYMLINK_SIZE, _inode_harm(b"l", "size", 0), path=b"l"),
    kind("symlink of 5000 bytes", both.SYMLINK_SIZE, _inode_harm(b"l", "size", 5000), path=b"l"),
    kind("symlink with a NUL", both.SYMLINK_NUL, _nul_in_target, path=b"l"),
    kind("symlink of a file's layout", rules.LAYOUT, _inode_harm(b"l", "format", 9), path=b"l"),
    kind(
        "symlink of data outside",
        rules.DATA_OUTSIDE,
        _inode_harm(b"sl-4095", "union", 0x7FFFFFFF),
        path=b"sl-4095",
        image=LARGE,
    ),
    kind(
        "symlinks that share bytes",
        rules.TARGET_SHARED,
        _nothing,
        image=shared_targets,
        also=HANDMADE + "inode-overlap",
    ),
]
FILES = [
    kind("file inside the bootstrap", rules.LAYOUT, _inode_harm(b"one", "format", 5), path=b"one"),
    kind("file without indexes", rules.CHUNK_INDEXES_ABSENT, _inode_harm(b"one", "union", 0), path=b"one"),
    kind("file of 2^40 bytes", both.CHUNK_INDEXES_OUTSIDE, _inode_harm(b"one", "size", HUGE), path=b"one"),
    kind(
        "files that share indexes",
        rules.CHUNK_INDEXES_SHARED,
        _nothing,
        image=shared_indexes,
        also=HANDMADE + "chunk-blob inode-overlap",
    ),
    kind("slice of blob 0", both.CHUNK_BLOB, lambda p: p.index(b"z", 2, "device", 0), path=b"z"),
    kind("slice of blob 8", both.CHUNK_BLOB, lambda p: p.index(b"z", 2, "device", 9), path=b"z"),
    kind("slice of an unknown number", rules.CHUNK_UNKNOWN, lambda p: p.index(b"z", 2, "number_high", 1), path=b"z"),
    kind(
        "slice of an unknown address", rules.CHUNK_UNKNOWN, lambda p: p.index(b"z", 2, "block", 0xFFFFFFFF), path=b"z"
    ),
    kind("file of another length", both.CHUNK_LENGTH, _no_place(_inode_harm(b"z", "size", 20001)), path=b"z"),
    kind("unknown chunk format", rules.CHUNK_FORMAT, _inode_harm(b"one", "union", 0xA0), path=b"one"),
    kind("chunk format for one piece", rules.CHUNK_BITS, _inode_harm(b"z", "union", 0x23), path=b"z"),
    kind("chunk format too small", rules.CHUNK_BITS, _inode_harm(b"dup", "union", 0x21), path=b"dup"),
    kind("chunk of blob 7", both.CHUNK_BLOB, _chunk_harm(4, "blob_index", 7)),
    kind("chunk of an absurd offset", both.CHUNK_OFFSET, _chunk_harm(4, "compressed_offset", 1 << 60)),
    kind(
        "chunk of an absurd address",
        both.CHUNK_OFFSET,
        _chunk_harm(4, "uncompressed_offset", 1 << 60),
        also="chunk-unknown",
    ),
    kind(
        "chunk within a block", rules.CHUNK_UNALIGNED, _no_place(_chunk_harm(4, "uncompressed_offset", 15 * 4096 + 1))
    ),
    kind("chunk of another length", both.CHUNK_LENGTH, _no_place(_chunk_harm(4, "size", 77))),
    kind("empty chunk", both.CHUNK_LENGTH, _no_place(_chunk_harm(4, "size", 0))),
    kind("chunk too large", both.CHUNK_LENGTH, _no_place(_chunk_harm(4, "size", 1 << 30))),
    kind("chunk of an unknown flag", rules.CHUNK_FLAGS, _chunk_harm(4, "flags", 0x110)),
    kind("chunk of an unknown number", rules.CHUNK_UNKNOWN, _no_place(_chunk_harm(4, "number", 21))),
    kind("chunk twice", rules.CHUNK_UNKNOWN, _no_place(_same_key)),
    kind("chunks out of order", rules.CHUNK_ORDER, _swapped_chunks),
    kind(
        "fewer chunks in the blob",
        rules.BLOB_META_COUNT,
        _no_place(lambda p: p.blob(0, "chunk_count", 20)),
    ),
    kind(
        "no table, no array",
        rules.BLOB_META_ABSENT,
        lambda p: p.blob(0, "meta_uncompressed_size", 0),
        image=without_table,
        also=HANDMADE + "blob-meta-size blob-meta-count",
    ),
]
KINDS = SUPERBLOCK + TABLES + BLOBS + DIRECTORIES + INODES + FILES
