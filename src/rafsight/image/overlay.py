"""Layers of tar members become one tree, as a container would see it.

This module alone decides how layers lie on each other:
    - a layer's whiteouts act on what the layers below left, wherever they stand in the tar; its entries come after.
      `d/.wh.x` removes `d/x` and all below it, `d/.wh..wh..opq` what `d` holds; neither makes a directory.
      Other names that begin with `.wh..wh.` are AUFS's own and are ignored with all below them;
    - an entry replaces what has its name, a whole directory too; only a directory over a directory changes nothing
      but the attributes. Of several entries with one name in one layer the last counts;
    - a hard link is another name of the inode that its target has at that moment, from whatever layer, and survives
      the first name. Its own attributes are ignored;
    - directories that no entry names are made on the way (mode 0755, owner 0, time 0). Where something else is in the
      way it is replaced, as overlayfs would show it; symbolic links are not followed.

Members are taken one by one, so the lower layers' share is told from the layer's own by the layer in which each name
was last set. Everything is columns; what is a file's inode is a number.
"""

import stat as st
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from rafsight.base.limits import Limits
from rafsight.formats.tables import MalformedImage, Placement, Rows, TreeTables
from rafsight.formats.tar import Member, MemberKind
from rafsight.image.overlay_tables import InodeColumns, build_tables

_WHITEOUT: Final = b".wh."
_META: Final = b".wh..wh."
_OPAQUE: Final = b".wh..wh..opq"
_ROOT: Final = 0
_LAYER_BITS: Final = 12
_LAYER_MASK: Final = (1 << _LAYER_BITS) - 1
_TYPES: Final = {
    MemberKind.FILE: st.S_IFREG,
    MemberKind.DIRECTORY: st.S_IFDIR,
    MemberKind.SYMLINK: st.S_IFLNK,
    MemberKind.CHAR: st.S_IFCHR,
    MemberKind.BLOCK: st.S_IFBLK,
    MemberKind.FIFO: st.S_IFIFO,
}

_UNREAD_KEPT: Final = 1000
"""Members that could not be read are counted all, and named up to this many."""

Names = dict[bytes, int]
"""A directory: name to inode << 12 | layer that set the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSource:
    """What is known of a layer before it is read."""

    digest: str
    """Of the stored (compressed) layer."""
    size: int = 0
    """[bytes] stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadMember:
    """A member that could not become an entry of the tree, and why."""

    path: bytes
    layer: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedLayers:
    """The tree of all layers."""

    tables: TreeTables
    placement: Placement
    """One unit a file: the range of its stored bytes in the layer's decompressed stream (`blob_index` is the layer)."""
    layer: Rows
    """(n,) layer that set each entry, 0 is the lowest; for a directory the last that changed its attributes."""
    unread: tuple[UnreadMember, ...]
    """The first thousand members that could not become entries."""
    unread_count: int


Capture = Callable[[int, Member], None]
"""Called with the layer's index and a file that just entered the tree; may read `member.content`."""


def ignore_content(layer: int, member: Member) -> None:
    """Capture nothing."""


