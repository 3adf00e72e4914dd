"""Tables of trees with every attribute that there is: written down node by node, and known without a reader."""

import hashlib
import itertools
import stat
import struct
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import strategies as some

from rafsight.formats.rafs.xattrs import read_v5_xattrs
from rafsight.formats.tables import ExtentTable
from rafsight.testing.trees import Link, SmallImage, build_image

CHUNK = 8192
NO_XATTRS: dict[bytes, bytes] = {}


@dataclass(frozen=True, kw_only=True)
class Node:
    """One inode. What is not said is as small as it can be."""

    mode: int = stat.S_IFREG | 0o644
    content: bytes = b""
    """Of regular files; runs of zeros in whole chunks are holes."""
    target: bytes = b""
    uid: int = 0
    gid: int = 0
    mtime: tuple[int, int] = (0, 0)
    rdev: int = 0
    xattrs: dict[bytes, bytes] = field(default_factory=dict)
    same_as: bytes | None = None
    """Another name of that path; all else is ignored. The path comes first in a walk by levels."""


def directory(**attributes) -> Node:
    return Node(mode=stat.S_IFDIR | attributes.pop("mode", 0o755), **attributes)


def symlink(target, **attributes) -> Node:
    return Node(mode=stat.S_IFLNK | 0o777, target=target, **attributes)


def device(kind, major, minor, **attributes) -> Node:
    rdev = minor & 0xFF | (major & 0xFFF) << 8 | (minor & ~0xFF) << 12
    return Node(mode=kind | attributes.pop("mode", 0o600), rdev=rdev, **attributes)


def complete(nodes):
    """Add the directories that are not said, and resolve other names."""
    whole = {b"": nodes.get(b"", directory())}
    for path in nodes:
        parts = path.split(b"/")
        for depth in range(1, len(parts)):
            above = b"/".join(parts[:depth])
            whole.setdefault(above, nodes.get(above, directory()))
    return whole | dict(nodes)


def make_image(nodes, *, chunk_size=CHUNK) -> SmallImage:
    """Turn nodes by path (the root is empty) into tables, with their placement and their blob."""
    whole = complete(nodes)
    first = {path: node.same_as or path for path, node in whole.items()}
    files = {}
    for path in whole:
        own = whole[first[path]]
        if path:
            files[path] = Link(own.target) if stat.S_ISLNK(own.mode) else own.content
            if stat.S_ISDIR(own.mode):
                files[path] = None
    small = build_image(files, chunk_size=chunk_size)
    paths = paths_of(small.tables)
    row_of = {path: row for row, path in enumerate(paths)}
    owns = [whole[first[path]] for path in paths]
    buffer, offsets, sizes = _areas(small.tables.buffer, owns)
    link_row = np.array([row_of[first[path]] for path in paths], np.int32)
    assert (link_row <= np.arange(len(paths))).all(), "the first name comes first"
    names = Counter(link_row.tolist())
    old, extents, starts, counts = small.tables.entries, *_without_holes(small)
    entries = replace(
        old,
        mode=np.array([own.mode for own in owns], np.uint32),
        uid=np.array([own.uid for own in owns], np.uint32),
        gid=np.array([own.gid for own in owns], np.uint32),
        mtime=np.array([own.mtime[0] for own in owns], np.int64),
        mtime_nsec=np.array([own.mtime[1] for own in owns], np.uint32),
        rdev=np.array([own.rdev for own in owns], np.uint32),
        nlink=np.array(
            [
                _below(whole, path) if stat.S_ISDIR(whole[path].mode) else names[link_row[row]]
                for row, path in enumerate(paths)
            ],
            np.uint32,
        ),
        link_row=link_row,
        xattr_offset=offsets,
        xattr_size=sizes,
        extent_start=starts[link_row],
        extent_count=counts[link_row],
        target_offset=old.target_offset[link_row],
        target_size=old.target_size[link_row],
        size=old.size[link_row],
    )
    tables = replace(small.tables, buffer=buffer, entries=entries, extents=extents, read_xattrs=read_v5_xattrs)
    return replace(small, tables=tables)


def paths_of(tables):
    buffer, entries, found = memoryview(tables.buffer), tables.entries, []
    for row in range(len(entries.parent)):
        name = bytes(buffer[entries.name_offset[row] :][: entries.name_size[row]])
        above = found[entries.parent[row]] if row else b""
        found.append(above + b"/" + name if above else name)
    return found


def _below(whole, path):
    """The link count of a directory: itself, its name, and the directories in it."""
    inside = [other for other, node in whole.items() if other and other.rpartition(b"/")[0] == path]
    return 2 + sum(stat.S_ISDIR(whole[other].mode) and whole[other].same_as is None for other in inside)


