import struct

import pytest
from tests.formats.rafs import images
from tests.formats.rafs.handmade import CHARACTER, DIRECTORY, META, REGULAR, SYMLINK, Bootstrap, dirents
from tests.formats.rafs.laws import check_laws

from rafsight.base.errors import ExitStatus, ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.codec import read_bootstrap
from rafsight.formats.rafs.faults import NotABootstrap, UnsupportedImage
from rafsight.formats.rafs.placement import place_chunks, require_placed
from rafsight.formats.tables import MalformedImage


def read(content, **limits):
    tables = read_bootstrap(content, name="", limits=Limits(**limits))
    check_laws(tables)
    return tables


def patched(name, offset, replacement):
    content = bytearray(images.bootstrap(name))
    content[offset : offset + len(replacement)] = replacement
    return bytes(content)


def small(*entries, **options):
    """A root with some entries that all name one empty file."""
    boot = Bootstrap()
    file = boot.file([], 0)
    return boot.finish(boot.directory([(name, file, 1) for name in entries], **options))


# what this release does not read


def test_an_erofs_image_without_rafs_is_no_bootstrap():
    with pytest.raises(NotABootstrap, match="without the RAFS extension"):
        read(patched("v6-none", 1024 + 8, bytes(4)))


@pytest.mark.parametrize(
    ("offset", "replacement", "what"),
    [
        (1024 + 80, struct.pack("<I", 0xD), "EROFS features .*0xd"),
        (1024 + 12, b"\x0d", "block size"),
        (1024 + 13, b"\1", "longer superblock"),
        (1024 + 44, b"\1", "xattrs that inodes share"),
        (1024 + 88, b"\x0c", r"device table in another slot \(12\)"),
        (1152, struct.pack("<Q", 1 << 40 | 1), "superblock flags"),
        (4096 + 84, struct.pack("<I", 0x1001), r"features that nobody knows \(0x1001\)"),
        (4096 + 84, struct.pack("<I", 0x80000001), "features that nobody knows"),
        (4096 + 76, b"\7", r"compressor that nobody knows \(7\)"),
        (4096 + 80, b"\7", r"digester that nobody knows \(7\)"),
        (4096 + 216, b"\2", r"cipher .* \(2\)"),
    ],
)
def test_unsupported(offset, replacement, what):
    with pytest.raises(UnsupportedImage, match=what) as caught:
        read(patched("v6-zstd", offset, replacement))
    assert caught.value.exit_status is ExitStatus.UNSUPPORTED


def test_something_else_is_not_a_bootstrap():
    with pytest.raises(NotABootstrap, match=r"image\.boot is not") as caught:
        read_bootstrap(b"PK\3\4" + bytes(8000), name="image.boot", limits=Limits())
    assert caught.value.exit_status is ExitStatus.NOT_AN_IMAGE


def test_limits_hold():
    content = images.bootstrap("v6-zstd")
    with pytest.raises(MalformedImage, match="larger than 1000"):
        read(content, bootstrap_size=1000)
    with pytest.raises(MalformedImage, match="more entries than"):
        read(content, entry_count=200)
    with pytest.raises(MalformedImage, match=r"\(1 blobs\)"):
        read(content, blob_count=0)


# the tree


def test_unsorted_directory_is_sorted():
    tables = read(small(b"zz", b"a", b"mmmmmmmmmmmm", b"mmmmmmmmmmm", b"\xff", b"!"))
    assert images.names(tables)[1:] == [b"!", b"a", b"mmmmmmmmmmm", b"mmmmmmmmmmmm", b"zz", b"\xff"]


@pytest.mark.parametrize(
    ("names", "what"),
    [
        ([b"a", b"a"], "name of its neighbour"),
        ([b"a", b"b", b"a"], "name of its neighbour"),
        ([b"x" * 100, b"y", b"x" * 100], "name of its neighbour"),
        ([b"a/b"], "slash"),
        ([b"longer-than-eight/b"], "slash"),
        ([b"a\0b", b"c"], "NUL"),
        ([b"longer-than-eight\0b", b"z"], "NUL"),
        ([b"x" * 256], "255 bytes"),
        ([b"x" * 256, b"y"], "255 bytes"),
        ([b"."], "leads elsewhere"),
        ([b".."], "leads elsewhere|twice"),
        ([b""], "whose name is empty"),
    ],
)
def test_illegal_names(names, what):
    with pytest.raises(MalformedImage, match=what):
        read(small(*names))


