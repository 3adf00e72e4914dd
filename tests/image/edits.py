"""Edited trees, and what they should be: a slow model that knows nothing but paths."""

import copy
import dataclasses
import hashlib
import stat
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as some
from tests.formats import made_tables

from rafsight.formats.compression import Encoder
from rafsight.formats.rafs.blob_writer import BlobWriter
from rafsight.formats.rafs.codec import codec_of
from rafsight.formats.tables import ChunkTable, Compressor, Digester, Xattr
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Changes, Content, Put
from rafsight.image.edit import PackedContents
from rafsight.image.tree import ImageTree
from rafsight.testing.rafs_images import pack

CHUNK = made_tables.CHUNK
TYPES = {
    MemberKind.FILE: stat.S_IFREG,
    MemberKind.DIRECTORY: stat.S_IFDIR,
    MemberKind.SYMLINK: stat.S_IFLNK,
    MemberKind.CHAR: stat.S_IFCHR,
    MemberKind.BLOCK: stat.S_IFBLK,
    MemberKind.FIFO: stat.S_IFIFO,
}


def content_of(data, piece=1000):
    @contextmanager
    def opened():
        yield iter([data[start : start + piece] for start in range(0, len(data), piece)])

    return Content(size=len(data), open=opened)


def data_of(content):
    with content.open() as pieces:
        return b"".join(pieces)


def put_file(path, data=b"", **attributes):
    return Put(path=path, kind=MemberKind.FILE, content=content_of(data), **attributes)


@dataclass(kw_only=True)
class Thing:
    """One inode."""

    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    rdev: int = 0
    target: bytes = b""
    xattrs: tuple = ()
    content: bytes = b""

    @property
    def kind(self):
        return stat.S_IFMT(self.mode)


class Model:
    """Inodes by path."""

    def __init__(self, tables, blobs):
        tree = ImageTree(tables)
        self.things = {}
        inodes = {}
        for row, path in enumerate(tree.paths()):
            first = int(tables.entries.link_row[row])
            if first not in inodes:
                inodes[first] = Thing(
                    mode=int(tables.entries.mode[row]),
                    uid=int(tables.entries.uid[row]),
                    gid=int(tables.entries.gid[row]),
                    mtime=int(tables.entries.mtime[row]) * 10**9 + int(tables.entries.mtime_nsec[row]),
                    rdev=int(tables.entries.rdev[row]),
                    target=tree.target(row),
                    xattrs=tuple(sorted(tree.xattrs(row), key=lambda one: one.name)),
                    content=read_file(tables, blobs, row),
                )
            self.things[path] = inodes[first]

    def apply(self, changes):
        for path in changes.removed:
            self._remove(path)
        for put in changes.puts:
            self._put(put)

    def _remove(self, path):
        for other in [one for one in self.things if one == path or one.startswith(path + b"/")]:
            del self.things[other]

    def _put(self, put):
        parts = put.path.split(b"/")
        for depth in range(1, len(parts)):
            self.things.setdefault(b"/".join(parts[:depth]), Thing(mode=stat.S_IFDIR | 0o755))
        if put.kind == MemberKind.HARDLINK:
            if put.target != put.path:
                thing = self.things[put.target]
                self._remove(put.path)
                self.things[put.path] = thing if thing.kind == stat.S_IFREG else copy.copy(thing)
            return
        kind = TYPES[put.kind]
        before = self.things.get(put.path)
        same = before is not None and before.kind == kind
        default = {stat.S_IFDIR: 0o755, stat.S_IFLNK: 0o777}.get(kind, 0o644)
        was = before if same else Thing(mode=kind | default)
        given = {name: getattr(put, name) for name in ("uid", "gid", "mtime", "xattrs")}
        made = replace(was, **{name: value for name, value in given.items() if value is not None})
        if put.mode is not None:
            made.mode = kind | put.mode
        made.xattrs = tuple(sorted(made.xattrs, key=lambda one: one.name))
        made.rdev, made.target = put.rdev, put.target
        made.content = data_of(put.content) if put.content else b""
        if same and kind in (stat.S_IFREG, stat.S_IFDIR):
            for field in dataclasses.fields(Thing):
                setattr(before, field.name, getattr(made, field.name))
        else:
            self._remove(put.path)
            self.things[put.path] = made

    def described(self):
        first = {}
        for path in sorted(self.things):
            first.setdefault(id(self.things[path]), path)
        return {path: (first[id(thing)], replace(thing)) for path, thing in self.things.items()}


def read_file(tables, blobs, row):
    extents = ImageTree(tables).extent_rows(row)
    content = bytearray(int(tables.entries.size[row]) if stat.S_ISREG(int(tables.entries.mode[row])) else 0)
    for at in range(extents.start, extents.stop):
        chunk, offset = int(tables.extents.chunk[at]), int(tables.extents.file_offset[at])
        start, size = int(tables.chunks.compressed_offset[chunk]), int(tables.chunks.size[chunk])
        blob = blobs[tables.blobs[int(tables.chunks.blob_index[chunk])].data_id]
        content[offset : offset + size] = blob[start : start + size]
    return bytes(content)


