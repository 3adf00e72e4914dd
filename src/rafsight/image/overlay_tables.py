"""Inodes of tar members as columns, and the neutral tables made of them.

This module alone decides how tar members lie in `TreeTables`: rows breadth first, so that children stand together;
`ino` is the first row of an inode plus one; a file is one unit of its layer's decompressed stream and one chunk, a
sparse file has a chunk for each stored part.
"""

import stat as st
from array import array
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rafsight.formats import tables as t
from rafsight.formats.tar import Member
from rafsight.formats.tar_sparse import Segments

_IMPLIED_MODE: Final = st.S_IFDIR | 0o755
_NANOSECONDS: Final = 1_000_000_000
_LAYER_BITS: Final = 12
_DIGEST_SIZE: Final = 32
_XATTR_HEAD: Final = 6
"""[bytes] before each attribute: u16 length of its name, u32 length of its value, little endian."""


class InodeColumns:
    """Everything about inodes, one row each; directories are rows like all others."""

    def __init__(self) -> None:
        self.mode = array("I")
        self.uid = array("I")
        self.gid = array("I")
        self.size = array("q")
        self.seconds = array("q")
        self.nanoseconds = array("I")
        self.rdev = array("I")
        self.layer = array("i")
        self.content_offset = array("q")
        self.stored_size = array("q")
        self.targets: dict[int, bytes] = {}
        self.xattrs: dict[int, bytes] = {}
        self.segments: dict[int, Segments] = {}

    def __len__(self) -> int:
        return len(self.mode)

    def add_directory(self) -> int:
        """Add a directory that no entry names yet; return its row."""
        self.mode.append(_IMPLIED_MODE)
        for column in (self.uid, self.gid, self.size, self.seconds, self.nanoseconds, self.rdev, self.layer):
            column.append(0)
        self.content_offset.append(0)
        self.stored_size.append(0)
        return len(self.mode) - 1

    def add(self, member: Member, file_type: int, layer: int) -> int:
        """Add the inode of a member; return its row."""
        row = self.add_directory()
        self.set_attributes(row, member, file_type)
        self.size[row] = len(member.target) if file_type == st.S_IFLNK else member.size
        self.rdev[row] = member.rdev
        self.layer[row] = layer
        self.content_offset[row] = member.content_offset
        self.stored_size[row] = member.content.size
        if member.target:
            self.targets[row] = member.target
        if member.segments is not None:
            self.segments[row] = member.segments
        return row

    def set_attributes(self, row: int, member: Member, file_type: int) -> None:
        """Take over what may change about a directory."""
        self.mode[row] = file_type | member.mode
        self.uid[row] = member.uid
        self.gid[row] = member.gid
        self.seconds[row], self.nanoseconds[row] = divmod(member.mtime, _NANOSECONDS)
        self.xattrs.pop(row, None)
        if member.xattrs:
            self.xattrs[row] = pack_xattrs(member.xattrs)

    def reset_directory(self, row: int) -> None:
        """Make a directory what it is when no entry names it."""
        self.mode[row] = _IMPLIED_MODE
        self.uid[row] = self.gid[row] = self.nanoseconds[row] = 0
        self.seconds[row] = 0
        self.xattrs.pop(row, None)


def pack_xattrs(xattrs: tuple[t.Xattr, ...]) -> bytes:
    """Write extended attributes as they lie in `TreeTables.buffer` of tar layers."""
    return b"".join(
        len(one.name).to_bytes(2, "little") + len(one.value).to_bytes(4, "little") + one.name + one.value
        for one in xattrs
    )


def unpack_xattrs(area: memoryview) -> tuple[t.Xattr, ...]:
    """Read what `pack_xattrs` wrote.

    Raises: MalformedImage.
    """
    found = []
    position = 0
    while position < len(area):
        name_start = position + _XATTR_HEAD
        name_end = name_start + int.from_bytes(area[position : position + 2], "little")
        value_end = name_end + int.from_bytes(area[position + 2 : name_start], "little")
        if name_start > len(area) or value_end > len(area):
            raise t.MalformedImage(where="extended attributes", what="they leave their area", offset=position)
        found.append(t.Xattr(name=bytes(area[name_start:name_end]), value=bytes(area[name_end:value_end])))
        position = value_end
    return tuple(found)


class _Pool:
    """The buffer that names, targets and attributes lie in."""

    def __init__(self) -> None:
        self.buffer = bytearray()

    def put(self, text: bytes) -> int:
        """Append a text; return its offset."""
        offset = len(self.buffer)
        self.buffer += text
        return offset