def _areas(buffer, owns):
    """Put xattrs behind the names, as RAFS v5 stores them."""
    whole, offsets, sizes = bytearray(buffer), [], []
    for own in owns:
        area = b"".join(
            len(name + b"\0" + value).to_bytes(4, "little") + name + b"\0" + value for name, value in own.xattrs.items()
        )
        offsets.append(len(whole) if area else 0)
        sizes.append(len(area))
        whole += area
    return bytes(whole), np.array(offsets, np.int64), np.array(sizes, np.int32)


def _without_holes(small):
    """Take the extents away that are all zeros."""
    tables = small.tables
    entries, extents = tables.entries, tables.extents
    starts, sizes = (getattr(tables.chunks, name)[extents.chunk].tolist() for name in ("compressed_offset", "size"))
    is_hole = np.array(
        [not small.blob[start : start + size].strip(b"\0") for start, size in zip(starts, sizes, strict=True)], np.bool_
    )
    kept = np.concatenate(([0], np.cumsum(~is_hole)))
    starts = kept[entries.extent_start]
    counts = (kept[entries.extent_start + entries.extent_count] - starts).astype(np.int32)
    left = ExtentTable(
        chunk=extents.chunk[~is_hole], file_offset=extents.file_offset[~is_hole], size=extents.size[~is_hole]
    )
    return left, np.where(counts, starts, 0).astype(np.int64), counts


def stated(nodes):
    """What anybody who looks at a tree has to see, by path; groups of names are named by the first of them."""
    whole = complete(nodes)
    names = Counter(node.same_as or path for path, node in whole.items())
    result = {}
    for path, node in whole.items():
        first = node.same_as or path
        own = whole[first]
        kind = stat.S_IFMT(own.mode)
        result[path] = {
            "mode": own.mode,
            "uid": own.uid,
            "gid": own.gid,
            "mtime": own.mtime[0] * 10**9 + own.mtime[1],
            "nlink": _below(whole, path) if kind == stat.S_IFDIR else names[first],
            "rdev": own.rdev,
            "size": len(own.content) if kind == stat.S_IFREG else len(own.target) if kind == stat.S_IFLNK else 0,
            "target": own.target,
            "xattrs": own.xattrs,
            "sha256": hashlib.sha256(own.content).hexdigest() if kind == stat.S_IFREG else "",
            "first": first,
        }
    return result


def acl(*, owner=7, named=(1000, 5), group=5, mask=7, other=5):
    """Return an ACL as the kernel stores it, with an entry for one user by number."""
    nobody = 0xFFFF_FFFF
    entries = ((1, owner, nobody), (2, named[1], named[0]), (4, group, nobody), (16, mask, nobody), (32, other, nobody))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


ACL = acl()
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
"""File capabilities, revision 2: CAP_NET_RAW, effective."""


def odd_tree():
    """One of everything, and more of what is at a limit."""
    nodes = {
        b"": directory(mode=0o1777, uid=7, xattrs={b"user.root": b"yes"}),
        b"empty": Node(),
        b"emptied": directory(uid=0xFFFF_FFFE, gid=0xFFFF_FFFE, mtime=(-1, 999_999_999)),
        b"one": Node(content=b"1", mode=stat.S_IFREG | 0o4755, mtime=(-(2**33), 1)),
        b"same": Node(same_as=b"one"),
        b"deep/same": Node(same_as=b"one"),
        b"chunks": Node(content=bytes(range(256)) * 100, uid=70_000, gid=2**31, mtime=(2**33, 5)),
        b"block": Node(content=b"b" * 4096),
        b"holes": Node(content=bytes(3 * CHUNK) + b"x" * CHUNK + bytes(2 * CHUNK) + b"tail"),
        b"hole": Node(content=bytes(5 * CHUNK + 17)),
        b"ends-in-a-hole": Node(content=b"y" * CHUNK + bytes(CHUNK + 1)),
        b"null": device(stat.S_IFCHR, 1, 3, mode=0o666),
        b"disk": device(stat.S_IFBLK, 259, 1_048_575),
        b"disk-too": Node(same_as=b"disk"),
        b"pipe": Node(mode=stat.S_IFIFO | 0o600),
        b"socket": Node(mode=stat.S_IFSOCK | 0o755),
        b"acl": Node(mode=stat.S_IFREG | 0o775, content=b"acl", xattrs={b"system.posix_acl_access": ACL}),
        b"acls": directory(mode=0o775, xattrs={b"system.posix_acl_access": ACL, b"system.posix_acl_default": ACL}),
        b"capable": Node(mode=stat.S_IFREG | 0o755, content=b"c", xattrs={b"security.capability": CAPABILITY}),
        b"trusted": Node(
            xattrs={b"trusted.overlay.opaque": b"y", b"user.empty": b"", b"user." + b"n" * 250: b"\0\xff"}
        ),
        b"large": Node(xattrs={b"user.large": bytes(range(256)) * 255, b"user.small": b"x"}),
        b"many": Node(xattrs={b"user.%03d" % number: b"v" * number for number in range(200)}),
        b"\xff\xfe": Node(content=b"not UTF-8"),
        b"\n\t ": directory(),
        b"-": Node(),
        b"..a": Node(),
        b".a": Node(),
        b"!": Node(),
        b"n" * 255: Node(content=b"long"),
        b"\xff" * 255: directory(),
        b"/".join([b"d" * 100] * 30): Node(content=b"deep"),
    }
    nodes |= {b"crowd/%05d" % number: Node(mtime=(number, number)) for number in range(1_200)}
    nodes |= {b"long/%03d" % number + b"x" * 252: Node(uid=number) for number in range(40)}
    for size in (1, 7, 8, 59, 60, 255, 256, 4000, 4030, 4031, 4032, 4033, 4094, 4095):
        nodes[b"links/%04d" % size] = symlink(b"t" * size)
    return nodes


