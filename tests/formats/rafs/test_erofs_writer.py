"""Written metadata is judged by the kernel, by fsck.erofs, and by our own reader of RAFS v6 directories."""

import os
import shutil
import stat
import subprocess
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as some
from tests.formats import made_tables as made
from tests.formats.made_tables import Node, directory, make_image, stated, symlink
from tests.views.observed import assert_tree, needs_root, observe

from rafsight.base.errors import Defect
from rafsight.base.limits import Limits
from rafsight.formats.judge import STRICT
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs.codec import read_bootstrap
from rafsight.formats.rafs.erofs_writer import ChunkMap, write_erofs
from rafsight.formats.rafs.v6_data import flat_data
from rafsight.formats.rafs.v6_inodes import REGULAR, SYMLINK
from rafsight.formats.rafs.v6_volume import Volume
from rafsight.formats.rafs.v6_walk import walk
from rafsight.formats.rafs.xattrs import read_v6_xattrs
from rafsight.formats.records import octets_of
from rafsight.formats.tables import MalformedImage
from rafsight.image.backing import lay_out, map_chunks
from rafsight.image.tree import ImageTree
from rafsight.testing.bootstraps import synthetic_bootstrap
from rafsight.views.mount.kernel import MountRefused, mount_erofs, unmount

BLOCK = 4096
UUID = bytes(range(16))

needs_fsck = pytest.mark.skipif(shutil.which("fsck.erofs") is None, reason="needs fsck.erofs")