class _Rows:
    """The entries of the tree, breadth first; filled by one walk."""

    def __init__(self, root_layer: int) -> None:
        self.pool = _Pool()
        self.inode = array("i", [0])
        self.layer = array("i", [root_layer])
        self.parent = array("i", [0])
        self.name_offset = array("q", [0])
        self.name_size = array("i", [0])
        self.child_start = array("i")
        self.child_count = array("i")

    def walk(self, children: dict[int, dict[bytes, int]]) -> None:
        row = 0
        while row < len(self.inode):
            names = children.pop(self.inode[row], None)  # given back as it goes: names are most of the memory
            self.child_start.append(len(self.inode) if names else 0)
            self.child_count.append(len(names) if names else 0)
            for name in sorted(names or ()):
                assert names is not None
                self.inode.append(names[name] >> _LAYER_BITS)
                self.layer.append(names[name] & ((1 << _LAYER_BITS) - 1))
                self.parent.append(row)
                self.name_offset.append(self.pool.put(name))
                self.name_size.append(len(name))
            row += 1


def build_tables(
    inodes: InodeColumns,
    children: dict[int, dict[bytes, int]],
    root_layer: int,
    sources: list[tuple[str, int]],
) -> tuple[t.TreeTables, t.Placement, t.Rows]:
    """Make the tables of a tree.

    Args:
        inodes: all inodes that ever were; row 0 is the root.
        children: of each directory's inode, name to inode << 12 | layer; emptied.
        root_layer: layer that set the root's attributes.
        sources: digest and size [bytes] of each layer.
    Returns: the tables, where the files lie, and the layer of each row.
    Cost: linear, but for sorting names; two thirds of it are Python's, about 2 us an entry.
    """
    rows = _Rows(root_layer)
    rows.walk(children)
    inode = np.array(rows.inode, dtype=np.int64)
    _, first, back = np.unique(inode, return_index=True, return_inverse=True)
    link_row = first[back].astype(np.int32)
    contents = _Contents(inodes, inode[link_row == np.arange(len(inode))])
    entries = _entries(inodes, rows, inode, link_row, contents)
    tables = t.TreeTables(
        superblock=t.Superblock(
            format="OCI layers",
            version=0,
            chunk_size=0,
            flags=0,
            flag_names=(),
            inode_count=len(first),
            root_ino=1,
            fields=(("layer_count", len(sources)),),
        ),
        buffer=bytes(rows.pool.buffer),
        entries=entries,
        extents=contents.extents,
        chunks=contents.chunks,
        blobs=tuple(_blob(row, digest, size, contents) for row, (digest, size) in enumerate(sources)),
        prefetch=np.zeros(0, dtype=np.uint64),
        read_xattrs=unpack_xattrs,
    )
    return tables, contents.placement(len(sources)), np.array(rows.layer, dtype=np.int32)


def _entries(
    inodes: InodeColumns, rows: _Rows, inode: NDArray[np.int64], link_row: t.Rows, contents: "_Contents"
) -> t.EntryTable:
    mode = _column(inodes.mode, inode, np.uint32)
    parent = np.array(rows.parent, dtype=np.int32)
    is_directory = (mode & np.uint32(0o170000)) == st.S_IFDIR
    nlink = np.bincount(link_row, minlength=len(inode))[link_row]
    below = np.flatnonzero(is_directory)[1:]  # all but the root, which is nobody's child
    nlink[is_directory] = 2 + np.bincount(parent[below], minlength=len(inode))[is_directory]
    target_offset, target_size = _texts(inodes.targets, inode, rows.pool)
    xattr_offset, xattr_size = _texts(inodes.xattrs, inode, rows.pool)
    return t.EntryTable(
        parent=parent,
        name_offset=np.array(rows.name_offset, dtype=np.int64),
        name_size=np.array(rows.name_size, dtype=np.int32),
        mode=mode,
        uid=_column(inodes.uid, inode, np.uint32),
        gid=_column(inodes.gid, inode, np.uint32),
        size=_column(inodes.size, inode, np.int64),
        mtime=_column(inodes.seconds, inode, np.int64),
        mtime_nsec=_column(inodes.nanoseconds, inode, np.uint32),
        nlink=nlink.astype(np.uint32),
        rdev=_column(inodes.rdev, inode, np.uint32),
        ino=(link_row + 1).astype(np.uint64),
        link_row=link_row,
        child_start=np.array(rows.child_start, dtype=np.int32),
        child_count=np.array(rows.child_count, dtype=np.int32),
        target_offset=target_offset,
        target_size=target_size,
        xattr_offset=xattr_offset,
        xattr_size=xattr_size,
        extent_start=contents.extent_start[inode],
        extent_count=contents.extent_count[inode],
    )


def _column(values: "array[int]", inode: NDArray[np.int64], dtype: Any) -> NDArray[Any]:
    column: NDArray[Any] = np.array(values, dtype=dtype)[inode]
    return column