def large_directory(count):
    """Many names, some of them before the dots, none of one size."""
    lead = itertools.cycle((b"", b"!", b"\xff", b"-", b".."))
    nodes = {b"d/" + next(lead) + b"%06d" % number + b"x" * (number % 90): Node(uid=number) for number in range(count)}
    return {b"d": directory(), **nodes}


_names = some.binary(min_size=1, max_size=12).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b".."))
_long_names = some.integers(200, 255).flatmap(
    lambda size: some.binary(min_size=3, max_size=3).map(lambda head: head.hex().encode().ljust(size, b"l"))
)
_times = some.tuples(some.integers(-(2**62), 2**62), some.integers(0, 999_999_999))
_ids = some.integers(0, 0xFFFF_FFFE)
"""The kernel takes 0xFFFFFFFF for nobody."""
_devices = some.integers(0, 0xFFFF_FFFF)
_values = some.sampled_from((b"", b"x", b"\0\xff" * 70, b"v" * 5000))


def _xattrs(kind):
    """The kernel lets nobody read `user.` of others than files and directories, and links have no ACLs."""
    can_have_all = kind in (stat.S_IFREG, stat.S_IFDIR)
    prefixes = (b"user.", b"trusted.", b"security.") if can_have_all else (b"trusted.", b"security.")
    ends = some.binary(min_size=1, max_size=20).filter(lambda end: 0 not in end)
    names = some.tuples(some.sampled_from(prefixes), ends).map(b"".join)
    acls = some.sampled_from(({}, {}, {b"system.posix_acl_access": ACL})) if can_have_all else some.just({})
    return some.tuples(some.dictionaries(names, _values, max_size=3), acls).map(lambda both: both[0] | both[1])


_contents = some.lists(
    some.sampled_from((bytes(4096), b"a" * 4096, b"b" * 4096, b"c" * 8192, b"short", b"\0")), max_size=8
).map(b"".join)
_kinds = some.sampled_from(
    (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK)
)


@some.composite
def _nodes(draw, kinds=_kinds):
    kind = draw(kinds)
    is_device = kind in (stat.S_IFCHR, stat.S_IFBLK)
    return Node(
        mode=kind | draw(some.integers(0, 0o7777)),
        content=draw(_contents) if kind == stat.S_IFREG else b"",
        target=draw(some.integers(1, 4095)) * b"t" if kind == stat.S_IFLNK else b"",
        uid=draw(_ids),
        gid=draw(_ids),
        mtime=draw(_times),
        rdev=draw(_devices) if is_device else 0,
        xattrs=draw(_xattrs(kind)),
    )


@some.composite
def trees(draw):
    """Trees of up to some dozen nodes, with other names of some."""
    nodes, folders = {b"": draw(_nodes(some.just(stat.S_IFDIR)))}, [b""]
    for _ in range(draw(some.integers(0, 24))):
        above = draw(some.sampled_from(folders))
        name = draw(_names | _long_names)
        path = above + b"/" + name if above else name
        if path in nodes:
            continue
        node = draw(_nodes())
        nodes[path] = node
        if stat.S_ISDIR(node.mode):
            folders.append(path)
    for number in range(draw(some.integers(0, 4))):
        leaves = [path for path, node in nodes.items() if not stat.S_ISDIR(node.mode) and node.same_as is None]
        if not leaves:
            break
        path = draw(some.sampled_from(leaves))
        depth = path.count(b"/")
        # deeper than the first name, so that it comes later in the order of rows
        deeper = [folder for folder in folders if folder and folder.count(b"/") >= depth]
        if deeper:
            other = draw(some.sampled_from(deeper)) + b"/same-%d" % number
            nodes[other] = Node(same_as=path)
    return nodes