def write(tables):
    backing = lay_out(tables)
    chunk_map = map_chunks(tables, backing)
    assert not chunk_map.unmappable.size
    return write_erofs(tables, chunk_map, device_blocks=(backing.sizes // BLOCK).tolist(), uuid=UUID)


def lay_down(folder, small):
    """Write metadata and devices as files."""
    folder.mkdir(exist_ok=True)
    written = write(small.tables)
    metadata, device = folder / "metadata", folder / "device"
    metadata.write_bytes(written.content)
    backing, chunks = lay_out(small.tables), small.tables.chunks
    with device.open("wb") as file:
        for row in backing.order.tolist():
            file.seek(int(backing.address[row]))
            offset = int(chunks.compressed_offset[row])
            file.write(small.blob[offset : offset + int(chunks.size[row])])
        file.truncate(int(backing.sizes[0]))
    return written, metadata, [device]


@contextmanager
def mounted(folder, metadata, devices):
    directory = folder / "mounted"
    directory.mkdir(exist_ok=True)
    try:
        mount_erofs(metadata, devices, directory)
    except MountRefused as refused:
        pytest.skip(str(refused))
    try:
        yield directory
    finally:
        unmount(directory, lazy=True)


def assert_sound(metadata, devices):
    extra = [f"--device={device}" for device in devices]
    done = subprocess.run(
        ["fsck.erofs", "-d3", "--extract", *extra, metadata], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No errors found" in done.stdout + done.stderr


def read_back(content, device_count=1):
    """Read the tree of a volume with what reads RAFS v6 bootstraps: by path what `stated` says, but for content."""
    head = layout.SUPERBLOCK.rows(content, layout.SUPERBLOCK_OFFSET, 1, "test")[0]
    meta = int(head["meta_blkaddr"]) * BLOCK
    volume = Volume(
        content=content,
        octets=octets_of(content),
        judge=STRICT,
        superblock=None,
        block_size=1 << int(head["blkszbits"]),
        meta_offset=meta,
        slot_count=(len(content) - meta) // layout.INODE_SLOT,
        first_offset=layout.PLAIN_DEVICE_TABLE_OFFSET + device_count * layout.DEVICE_SLOT.size,
        root_nid=int(head["root_nid"]),
        build_time=0,
        build_time_nsec=0,
        device_count=device_count,
        blob_table_offset=0,
        blob_count=0,
        chunk_table_offset=0,
        chunk_table_count=0,
        prefetch_offset=0,
        prefetch_count=0,
        chunk_size=BLOCK,
        is_tarfs=False,
    )
    tree = walk(volume, Limits())
    inodes, found, paths, firsts = tree.inodes, {}, [], {}
    for row in range(len(tree.nid)):
        name = content[tree.name_offset[row] :][: tree.name_size[row]]
        above = paths[tree.parent[row]] if row else b""
        paths.append(above + b"/" + name if above else name)
        area = content[inodes.xattr_offset[row] :][: inodes.xattr_size[row]]
        mode, kind = int(inodes.mode[row]), int(inodes.mode[row]) >> 12
        target = b""
        if kind == SYMLINK:
            data = flat_data(volume, inodes.take(np.array([row])), inodes.size[[row]], "test")
            start = int(data.start[0] if data.outside[0] else inodes.body[row])
            target = bytes(content[start : start + int(inodes.size[row])])
        found[paths[-1]] = {
            "mode": mode,
            "uid": int(inodes.uid[row]),
            "gid": int(inodes.gid[row]),
            "mtime": int(inodes.mtime[row]) * 10**9 + int(inodes.mtime_nsec[row]),
            "nlink": int(inodes.nlink[row]),
            "rdev": int(inodes.union[row]) if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else 0,
            "size": int(inodes.size[row]) if kind in (REGULAR, SYMLINK) else 0,
            "target": target,
            "xattrs": {one.name: one.value for one in read_v6_xattrs(memoryview(area))},
            "first": firsts.setdefault(int(tree.nid[row]), paths[-1]),
        }
    return found, dict(zip(paths, tree.nid.tolist(), strict=True))


def without_sums(entries):
    return {path: {name: value for name, value in one.items() if name != "sha256"} for path, one in entries.items()}


TREES = {
    "odd": made.odd_tree(),
    "large directory": made.large_directory(12_000),
    "one file": {b"f": Node(content=b"x" * 20_000)},
    "no files": {b"d/e": directory(), b"l": symlink(b"d")},
    "nothing": {},
}


@pytest.fixture(scope="module", params=TREES)
def case(request, tmp_path_factory):
    small = make_image(TREES[request.param])
    folder = tmp_path_factory.mktemp("volume")
    return TREES[request.param], small, folder, lay_down(folder, small)


@pytest.mark.root
@needs_root
def test_the_kernel_sees_the_tree(case):
    nodes, small, folder, (written, metadata, devices) = case
    with mounted(folder, metadata, devices) as root:
        found = observe(root)
    assert_tree(found, stated(nodes))
    paths = made.paths_of(small.tables)
    assert [found[path]["ino"] for path in paths] == written.nids.tolist()
    for path, one in found.items():
        names = [name for name in one["names"] if name not in (b".", b"..")]
        assert names == sorted(names), path
        if one["sha256"]:
            assert one["blocks"] == -(-one["size"] // BLOCK) * 8, path


@needs_fsck
def test_fsck_finds_nothing(case):
    *_, (_written, metadata, devices) = case
    assert_sound(metadata, devices)


def test_our_own_reader_sees_the_tree(case):
    nodes, small, _folder, (written, *_) = case
    found, nids = read_back(written.content)
    assert found == without_sums(stated(nodes))
    assert [nids[path] for path in made.paths_of(small.tables)] == written.nids.tolist()
    assert written.dropped_xattrs == 0


@settings(max_examples=60)
@given(nodes=made.trees(), chunk_size=some.sampled_from((4096, 8192, 1 << 20)))
def test_any_tree_comes_back(nodes, chunk_size):
    small = make_image(nodes, chunk_size=chunk_size)
    written = write(small.tables)
    found, _nids = read_back(written.content)
    assert found == without_sums(stated(nodes))
    assert len(written.content) % BLOCK == 0
    assert write(small.tables).content == written.content


@pytest.mark.root
@needs_root
@needs_fsck
@settings(max_examples=25, phases=[Phase.generate])  # mounts are too slow to shrink
@given(nodes=made.trees(), chunk_size=some.sampled_from((4096, 8192, 1 << 20)))
def test_the_kernel_and_fsck_agree_on_any_tree(nodes, chunk_size, tmp_path_factory):
    folder = tmp_path_factory.mktemp("volume")
    _written, metadata, devices = lay_down(folder, make_image(nodes, chunk_size=chunk_size))
    with mounted(folder, metadata, devices) as root:
        assert_tree(observe(root), stated(nodes))
    assert_sound(metadata, devices)
    shutil.rmtree(folder)


@pytest.mark.parametrize("count", [*range(20), 200, 340, 341, 342, 5000])
def test_names_around_the_dots_and_the_ends_of_blocks(count):
    """The kernel searches by halves: names are in order within blocks and from block to block."""
    nodes = {b"d/" + b'!"-.0'.replace(b".", b"")[number % 4 :][:1] + b"%d" % number: Node() for number in range(count)}
    nodes[b"d"] = directory()
    written = write(make_image(nodes).tables)
    found, nids = read_back(written.content)
    assert set(found) == set(stated(nodes))
    meta = BLOCK
    start = meta + nids[b"d"] * layout.INODE_SLOT
    head = layout.EXTENDED_INODE.rows(written.content, start, 1, "test")[0]
    names = []
    size, block = int(head["size"]), int(head["union"])
    is_inline = int(head["format"]) >> 1 == layout.LAYOUT_INLINE
    for offset in range(0, size, BLOCK):
        is_last = offset + BLOCK >= size
        place = start + 64 if is_last and is_inline else block * BLOCK + offset
        part = written.content[place : place + min(BLOCK, size - offset)]
        first = int.from_bytes(part[8:10], "little")
        offsets = [int.from_bytes(part[at + 8 : at + 10], "little") for at in range(0, first, 12)]
        ends = [*offsets[1:], len(part.rstrip(b"\0"))]
        names += [part[low:high] for low, high in zip(offsets, ends, strict=True)]
    assert names == sorted(names)
    assert len(names) == count + 2


@pytest.mark.root
@needs_root
def test_the_kernel_finds_every_name_of_a_large_directory(tmp_path):
    """By look-ups alone, without a listing: halves of halves have to lead there."""
    nodes = made.large_directory(11_000)
    _written, metadata, devices = lay_down(tmp_path, make_image(nodes))
    with mounted(tmp_path, metadata, devices) as root:
        for path, node in nodes.items():
            assert (root / "d").joinpath(path.decode("utf-8", "surrogateescape")[2:]).lstat().st_uid == node.uid
        for absent in ("d/", "d/000", "d/\udcff", "d/...", "d/999999", "d/000001y"):
            assert not absent[2:] or not (root / absent).exists()


def lopsided(name, value):
    return {b"f": Node(xattrs={b"user.a": b"1", name: value, b"user.z": b"2"}), b"g": Node(xattrs={name: value})}


@pytest.mark.root
@needs_root
@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"system.nfs4_acl", b"x"),
        (b"btrfs.compression", b"x"),
        (b"user.", b"x"),
        (b"system.posix_acl_access2", made.ACL),
        (b"user." + b"n" * 256, b"x"),
        (b"user.v", bytes(65_536)),
        (b"nodots", b""),
    ],
)
def test_xattrs_that_erofs_cannot_hold_are_counted_and_left_out(name, value, tmp_path):
    nodes = lopsided(name, value)
    written, metadata, devices = lay_down(tmp_path, make_image(nodes))
    assert written.dropped_xattrs == 2
    with mounted(tmp_path, metadata, devices) as root:
        found = observe(root)
    assert found[b"f"]["xattrs"] == {b"user.a": b"1", b"user.z": b"2"}
    assert found[b"g"]["xattrs"] == {}


def test_more_xattrs_than_an_inode_can_have_are_counted():
    values = {b"user.%d" % number: bytes(65_000) for number in range(5)}
    written = write(make_image({b"f": Node(xattrs=values)}).tables)
    assert written.dropped_xattrs == 1
    assert len(read_back(written.content)[0][b"f"]["xattrs"]) == 4


@pytest.mark.root
@needs_root
def test_large_xattrs_up_to_the_limits(tmp_path):
    nodes = {
        b"f": Node(xattrs={b"user." + b"n" * 250: bytes(range(1, 256)) * 257, b"user.b": b"x" * 65_535}, content=b"f"),
        b"d": directory(xattrs={b"trusted." + b"\xff" * 200: b"x" * 60_000}),
        b"d/in": Node(),
        b"l": symlink(b"t" * 4000, xattrs={b"trusted.l": b"x" * 100}),
    }
    _written, metadata, devices = lay_down(tmp_path, make_image(nodes))
    with mounted(tmp_path, metadata, devices) as root:
        assert_tree(observe(root), stated(nodes))


def test_unreadable_xattrs_are_a_fault_of_the_image():
    small = make_image({b"f": Node(xattrs={b"user.a": b"1"})})
    cut = replace(small.tables.entries, xattr_size=np.maximum(small.tables.entries.xattr_size - 1, 0))
    with pytest.raises(MalformedImage):
        write(replace(small.tables, entries=cut))


def test_files_that_are_not_made_of_blocks_are_refused():
    tables = make_image({b"f": Node(content=b"x")}).tables
    chunk_map = map_chunks(tables, lay_out(tables))
    bad = ChunkMap(**{name: getattr(chunk_map, name) for name in chunk_map.__slots__} | {"unmappable": np.array([1])})
    with pytest.raises(Defect):
        write_erofs(tables, bad, device_blocks=[1], uuid=UUID)


@pytest.mark.root
@needs_root
@needs_fsck
def test_a_volume_without_devices(tmp_path):
    nodes = {b"d/empty": Node(), b"hole": Node(content=bytes(made.CHUNK * 3)), b"l": symlink(b"d")}
    small = make_image(nodes)
    tables = replace(small.tables, blobs=())
    assert not tables.extents.size.size
    chunk_map = map_chunks(tables, lay_out(tables))
    metadata = tmp_path / "metadata"
    metadata.write_bytes(write_erofs(tables, chunk_map, device_blocks=[], uuid=UUID).content)
    with mounted(tmp_path, metadata, []) as root:
        assert_tree(observe(root), stated(nodes))
    assert_sound(metadata, [])


@pytest.mark.root
@needs_root
@needs_fsck
def test_a_large_image(tmp_path):
    tables = read_bootstrap(synthetic_bootstrap(20_000), name="", limits=Limits())
    backing = lay_out(tables)
    written = write(tables)
    metadata, device = tmp_path / "metadata", tmp_path / "device"
    metadata.write_bytes(written.content)
    with device.open("wb") as file:
        file.truncate(int(backing.sizes[0]))
    tree = ImageTree(tables)
    with mounted(tmp_path, metadata, [device]) as root:
        base = bytes(root) + b"/"
        for row, path in enumerate(tree.paths()):
            found, said = os.lstat(base + path), tree.attributes(row)
            assert (found.st_mode, found.st_nlink, found.st_uid) == (said.mode, said.nlink, said.uid)
            assert found.st_ino == written.nids[row]
            assert said.kind == "directory" or found.st_size == said.size
        assert sum(len(folders) + len(files) for _, folders, files in os.walk(base)) == len(tree) - 1
    done = subprocess.run(
        ["fsck.erofs", f"--device={device}", metadata], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.root
@needs_root
@needs_fsck
def test_more_devices_than_a_byte_can_count(tmp_path):
    """Each chunk in a blob of its own: the device table is longer than a block."""
    count = 300
    nodes = {b"%03d" % number: Node(content=b"%d" % number * 2000) for number in range(count)}
    small = make_image(nodes)
    chunks = small.tables.chunks
    own = replace(chunks, blob_index=np.arange(count, dtype=np.int32), number=np.zeros(count, np.uint32))
    blobs = tuple(replace(small.tables.blobs[0], index=index) for index in range(count))
    tables = replace(small.tables, chunks=own, blobs=blobs)
    backing = lay_out(tables)
    metadata, devices = tmp_path / "metadata", [tmp_path / f"device{number}" for number in range(count)]
    metadata.write_bytes(write(tables).content)
    for number, device in enumerate(devices):
        start, size = int(chunks.compressed_offset[number]), int(chunks.size[number])
        content = small.blob[start : start + size]
        device.write_bytes(bytes(int(backing.address[number])) + content)
        os.truncate(device, int(backing.sizes[number]))
    with mounted(tmp_path, metadata, devices) as root:
        assert_tree(observe(root), stated(nodes))


@pytest.mark.root
@needs_root
def test_a_huge_hole(tmp_path):
    small = make_image({b"f": Node()})
    size = (1 << 40) + 5
    entries = replace(small.tables.entries, size=np.array([0, size]))
    _written, metadata, devices = lay_down(tmp_path, replace(small, tables=replace(small.tables, entries=entries)))
    with mounted(tmp_path, metadata, devices) as root, (root / "f").open("rb") as file:
        assert os.fstat(file.fileno()).st_size == size
        for offset in (0, 1 << 31, (1 << 40) - 2):
            file.seek(offset)
            assert not any(file.read(4096))
        assert len(os.pread(file.fileno(), 100, size - 7)) == 7


@pytest.mark.root
@needs_root
@pytest.mark.parametrize(
    ("column", "value", "field", "shown"),
    [
        ("nlink", 0, "nlink", 0),
        ("nlink", 0xFFFF_FFFF, "nlink", 0xFFFF_FFFF),
        ("mtime_nsec", 1_000_000_000, "mtime", 999_999_999),
        ("mtime_nsec", 0xFFFF_FFFF, "mtime", 999_999_999),
    ],
)
def test_numbers_that_no_builder_writes(column, value, field, shown, tmp_path):
    nodes = {b"f": Node(content=b"f")}
    small = make_image(nodes)
    entries = replace(small.tables.entries, **{column: np.array([1, value], np.uint32)})
    _written, metadata, devices = lay_down(tmp_path, replace(small, tables=replace(small.tables, entries=entries)))
    expected = stated(nodes)
    expected[b"f"][field] = shown
    expected[b""]["nlink"] = int(entries.nlink[0])
    expected[b""]["mtime"] = int(entries.mtime_nsec[0])
    with mounted(tmp_path, metadata, devices) as root:
        assert_tree(observe(root), expected)


def test_what_the_head_says():
    small = make_image(TREES["odd"])
    content = write(small.tables).content
    head = layout.SUPERBLOCK.rows(content, layout.SUPERBLOCK_OFFSET, 1, "test")[0]
    assert head["uuid"].tobytes() == UUID
    assert head["inos"] == len(small.tables.entries.mode)
    assert not head["feature_compat"] & layout.COMPATIBLE_RAFS
    slot = layout.DEVICE_SLOT.rows(content, layout.PLAIN_DEVICE_TABLE_OFFSET, 1, "test")[0]
    assert slot["blocks"] * BLOCK == lay_out(small.tables).sizes[0]