def _texts(texts: dict[int, bytes], inode: NDArray[np.int64], pool: _Pool) -> tuple[t.Offsets, t.Rows]:
    """Put the texts that are still used into the pool, each once; return offset and size for each row."""
    known: dict[bytes, int] = {}
    keys = np.array(sorted(texts), dtype=np.int64)
    offset, size = np.zeros(len(inode), dtype=np.int64), np.zeros(len(inode), dtype=np.int32)
    for row in np.flatnonzero(np.isin(inode, keys)).tolist():
        text = texts[int(inode[row])]
        if text not in known:
            known[text] = pool.put(text)
        offset[row], size[row] = known[text], len(text)
    return offset, size


class _Contents:
    """Extents, chunks and units of the inodes that are still in the tree, by layer and place in its stream."""

    def __init__(self, inodes: InodeColumns, used: NDArray[np.int64]) -> None:
        self._layer = np.array(inodes.layer, dtype=np.int32)
        self._offset = np.array(inodes.content_offset, dtype=np.int64)
        self._stored = np.array(inodes.stored_size, dtype=np.int64)
        regular = (np.array(inodes.mode, dtype=np.uint32)[used] & 0o170000) == st.S_IFREG
        files = used[regular & (self._stored[used] > 0)]
        self._files = files[np.lexsort((self._offset[files], self._layer[files]))]
        self.extent_start = np.zeros(len(inodes), dtype=np.int64)
        self.extent_count = np.zeros(len(inodes), dtype=np.int32)
        self._spread(inodes.segments)

    def _spread(self, segments: dict[int, Segments]) -> None:
        """Lay out one chunk a file, or one a segment of the sparse ones."""
        parts = np.ones(len(self._files), dtype=np.int32)
        sparse = {row: segments[inode] for row, inode in enumerate(self._files.tolist()) if inode in segments}
        for row, found in sparse.items():
            parts[row] = len(found)
        start = np.concatenate([[0], np.cumsum(parts)]).astype(np.int64)
        self.extent_start[self._files] = start[:-1]
        self.extent_count[self._files] = parts
        self._unit_index = np.repeat(np.arange(len(parts), dtype=np.int64), parts)
        self._unit_offset = np.zeros(start[-1], dtype=np.int64)
        file_offset, sizes = np.zeros(start[-1], dtype=np.int64), self._stored[self._files][self._unit_index]
        for row, found in sparse.items():
            rows = slice(start[row], start[row + 1])
            file_offset[rows], sizes[rows] = np.array(found, dtype=np.int64).T
            self._unit_offset[rows] = np.cumsum(sizes[rows]) - sizes[rows]
        count = len(sizes)
        self.extents = t.ExtentTable(chunk=np.arange(count, dtype=np.int32), file_offset=file_offset, size=sizes)
        layer = self._layer[self._files][self._unit_index]
        offset = self._offset[self._files][self._unit_index] + self._unit_offset
        first = np.searchsorted(layer, layer)  # chunks are ordered by layer
        self.chunks = t.ChunkTable(
            blob_index=layer,
            number=(np.arange(count) - first).astype(np.uint32),
            digest=np.zeros((count, _DIGEST_SIZE), dtype=np.uint8),
            crc32=np.zeros(count, dtype=np.uint32),
            flags=np.zeros(count, dtype=np.uint32),
            size=sizes,
            compressed_size=sizes,
            compressed_offset=offset,
            uncompressed_offset=offset,
        )

    def placement(self, layer_count: int) -> t.Placement:
        files, count = self._files, len(self._files)
        return t.Placement(
            unit_index=self._unit_index,
            unit_offset=self._unit_offset,
            units=t.UnitTable(
                blob_index=self._layer[files],
                form=np.full(count, t.UnitForm.STREAM, dtype=np.int32),
                offset=self._offset[files],
                stored_size=self._stored[files],
                decoded_size=self._stored[files],
                dictionary_offset=np.zeros(count, dtype=np.int64),
                dictionary_size=np.zeros(count, dtype=np.int32),
                bits=np.zeros(count, dtype=np.int32),
            ),
            dictionaries=(b"",) * layer_count,
        )


def _blob(index: int, digest: str, size: int, contents: _Contents) -> t.BlobEntry:
    """Describe a layer as a blob: its chunks lie in the decompressed stream, whatever the compression."""
    chunks = contents.chunks
    start, stop = np.searchsorted(chunks.blob_index, [index, index + 1]).tolist()
    end = int(chunks.uncompressed_offset[stop - 1] + chunks.size[stop - 1]) if stop > start else 0
    name = digest.partition(":")[2]
    return t.BlobEntry(
        index=index,
        blob_id=name,
        data_id=name,
        meta_id="",
        compressor=t.Compressor.NONE,
        digester=t.Digester.SHA256,
        cipher=t.Cipher.NONE,
        features=0,
        feature_names=(),
        chunk_size=0,
        chunk_count=stop - start,
        compressed_size=size,
        uncompressed_size=end,
        meta_offset=0,
        meta_compressed_size=0,
        meta_uncompressed_size=0,
        meta_compressor=t.Compressor.NONE,
        needs_meta=False,
    )
