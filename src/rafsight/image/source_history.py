"""What the archives of the layers said that their tree does not show: whiteouts, hard links, directories never named.

This module alone decides what is remembered of a layer once its members are gone.
"""

from typing import Final

from rafsight.base.units import MiB
from rafsight.formats.tables import MalformedImage
from rafsight.formats.tar import Member, MemberKind

WHITEOUT: Final = b".wh."
OPAQUE: Final = b".wh..wh..opq"
PATHS_SIZE: Final = 512 * MiB
"""[bytes] of memory for paths that are remembered of one source; a million of them take a third."""
_OVERHEAD: Final = 128
"""[bytes] that Python needs for a path beside the path."""


class PathRoom:
    """Bounds the memory that remembered paths take: a few kilobytes of an archive can name megabytes of them."""

    def __init__(self, size: int = PATHS_SIZE) -> None:
        self._left = size

    def take(self, path: bytes) -> int:
        """Take the room that a path needs; return how much that was [bytes].

        Raises: MalformedImage: there is not so much left.
        """
        needed = len(path) + _OVERHEAD
        self._left -= needed
        if self._left < 0:
            raise MalformedImage(
                where="layers of the source", what="more and deeper paths than are remembered", offset=0
            )
        return needed

    def give_back(self, size: int) -> None:
        """Give back room [bytes] of paths that were forgotten."""
        self._left += size


class LayerHistory:
    """Told every member of every layer, from the lowest layer to the highest."""

    def __init__(self, room: PathRoom | None = None) -> None:
        self.layer_count = 0
        self.removed: dict[bytes, int] = {}
        """Paths that a whiteout names, and the last layer that does."""
        self.emptied: dict[bytes, int] = {}
        """Directories with an opaque marker, and the last layer that has it."""
        self.unnamed: dict[bytes, int] = {}
        """Directories that a layer has members below without naming them, and the last such layer."""
        self.links: dict[bytes, bytes] = {}
        """Hard links, and what their member names as the other name."""
        self.named: set[bytes] = set()
        """Directories that some layer names."""
        self._room = room or PathRoom()
        self._taken = 0
        """[bytes] of room for the paths of the present layer only."""
        self._named: set[bytes] = set()
        self._above: set[bytes] = set()

    def begin_layer(self) -> None:
        """Begin the next layer."""
        self._close_layer()
        self.layer_count += 1

    def note(self, member: Member) -> None:
        """Remember what is needed of a member.

        Raises: MalformedImage: there is too much to remember.
        """
        layer = self.layer_count - 1
        parent, _, name = member.name.rpartition(b"/")
        self._walk_up(parent)
        if name == OPAQUE:
            self._room.take(parent)
            self.emptied[parent] = layer
        elif name.startswith(WHITEOUT):
            victim = name.removeprefix(WHITEOUT)
            self._room.take(member.name)
            self.removed[parent + b"/" + victim if parent else victim] = layer
        elif member.kind == MemberKind.DIRECTORY:
            self._taken += self._room.take(member.name)
            self._named.add(member.name)
        elif member.kind == MemberKind.HARDLINK:
            self._room.take(member.name + member.target)
            self.links[member.name] = member.target
        else:
            self.links.pop(member.name, None)

    def finish(self) -> None:
        """End the last layer."""
        self._close_layer()

    def removal_of(self, path: bytes) -> tuple[int, bytes] | None:
        """Return the last layer that removes a path or something above it, and the name of its marker; None if none."""
        found = []
        if path in self.removed:
            parent, _, name = path.rpartition(b"/")
            found.append((self.removed[path], _join(parent, WHITEOUT + name)))
        above = path
        while above:
            above = above.rpartition(b"/")[0]
            if above in self.emptied:
                found.append((self.emptied[above], _join(above, OPAQUE)))
            if above in self.removed:
                parent, _, name = above.rpartition(b"/")
                found.append((self.removed[above], _join(parent, WHITEOUT + name)))
        return max(found, default=None, key=lambda one: one[0])

    def _walk_up(self, path: bytes) -> None:
        while path not in self._above:
            self._taken += self._room.take(path)
            self._above.add(path)
            path = path.rpartition(b"/")[0]

    def _close_layer(self) -> None:
        self._room.give_back(self._taken)
        self._taken = 0
        unnamed = self._above - self._named
        for path in unnamed - self.unnamed.keys():
            self._room.take(path)
        for path in self._named - self.named:
            self._room.take(path)
        self.unnamed.update(dict.fromkeys(unnamed, self.layer_count - 1))
        self.named |= self._named
        self._named.clear()
        self._above.clear()


def _join(parent: bytes, name: bytes) -> bytes:
    return parent + b"/" + name if parent else name
