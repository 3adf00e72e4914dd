"""What the peer makes of archives in which directories have no entries of their own; section 8.1 of the reference.

This module alone decides that. The peer makes a missing directory on the way to an entry, puts it among its siblings
in the order of names, and then goes on in the *last* of the siblings: the entry comes to lie there, replaces what has
its name, or is lost if the last sibling is no directory. Later entries find the directory and come to lie right. The
directories it makes are entries of the layer's own: laid over the lower layers, they replace what these said.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from rafsight.formats.tar import Member, MemberKind
from rafsight.image.source_history import PathRoom

_MODE: Final = 0o755
_EXAMPLES: Final = 3
_MAX_PATH: Final = 4096
"""[bytes] Of a path that grew because last siblings have long names; what lies deeper counts as lost."""


@dataclass(slots=True, kw_only=True)
class Detour:
    """One way that ended below the wrong directory."""

    layer: int
    directory: bytes
    """Path of the directory that has no entry."""
    landing: bytes
    """Path of the sibling that was taken for it."""
    is_lost: bool
    """The sibling is no directory."""
    count: int = 0
    """Entries that went this way."""
    examples: list[bytes] = field(default_factory=list)
    """Paths of the first of them, as the archive has them."""


@dataclass(slots=True)
class _Folder:
    """A directory of one layer, as the peer has it while it reads the archive."""

    names: "dict[bytes, _Folder | None]" = field(default_factory=dict)
    """None: anything else than a directory."""
    last: bytes = b""
    """The greatest name."""

    def put(self, name: bytes, node: "_Folder | None") -> None:
        self.names[name] = node
        self.last = max(self.last, name)


class Misplacer:
    """Rewrites the members of layers to what the peer takes them for, and remembers where it differs."""

    def __init__(self, room: PathRoom | None = None) -> None:
        self.implied: set[tuple[int, bytes]] = set()
        """(layer, path) of the directories that a layer's archive does not name, as the peer places them."""
        self.detours: list[Detour] = []
        self.by_place: dict[bytes, tuple[int, bytes]] = {}
        """Where entries lie wrongly: the index of their detour, and where they should; the uppermost layer's."""
        self.by_path: dict[bytes, int] = {}
        """Where they should lie."""
        self._room = room or PathRoom()
        self._layer = -1
        self._root = _Folder()

    def begin_layer(self) -> None:
        """Begin the archive of the next layer."""
        self._layer += 1
        self._root = _Folder()

    def place(self, member: Member) -> Iterator[Member]:
        """Yield the directories that are made for a member, then the member where it comes to lie.

        Raises: MalformedImage: there is too much to remember.
        Cost: linear in the length of its path.
        """
        if not member.name:
            yield member
            return
        parts = member.name.split(b"/")
        folder: _Folder | None = self._root
        placed: list[bytes] = []
        detour = -1
        for depth, name in enumerate(parts[:-1]):
            assert folder is not None
            if name in folder.names:
                folder = folder.names[name]
                placed.append(name)
            else:
                made = _Folder()
                folder.put(name, made)
                path = b"/".join([*placed, name])
                yield self._directory(member, path, b"/".join(parts[: depth + 1]), detour)
                landing = folder.last
                placed.append(landing)
                folder = folder.names[landing]
                if landing != name:
                    detour = self._detour(parts, depth, placed, is_lost=folder is None)
            if folder is None or sum(map(len, placed)) > _MAX_PATH:
                self._note(detour, member.name, None)
                return
        yield self._settle(folder, parts[-1], placed, member, detour)

    def _settle(self, folder: _Folder | None, name: bytes, placed: list[bytes], member: Member, detour: int) -> Member:
        """Put the member itself into the directory that the way led to."""
        assert folder is not None
        path = b"/".join([*placed, name])
        is_directory = member.kind == MemberKind.DIRECTORY
        if is_directory:
            self.implied.discard((self._layer, path))
        if name not in folder.names or not (is_directory and folder.names[name] is not None):
            folder.put(name, _Folder() if is_directory else None)
        self._note(detour, member.name, path)
        return member if path == member.name else replace(member, name=path)

    def _directory(self, member: Member, path: bytes, meant: bytes, detour: int) -> Member:
        self._room.take(path)
        self.implied.add((self._layer, path))
        self._note(detour, meant, path)
        return replace(
            member,
            name=path,
            kind=MemberKind.DIRECTORY,
            mode=_MODE,
            uid=0,
            gid=0,
            mtime=0,
            size=0,
            target=b"",
            rdev=0,
            xattrs=(),
            segments=None,
        )

    def _detour(self, parts: list[bytes], depth: int, placed: list[bytes], *, is_lost: bool) -> int:
        directory, landing = b"/".join(parts[: depth + 1]), b"/".join(placed)
        self._room.take(directory + landing)
        self.detours.append(Detour(layer=self._layer, directory=directory, landing=landing, is_lost=is_lost))
        return len(self.detours) - 1

    def _note(self, detour: int, path: bytes, place: bytes | None) -> None:
        """Remember that a member took a detour; `place` is None if it is lost."""
        if detour < 0:
            return
        self._room.take(path)
        self.by_path[path] = detour
        if place is not None:
            self._room.take(place)
            self.by_place[place] = detour, path
        one = self.detours[detour]
        one.count += 1
        if len(one.examples) < _EXAMPLES:
            one.examples.append(path)