def described(tables, blobs):
    """Describe tables as `Model.described` does."""
    return Model(tables, blobs).described()


def pack_contents(tables, changes, blobs):
    """Store the content of changes in a blob of its own, plain; `blobs` gets it."""
    blob = bytearray()
    writer = BlobWriter(
        blob.extend,
        Encoder(Compressor.NONE),
        digester=Digester.BLAKE3,
        aligned=codec_of(tables.superblock.version or 5).ALIGNS_CHUNKS,
    )
    chunk_size, rows, first = tables.superblock.chunk_size, [], len(tables.chunks.size)
    for put in changes.puts:
        data = data_of(put.content) if put.content else b""
        pieces = [data[start : start + chunk_size] for start in range(0, len(data), chunk_size)]
        rows.append(np.array([first + writer.add(one, hashlib.sha256(one).digest()) for one in pieces], np.int32))
    written = writer.finish(chunk_size=chunk_size, index=len(tables.blobs))
    if not written.entry.chunk_count:
        return PackedContents(chunks=tables.chunks, blobs=tables.blobs, rows=tuple(rows))
    blobs[written.entry.data_id] = bytes(blob)
    columns = {
        name: np.concatenate([getattr(tables.chunks, name), getattr(written.chunks, name)])
        for name in ChunkTable.__slots__
    }
    return PackedContents(chunks=ChunkTable(**columns), blobs=(*tables.blobs, written.entry), rows=tuple(rows))


def stored(nodes, version):
    """Make an image of nodes (see `made_tables`) whose chunks lie plain as a version wants them, and its blobs."""
    blob = bytearray()
    tables = pack(made_tables.make_image(nodes), blob.extend, version=version, compressor=Compressor.NONE)
    return tables, {one.data_id: bytes(blob) for one in tables.blobs}


contents = some.sampled_from((b"", b"x", b"new" * 500, b"n" * CHUNK, b"m" * (CHUNK + 1), bytes(range(256)) * 70))
names = some.sampled_from((b"a", b"b", b"new", b"new-er", b"\xff"))
xattrs = some.sampled_from((None, (), (Xattr(name=b"user.new", value=b"\0v"), Xattr(name=b"trusted.t", value=b""))))
kinds = some.sampled_from(tuple(TYPES))


@some.composite
def trees(draw):
    """Trees that both versions can hold: no holes, some content, other names of files alone."""
    nodes = draw(made_tables.trees())
    linked = {path for path, node in nodes.items() if node.same_as and not stat.S_ISREG(nodes[node.same_as].mode)}
    nodes.setdefault(b"zz", made_tables.Node(content=b"content"))
    return {
        path: replace(node, content=node.content.replace(b"\0", b"z"), rdev=node.rdev & 0xFFFF_FFFE)
        for path, node in nodes.items()
        if path not in linked
    }


@some.composite
def changes_of(draw, tables, blobs):
    """Changes that can be made: drawn one after the other against the model."""
    model = Model(tables, blobs)
    paths = [path for path in model.things if path]
    removed = draw(some.lists(some.sampled_from(paths), max_size=3, unique=True)) if paths else []
    removed = [path for path in removed if not any(path.startswith(other + b"/") for other in removed)]
    model.apply(Changes(removed=tuple(removed)))
    puts = []
    for _ in range(draw(some.integers(0, 5))):
        put = draw(_puts(model))
        puts.append(put)
        model.apply(Changes(puts=(put,)))
    return Changes(removed=tuple(removed), puts=tuple(puts))


@some.composite
def _puts(draw, model):
    folders = sorted(path for path, thing in model.things.items() if thing.kind == stat.S_IFDIR)
    others = sorted(path for path, thing in model.things.items() if thing.kind != stat.S_IFDIR)
    if others and draw(some.booleans()):
        path = draw(some.sampled_from(others))
    else:
        path = b"/".join([*[one for one in [draw(some.sampled_from(folders))] if one], draw(names)])
        below = b"/".join([path, draw(names)])
        can_be_deeper = path not in model.things or path in folders
        path = below if can_be_deeper and draw(some.booleans()) else path
    if others and draw(some.integers(0, 4)) == 0:
        target = draw(some.sampled_from(others))
        if not target.startswith(path + b"/"):
            return Put(path=path, kind=MemberKind.HARDLINK, target=target)
    kind = draw(kinds)
    return Put(
        path=path,
        kind=kind,
        mode=draw(some.none() | some.integers(0, 0o7777)),
        uid=draw(some.none() | some.integers(0, 2**32 - 2)),
        gid=draw(some.none() | some.integers(0, 70_000)),
        mtime=draw(some.none() | some.integers(-(2**62), 2**62)),
        xattrs=draw(xattrs) if kind in (MemberKind.FILE, MemberKind.DIRECTORY) else None,
        target=b"some/where" if kind == MemberKind.SYMLINK else b"",
        rdev=0x103 if kind in (MemberKind.CHAR, MemberKind.BLOCK) else 0,
        content=content_of(draw(contents)) if kind == MemberKind.FILE and draw(some.booleans()) else None,
    )