def test_longest_and_oddest_names():
    odd = [b"!", b"...", b"..a", b"\n", b"\xff\xfe", b"x" * 255, b" "]
    assert sorted(images.names(read(small(*odd)))[1:]) == sorted(odd)


@pytest.mark.parametrize("options", [{"own": 300}, {"parent": 300}])
def test_dots_must_name_the_directory_and_its_parent(options):
    with pytest.raises(MalformedImage, match=r"`\.` or `\.\.` that leads elsewhere"):
        read(small(b"a", **options))


def test_directory_without_dots_is_read():
    boot = Bootstrap()
    file = boot.file([], 0)
    data = dirents([(b"a", file, 1)])
    tables = read(boot.finish(boot.inode(DIRECTORY, size=len(data), body=data, nlink=2)))
    assert images.names(tables) == [b"", b"a"]


def test_empty_directories_of_no_bytes_are_read():
    boot = Bootstrap()
    empty = boot.inode(DIRECTORY, size=0, nlink=2)
    tables = read(boot.finish(boot.directory([(b"d", empty, 2)])))
    assert tables.entries.child_count.tolist() == [1, 0]


def test_directory_reached_twice():
    boot = Bootstrap()
    inner = boot.inode(DIRECTORY, size=0, nlink=2)
    with pytest.raises(MalformedImage, match="reached twice"):
        read(boot.finish(boot.directory([(b"a", inner, 2), (b"b", inner, 2)])))


def test_loop():
    boot = Bootstrap()
    root = boot.next_nid
    with pytest.raises(MalformedImage, match="reached twice"):
        read(boot.finish(boot.directory([(b"again", root, 2)])))