class LayerMerger:
    """Takes layers from the lowest to the highest, then gives the tree."""

    def __init__(self, limits: Limits | None = None, *, keeps_whiteouts: bool = False) -> None:
        """Begin with an empty root.

        Args:
            limits: what to accept.
            keeps_whiteouts: they are files like all others: for the tree of one layer that is merged later.
        """
        self._limits = limits or Limits()
        self._keeps_whiteouts = keeps_whiteouts
        self._inodes = InodeColumns()
        self._children: dict[int, Names] = {_ROOT: {}}
        self._touched: dict[int, int] = {_ROOT: -1}
        """Last layer that set something in or below a directory."""
        self._pruned: set[int] = set()
        """Directories that hold nothing of the layers below any more, in the present layer."""
        self._sources: list[LayerSource] = []
        self._unread: list[UnreadMember] = []
        self._unread_count = 0
        self._root_layer = 0
        self._count = 0
        self._inodes.add_directory()

    def add_layer(self, members: Iterable[Member], source: LayerSource, capture: Capture = ignore_content) -> None:
        """Lay a layer over what is there.

        Args:
            members: of the layer's tar (`formats.tar.read_members`).
            source: the layer's digest and size.
            capture: called for each regular file with stored bytes once it is in the tree. What it reads belongs to
                the unit with `blob_index` = layer and `offset` = `member.content_offset`.
        Raises: MalformedImage: too many layers or entries; what reading the members raises.
        """
        self.begin_layer(source)
        layer = len(self._sources) - 1
        for member in members:
            if self.add(member) and member.content.size:
                capture(layer, member)

    def begin_layer(self, source: LayerSource) -> None:
        """Begin a layer over what is there: what `add` is given from now on belongs to it.

        Raises: MalformedImage: too many layers.
        """
        layer = len(self._sources)
        if layer >= min(self._limits.layer_count, _LAYER_MASK):
            raise MalformedImage(where="layers", what=f"more than {layer} layers", offset=0)
        self._sources.append(source)
        self._pruned = set()

    def add(self, member: Member) -> bool:
        """Take one member of the present layer; tell whether it is a regular file that entered the tree.

        Raises: MalformedImage: too many entries.
        """
        return self._add(member, len(self._sources) - 1)

    def finish(self) -> MergedLayers:
        """Give the tree of all layers. This ends the merging: the names are given back on the way."""
        tables, placement, layers = build_tables(
            self._inodes, self._children, self._root_layer, [(one.digest, one.size) for one in self._sources]
        )
        return MergedLayers(
            tables=tables,
            placement=placement,
            layer=layers,
            unread=tuple(self._unread),
            unread_count=self._unread_count,
        )

    def _add(self, member: Member, layer: int) -> bool:
        """Take one member; tell whether a regular file entered the tree."""
        self._count_one(layer)
        parent, _, name = member.name.rpartition(b"/")
        if _WHITEOUT in member.name and not self._keeps_whiteouts:
            if name == _OPAQUE:
                self._empty(parent, layer)
                return False
            if any(part.startswith(_META) for part in member.name.split(b"/")):
                return False
            if name.startswith(_WHITEOUT):
                self._remove(parent, name.removeprefix(_WHITEOUT), member, layer)
                return False
        if member.kind == MemberKind.DIRECTORY:
            self._set_directory(member, layer)
        elif member.kind == MemberKind.HARDLINK:
            self._link(member, parent, name, layer)
        elif member.kind in _TYPES:
            inode = self._inodes.add(member, _TYPES[member.kind], layer)
            self._set(self._directory(parent, layer), name, inode, layer)
            return member.kind == MemberKind.FILE
        else:
            self._skip(member, layer, "a type of member that no unpacker knows")
        return False

    def _count_one(self, layer: int) -> None:
        """Count a member or a directory on the way to one, whether it stays in the tree or not."""
        self._count += 1
        if self._count > self._limits.entry_count:
            raise MalformedImage(
                where=f"layer {layer}", what=f"more than {self._limits.entry_count} entries", offset=self._count
            )

    def _skip(self, member: Member, layer: int, why: str) -> None:
        self._unread_count += 1
        if self._unread_count <= _UNREAD_KEPT:
            self._unread.append(UnreadMember(path=member.name, layer=layer, why=why))

    def _set_directory(self, member: Member, layer: int) -> None:
        inode = self._directory(member.name, layer)
        self._inodes.set_attributes(inode, member, st.S_IFDIR)
        if member.name:
            parent, _, name = member.name.rpartition(b"/")
            self._children[self._existing(parent)][name] = inode << _LAYER_BITS | layer
        else:
            self._root_layer = layer

    def _link(self, member: Member, parent: bytes, name: bytes, layer: int) -> None:
        target_parent, _, target_name = member.target.rpartition(b"/")
        holder = self._existing(target_parent)
        value = self._children[holder].get(target_name) if holder >= 0 else None
        if value is None:
            self._skip(member, layer, "a hard link to something that is not there")
        elif value >> _LAYER_BITS in self._children:
            self._skip(member, layer, "a hard link to a directory")
        elif member.target != member.name:
            self._set(self._directory(parent, layer), name, value >> _LAYER_BITS, layer)

    def _set(self, directory: int, name: bytes, inode: int, layer: int) -> None:
        """Give a name to an inode that is no directory; whatever had the name is gone."""
        names = self._children[directory]
        before = names.get(name)
        if before is not None:
            self._forget(before >> _LAYER_BITS)
        names[name] = inode << _LAYER_BITS | layer

    def _directory(self, path: bytes, layer: int) -> int:
        """Return a directory's inode, made with those above it where there is none."""
        inode = _ROOT
        self._touched[inode] = layer
        for name in path.split(b"/") if path else ():
            names = self._children[inode]
            value = names.get(name)
            if value is None or value >> _LAYER_BITS not in self._children:
                self._count_one(layer)
                inode = self._inodes.add_directory()
                self._children[inode] = {}
                self._pruned.add(inode)
                names[name] = inode << _LAYER_BITS | layer
            else:
                inode = value >> _LAYER_BITS
            self._touched[inode] = layer
        return inode

    def _existing(self, path: bytes) -> int:
        """Return a directory's inode, -1 if there is none of that path."""
        inode = _ROOT
        for name in path.split(b"/") if path else ():
            value = self._children[inode].get(name)
            if value is None or value >> _LAYER_BITS not in self._children:
                return -1
            inode = value >> _LAYER_BITS
        return inode

    def _remove(self, parent: bytes, name: bytes, member: Member, layer: int) -> None:
        if name in (b"", b".", b".."):
            self._skip(member, layer, "a whiteout of no name")
            return
        directory = self._existing(parent)
        if directory >= 0 and name in self._children[directory]:
            self._prune_name(self._children[directory], name, layer)

    def _empty(self, path: bytes, layer: int) -> None:
        directory = self._existing(path)
        if directory >= 0:
            self._prune([directory], layer)

    def _prune(self, waiting: list[int], layer: int) -> None:
        """Remove from some directories, and from those below, what is not of this layer.

        Cost: each directory is looked through once a layer, however many whiteouts there are.
        """
        while waiting:
            directory = waiting.pop()
            if directory in self._pruned:
                continue
            self._pruned.add(directory)
            names = self._children[directory]
            for name in list(names):
                below = self._prune_one(names, name, layer)
                if below >= 0:
                    waiting.append(below)

    def _prune_name(self, names: Names, name: bytes, layer: int) -> None:
        below = self._prune_one(names, name, layer)
        if below >= 0:
            self._prune([below], layer)

    def _prune_one(self, names: Names, name: bytes, layer: int) -> int:
        """Remove one name unless this layer set it; return the directory that has to be looked through, or -1."""
        inode, set_by = names[name] >> _LAYER_BITS, names[name] & _LAYER_MASK
        if inode not in self._children:
            if set_by < layer:
                del names[name]
            return -1
        if self._touched[inode] < layer:
            self._forget(inode)
            del names[name]
            return -1
        if set_by < layer:  # only on the way to this layer's entries: as if it had been made for them
            self._inodes.reset_directory(inode)
            names[name] = inode << _LAYER_BITS | layer
        return inode

    def _forget(self, inode: int) -> None:
        """Give back the memory of a directory and all below it."""
        waiting = [inode]
        while waiting:
            one = waiting.pop()
            names = self._children.pop(one, None)
            if names is None:
                continue
            del self._touched[one]
            self._pruned.discard(one)
            waiting.extend(value >> _LAYER_BITS for value in names.values())
