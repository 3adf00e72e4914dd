"""The kernel's side of the FUSE protocol: questions put together, answers taken apart."""

import struct
from dataclasses import dataclass

from rafsight.views.fuse import wire
from rafsight.views.fuse.protocol import Request

ATTR = struct.Struct("=QQQqqqIIIIIIIIII")
ENTRY = struct.Struct("=QQQQII")


@dataclass(frozen=True, kw_only=True)
class Attr:
    """struct fuse_attr."""

    ino: int
    size: int
    blocks: int
    atime: tuple[int, int]
    mtime: tuple[int, int]
    ctime: tuple[int, int]
    mode: int
    nlink: int
    uid: int
    gid: int
    rdev: int
    blksize: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One record of READDIRPLUS."""

    node: int
    attr: Attr
    ino: int
    cookie: int
    kind: int
    name: bytes


def ask(filesystem, opcode, node=wire.ROOT, body=b""):
    """Put a question; returns the errno, or the body of the answer as bytes."""
    answer = filesystem.answer(Request(opcode, node, memoryview(body)))
    return answer if answer is None or isinstance(answer, int) else b"".join(answer)


def look_up(filesystem, name, node=wire.ROOT):
    """Return node and attributes of a name; None if there is none."""
    return parse_entry(ask(filesystem, wire.Opcode.LOOKUP, node, name + b"\0"))


def find(filesystem, path):
    """Return node and attributes of a path."""
    node, attr = wire.ROOT, None
    for part in path.split(b"/"):
        node, attr = look_up(filesystem, part, node)
    return node, attr


def parse_entry(content):
    assert len(content) == wire.ENTRY_SIZE
    node, generation, entry_valid, attr_valid, *nsec = ENTRY.unpack_from(content)
    assert (generation, nsec) == (0, [0, 0])
    assert entry_valid > 86_400
    if node == 0:
        return None
    assert attr_valid == entry_valid
    return node, parse_attr(content[ENTRY.size :])


def parse_attr(content):
    assert len(content) == ATTR.size
    ino, size, blocks, a, m, c, an, mn, cn, mode, nlink, uid, gid, rdev, blksize, flags = ATTR.unpack(content)
    assert flags == 0
    return Attr(
        ino=ino,
        size=size,
        blocks=blocks,
        atime=(a, an),
        mtime=(m, mn),
        ctime=(c, cn),
        mode=mode,
        nlink=nlink,
        uid=uid,
        gid=gid,
        rdev=rdev,
        blksize=blksize,
    )


def get_attr(filesystem, node):
    content = ask(filesystem, wire.Opcode.GETATTR, node, bytes(16))
    return parse_attr(content[wire.ATTR_HEAD.size :])


def read(filesystem, node, offset, size, opcode=wire.Opcode.READ):
    return ask(filesystem, opcode, node, wire.READ_IN.pack(0, offset, size, 0, 0, 0, 0))


def read_directory(filesystem, node, offset, size):
    answer = read(filesystem, node, offset, size, wire.Opcode.READDIRPLUS)
    return answer if isinstance(answer, int) else parse_directory(answer)


def parse_directory(content):
    """Take the records of READDIRPLUS apart."""
    found, at = [], 0
    while at < len(content):
        node = ENTRY.unpack_from(content, at)[0]
        attr = content[at + ENTRY.size : at + wire.ENTRY_SIZE]
        ino, cookie, size, kind = struct.unpack_from("=QQII", content, at + wire.ENTRY_SIZE)
        start = at + wire.DIRENTPLUS_SIZE
        name = bytes(content[start : start + size])
        at = start + -(-size // 8) * 8
        assert not any(content[start + size : at]), "names are padded with zeros"
        found.append(Entry(node=node, attr=parse_attr(attr), ino=ino, cookie=cookie, kind=kind, name=name))
    assert at == len(content)
    return found


def list_directory(filesystem, node, size, offset=0):
    """Read a directory to its end, as much at a time as `size` lets."""
    found = []
    while part := read_directory(filesystem, node, offset, size):
        assert isinstance(part, list), part
        found += part
        assert part[-1].cookie > offset, "it goes on"
        offset = part[-1].cookie
    return found


def get_xattr(filesystem, node, name, size):
    return ask(filesystem, wire.Opcode.GETXATTR, node, wire.GETXATTR_IN.pack(size, 0) + name + b"\0")


def list_xattrs(filesystem, node, size):
    return ask(filesystem, wire.Opcode.LISTXATTR, node, wire.GETXATTR_IN.pack(size, 0))