def chain(length):
    boot = Bootstrap()
    first = boot.next_nid
    nids = [first]
    for level in range(length):
        nid = boot.next_nid
        size = len(dirents([(b".", 0, 2), (b"..", 0, 2), (b"d", 0, 2)]))
        below = nid + -(-(64 + size) // 32)
        assert boot.directory([(b"d", below, 2)], parent=nids[-1] if level else nid) == nid
        nids.append(nid)
    boot.directory([], parent=nids[-1])
    return boot.finish(first)


def test_depth_is_bounded():
    assert len(read(chain(2000)).entries.mode) == 2001
    with pytest.raises(MalformedImage, match="deeper than any path"):
        read(chain(2100))


def test_directories_that_share_their_data():
    boot = Bootstrap()
    file = boot.file([], 0)
    block = len(boot.content) // 4096 + 4
    inner = [boot.inode(DIRECTORY, size=4096, kind=0, union=block, nlink=2) for _ in range(60)]
    root = boot.directory([(b"%02d" % n, nid, 2) for n, nid in enumerate(inner)])
    boot.content += bytes(block * 4096 - len(boot.content))
    boot.content += dirents([(b"%03d" % n, file, 1) for n in range(270)]).ljust(4096, b"\0")
    with pytest.raises(MalformedImage, match="larger than the room"):
        read(boot.finish(root))


def test_wrong_file_type():
    boot = Bootstrap()
    file = boot.file([], 0)
    with pytest.raises(MalformedImage, match="another file type"):
        read(boot.finish(boot.directory([(b"a", file, 7)])))


@pytest.mark.parametrize("nid", [0, 1 << 40, (1 << 64) - 1])
def test_nid_outside(nid):
    boot = Bootstrap()
    with pytest.raises(MalformedImage, match=r"outside the file|no file type|no links"):
        read(boot.finish(boot.directory([(b"a", nid, 1)])))


def test_nid_in_the_superblock():
    boot = Bootstrap()
    with pytest.raises(MalformedImage, match="outside the file"):
        read(boot.finish(boot.directory([(b"a", 1024 // 32, 1)], own=0), meta_blkaddr=0, root_nid=0))


def test_root_must_be_a_directory():
    boot = Bootstrap()
    with pytest.raises(MalformedImage, match="is the root"):
        read(boot.finish(boot.file([], 0)))


# inodes


def test_compact_inodes():
    boot = Bootstrap()
    xattrs = bytes(12) + bytes((1, 1, 2, 0)) + b"kvv\0"
    file = boot.file([(0, 0, 0)], 100, compact=True, xattrs=xattrs, nlink=3)
    link = boot.inode(SYMLINK, size=4, body=b"here", compact=True)
    boot.chunk()
    tables = read(boot.finish(boot.directory([(b"f", file, 1), (b"g", file, 1), (b"l", link, 7)], compact=True)))
    entries = tables.entries
    assert entries.mtime.tolist() == [1000] * 4
    assert entries.mtime_nsec.tolist() == [9] * 4
    assert (entries.uid[1], entries.gid[1], entries.nlink[1]) == (5, 6, 3)
    assert entries.link_row.tolist() == [0, 1, 1, 3]
    assert (entries.extent_start[2], entries.extent_count[2]) == (0, 1)
    assert bytes(images.area(tables, "target", 3)) == b"here"
    assert [(x.name, x.value) for x in tables.read_xattrs(images.area(tables, "xattr", 1))] == [(b"user.k", b"vv")]


def test_compact_and_extended_inodes_side_by_side():
    boot = Bootstrap()
    old, new = boot.file([], 0, compact=True), boot.file([], 0)
    entries = read(boot.finish(boot.directory([(b"new", new, 1), (b"old", old, 1)]))).entries
    assert entries.uid.tolist() == [70000, 70000, 5]
    assert entries.mtime.tolist() == [-5, -5, 1000]


def test_device_number():
    boot = Bootstrap()
    device = boot.inode(CHARACTER, kind=0, union=0x12345)
    fifo = boot.inode(0o010600, kind=0, union=0xFFFFFFFF)
    tables = read(boot.finish(boot.directory([(b"c", device, 3), (b"f", fifo, 5)])))
    assert tables.entries.rdev.tolist() == [0, 0x12345, 0]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"mode": 0, "kind": 0}, "no file type"),
        ({"mode": REGULAR, "nlink": 0}, "no links"),
        ({"mode": REGULAR, "fmt": 0x29}, "format that nobody knows"),
        ({"mode": REGULAR, "size": 1 << 63}, "size that no file has"),
        ({"mode": REGULAR, "size": 1 << 61}, "no chunk indexes"),
        ({"mode": REGULAR, "size": 1 << 61, "union": 0x20}, "more chunks than the file has room for"),
        ({"mode": REGULAR, "size": 5, "kind": 2, "body": b"inner"}, "layout that its kind cannot have"),
        ({"mode": DIRECTORY, "kind": 4, "size": 27}, "layout that its kind cannot have"),
        ({"mode": DIRECTORY, "kind": 0, "size": 27, "union": 0xFFFFFFFF}, "outside the file"),
        ({"mode": DIRECTORY, "kind": 0, "size": 4096, "union": 0}, "outside the file"),
        ({"mode": DIRECTORY, "kind": 2, "size": 5, "body": b"12345"}, "too small for an entry"),
        ({"mode": DIRECTORY, "kind": 2, "size": 12, "body": bytes(12)}, "first name offset"),
        ({"mode": SYMLINK, "kind": 4, "size": 3}, "layout that its kind cannot have"),
        ({"mode": SYMLINK, "size": 0}, "no or too many"),
        ({"mode": SYMLINK, "size": 5000}, "no or too many"),
        ({"mode": SYMLINK, "size": 3, "body": b"a\0b"}, "NUL in its target"),
        ({"mode": SYMLINK, "kind": 0, "size": 4000, "union": 1 << 30}, "data outside"),
        ({"mode": SYMLINK, "kind": 0, "size": 300, "union": 0}, "data outside"),
    ],
)
def test_inodes_that_cannot_be(options, what):
    boot = Bootstrap()
    mode = options.pop("mode")
    nid = boot.inode(mode, **options)
    kind = {4: 2, 8: 1, 10: 7}.get(mode >> 12, 1)
    with pytest.raises(MalformedImage, match=what):
        read(boot.finish(boot.directory([(b"a", nid, kind)])))


def test_xattrs_past_the_end():
    boot = Bootstrap()
    root = boot.directory([])
    content = bytearray(boot.finish(root))
    content[META + 32 * root + 2 : META + 32 * root + 4] = b"\xff\xff"
    with pytest.raises(MalformedImage, match="xattrs that reach past the end"):
        read(bytes(content))


def test_long_symlink_of_tarfs_is_put_together():
    """A block and a tail: the only text that lies in two places."""
    boot = Bootstrap(block_bits=9, features=shared.TARFS | shared.CAP_TAR_TOC, flags=shared.TARFS_MODE)
    target = bytes(97 + n % 26 for n in range(600))
    boot.content += target[:512]
    link = boot.inode(SYMLINK, size=600, union=(META + 4096) // 512, body=target[512:])
    short = boot.inode(SYMLINK, size=3, body=b"abc")
    tables = read(boot.finish(boot.directory([(b"l", link, 7), (b"m", link, 7), (b"s", short, 7)])))
    assert [bytes(images.area(tables, "target", row)) for row in (1, 2, 3)] == [target, target, b"abc"]


def test_symlinks_that_share_their_target():
    boot = Bootstrap()
    block = len(boot.content) // 4096 + 1
    links = [boot.inode(SYMLINK, kind=0, size=4096, union=block) for _ in range(30)]
    root = boot.directory([(b"%02d" % n, nid, 7) for n, nid in enumerate(links)])
    boot.content += b"t" * (block * 4096 + 8192 - len(boot.content))
    with pytest.raises(MalformedImage, match="shares the bytes of its target"):
        read(boot.finish(root))


# files and chunks


def boot_empty(boot):
    return boot.file([], 0)


def test_chunk_that_is_not_in_the_table():
    boot = Bootstrap()
    file = boot.file([(0, 0, 0), (0, 7, 1)], 5000)
    boot.chunk(0, size=4096)
    with pytest.raises(MalformedImage, match="v6 file, row 1: names a chunk that is not in the table"):
        read(boot.finish(boot.directory([(b"a", boot_empty(boot), 1), (b"b", file, 1)])))


@pytest.mark.parametrize(
    ("index", "chunk", "what"),
    [
        ((0, 0, 1), {}, "not in the table"),
        ((0, 1 << 23, 0), {}, "not in the table"),
        ((1, 0, 0), {}, "blob that is not in the table"),
        ((-1, 0, 0), {}, "blob that is not in the table"),
        ((0, 0, 0), {"size": 99}, "another length"),
        ((0, 0, 0), {"blob": 1}, "blob that is not in the table"),
        ((0, 0, 0), {"offset": 1 << 60}, "offset that no blob reaches"),
    ],
)
def test_chunks_that_cannot_be(index, chunk, what):
    boot = Bootstrap()
    file = boot.file([index], 100)
    boot.chunk(**chunk)
    with pytest.raises(MalformedImage, match=what):
        read(boot.finish(boot.directory([(b"a", file, 1)])))


def test_large_chunk_numbers_and_addresses():
    boot = Bootstrap()
    boot.chunk(0xFEDCBA, block=0xFFFFFFFF)
    file = boot.file([(0, 0xFEDCBA, 0xFFFFFFFF)], 100)
    tables = read(boot.finish(boot.directory([(b"a", file, 1)])))
    assert tables.extents.chunk.tolist() == [0]
    assert tables.chunks.uncompressed_offset.tolist() == [0xFFFFFFFF * 4096]


def test_files_that_share_their_indexes():
    boot = Bootstrap()
    inodes = [boot.inode(REGULAR, size=4096 * 1000, union=0x20) for _ in range(50)]
    root = boot.directory([(b"%02d" % n, nid, 1) for n, nid in enumerate(inodes)])
    boot.content += bytes(9000)
    with pytest.raises(MalformedImage, match="shares its chunk indexes"):
        read(boot.finish(root))


def test_image_without_chunk_table_needs_the_arrays():
    boot = Bootstrap()
    files = [boot.file([(0, 0, 0), (0, 1, 1)], 4196), boot.file([(0, 0, 0)], 4096)]
    content = boot.finish(boot.directory([(b"a", files[0], 1), (b"b", files[1], 1)]))
    tables = read(content)
    assert tables.blobs[0].needs_meta
    assert tables.extents.chunk.tolist() == [0, 1, 0]
    assert not tables.chunks.digest.any()
    assert place_chunks(tables, {}, Limits()).unit_index.tolist() == [-1, -1]


def test_one_chunk_of_two_sizes_without_chunk_table():
    boot = Bootstrap()
    files = [boot.file([(0, 0, 0)], 100), boot.file([(0, 0, 0)], 200)]
    with pytest.raises(MalformedImage, match="another length"):
        read(boot.finish(boot.directory([(b"a", files[0], 1), (b"b", files[1], 1)])))


def test_blob_with_chunks_that_nothing_locates():
    boot = Bootstrap()
    boot.meta_size = 0
    with pytest.raises(MalformedImage, match="no chunk-info array"):
        read(boot.finish(boot.directory([])))


def test_external_blob_is_read_and_its_data_are_refused():
    boot = Bootstrap(features=shared.CAP_TAR_TOC | shared.EXTERNAL)
    boot.chunk(digest=bytes(32))
    file = boot.file([(0, 0, 0)], 100)
    tables = read(boot.finish(boot.directory([(b"a", file, 1), (b"b", boot_empty(boot), 1)])))
    assert tables.blobs[0].meta_id == ""
    placement = place_chunks(tables, {}, Limits())
    assert placement.unit_index.tolist() == [-1]
    with pytest.raises(UnsupportedImage, match=r"blob aaa.*external backend"):
        require_placed(tables, placement, tables.extents.chunk)
    require_placed(tables, placement, tables.extents.chunk[:0])


@pytest.mark.parametrize(
    ("offset", "replacement", "what"),
    [
        (64, b"\1", r"says that it is another blob \(1\)"),
        (68, struct.pack("<I", 0x2000), "another chunk size"),
        (72, struct.pack("<I", (1 << 24) + 1), "more chunks than a blob"),
        (84, struct.pack("<I", 0x40000000), "is aligned and should not be, or"),
        (84, struct.pack("<I", 0x40000041), "is a tar"),
        (84, struct.pack("<I", 0x40000105), "encrypted"),
        (88, b"\xff" * 8, "larger than a blob"),
        (96, b"\xff" * 8, "larger than a blob"),
        (112, b"\xff" * 8, "past the end of any blob"),
        (120, struct.pack("<Q", 1 << 30), "larger than unpacked"),
        (0, b"../../etc/passwd", "blob id"),
        (0, b".hidden" + bytes(57), "blob id"),
        (0, bytes(64), "blob id"),
        (0, b"a\0b", "blob id"),
    ],
)
def test_blob_entries_that_cannot_be(offset, replacement, what):
    with pytest.raises(ImageFault, match=what):
        read(patched("v6-zstd", 4096 + offset, replacement))


@pytest.mark.parametrize(
    ("offset", "replacement", "what"),
    [
        (40, b"\xff" * 4, "past the end"),
        (86, b"\xff\xff", "device table"),
        (128 + 8, b"\xff" * 8, "blob table"),
        (128 + 16, b"\1\1\0\0", "blob table: has a size that is no whole number of rows"),
        (128 + 16, b"\0\0\2\0", r"more blobs than an image can have \(512 blobs\)"),
        (128 + 20, b"\0\x18\0\0", r"no power of two .* \(6144\)"),
        (128 + 24, b"\xff" * 8, "chunk table"),
        (128 + 32, b"\xff" * 8, "chunk table: has a size that is no whole number of rows"),
        (128 + 32, struct.pack("<Q", 80 << 50), "chunk table"),
        (128 + 40, b"\xff" * 8, "prefetch table"),
    ],
)
def test_superblocks_that_cannot_be(offset, replacement, what):
    with pytest.raises(MalformedImage, match=what):
        read(patched("v6-lz4-sha256-4k-fs", 1024 + offset, replacement))


def test_a_key_never_names_a_file():
    """An encrypted blob keeps its key where others keep the digest of the file with their chunk-info array."""
    content = bytearray(images.bootstrap("v6-enc"))
    table = int.from_bytes(content[1160:1168], "little")
    features = int.from_bytes(content[table + 84 : table + 88], "little") | shared.SEPARATE
    content[table + 84 : table + 88] = features.to_bytes(4, "little")
    (blob,) = read(bytes(content)).blobs
    assert blob.key == bytes(content[table + 168 : table + 200])
    assert blob.key.hex() != blob.meta_id


@pytest.mark.parametrize("name", ["v6-enc", "v6-enc-batch-inline"])
def test_keys_are_in_no_repr(name):
    (blob,) = read(images.bootstrap(name)).blobs
    assert any(blob.key)
    for secret in (blob.key, blob.iv):
        assert repr(secret) not in repr(blob)
        assert secret.hex() not in repr(blob)
