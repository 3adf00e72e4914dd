"""An image's files as they are once the changes so far are made.

Packages are replaced one after the other, and each must see what the one before it did: the same database, a file that
found another owner, a folder that became empty. This module alone keeps that state. A path is *canonical* if no link
stands on its way; all places have one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.access.session import Image
from rafsight.base.errors import Defect
from rafsight.base.limits import Limits
from rafsight.base.text import escape
from rafsight.base.units import MiB, format_size
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Changes, Put
from rafsight.image.plan import FileRange
from rafsight.image.selection import compile_patterns, select_files
from rafsight.verbs.repair.packages.change_log import ChangeLog
from rafsight.verbs.repair.packages.faults import InTheWay, MalformedPackageDatabase
from rafsight.verbs.repair.packages.places import Place, completed, components, whole_of

_KINDS: Final = {
    "file": MemberKind.FILE,
    "directory": MemberKind.DIRECTORY,
    "symlink": MemberKind.SYMLINK,
    "char": MemberKind.CHAR,
    "block": MemberKind.BLOCK,
    "fifo": MemberKind.FIFO,
}
_LINKS: Final = Limits().symlink_depth
_SMALL: Final = 4 * MiB
"""[bytes] of a file that is read once for all packages."""
_REMEMBERED: Final = 64 * MiB
"""[bytes] of all of them."""


class Staged:
    """The state. Not safe to share between threads."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.tree = image.tree
        self._nodes: dict[bytes, Place | None] = {}
        self._names: dict[bytes, set[bytes]] = {}
        """Of those that came, by folder."""
        self._portion, self._whole = ChangeLog(), ChangeLog()
        self._folders: dict[bytes, Place] = {}
        """Those of the image's tree that were passed."""
        self._remembered: dict[int, bytes] = {}
        """Contents by row."""
        self._remembered_size = 0
        self._name_counts: NDArray[np.intp] | None = None
        """By first row of an inode, made when it is asked for."""

    def find(self, path: bytes, *, follow: bool = True) -> Place | None:
        """Find an entry as a process inside the image would; the last place is only followed if `follow` says so."""
        trail, rest = self._walk(path, follow=follow)
        return None if rest else trail[-1]

    def find_file(self, path: bytes) -> Place | None:
        """Find a regular file, links followed; None for everything else."""
        place = self.find(path)
        return place if place is not None and place.kind is MemberKind.FILE else None

    def find_folder(self, path: bytes) -> Place | None:
        """Find a folder, links followed; None for everything else."""
        place = self.find(path)
        return place if place is not None and place.kind is MemberKind.DIRECTORY else None

    def exact(self, path: bytes) -> Place | None:
        """Find an entry by its canonical path."""
        place: Place | None = self._root()
        for name in path.split(b"/") if path else ():
            place = self._child(place, name) if place is not None else None
        return place

    def resolve(self, path: bytes) -> bytes:
        """Return the canonical path that an entry of this name has, or would have if it came."""
        trail, rest = self._walk(path, follow=False)
        parts = [trail[-1].path] if trail[-1].path else []
        for part in rest:
            if part != b"..":
                parts.append(part)
            elif parts:
                *parts, last = parts
                above = last.rpartition(b"/")[0]
                parts += [above] if above else []
        return b"/".join(parts)

    def names(self, folder: Place) -> list[bytes]:
        """Return the names in a folder, ordered."""
        old = self.tree.names(self.tree.children(folder.row)) if folder.row is not None else []
        start = folder.path + b"/" if folder.path else b""
        there = {name for name in old if self._nodes.get(start + name, folder) is not None}
        return sorted(there | self._names.get(folder.path, set()))

    def walk(self, folder: Place) -> Iterator[Place]:
        """Yield all that is below a folder, folders before what they hold."""
        pending = [folder]
        while pending:
            here = pending.pop()
            for name in self.names(here):
                below = self._child(here, name)
                if below is None:
                    continue
                yield below
                if below.kind is MemberKind.DIRECTORY:
                    pending.append(below)

    def files(self, *patterns: bytes) -> list[bytes]:
        """Return the canonical paths of regular files that patterns of the form `**/...` match, ordered."""
        old = (match.path for match in select_files(self.tree, patterns))
        found = {path for path in old if self._is_file(path)}
        matches = compile_patterns(patterns).fullmatch
        return sorted(found | {path for path in self._whole.puts if matches(path) and self._is_file(path)})

    def size_of(self, place: Place) -> int:
        """Return the size of a file [bytes]."""
        if place.row is not None:
            return int(self.tree.entries.size[place.row])
        return place.content.size if place.content is not None else 0

    def read(self, place: Place, max_size: int) -> bytes:
        """Read a file whole.

        Raises: MalformedPackageDatabase: it is larger. RegistryFault, ImageFault.
        """
        return next(iter(self.read_each([place], max_size)))[1]

    def read_each(self, places: Iterable[Place], max_size: int) -> Iterator[tuple[Place, bytes]]:
        """Read files whole, in any order, as one plan; small ones are remembered.

        Raises: MalformedPackageDatabase: one is larger. RegistryFault, ImageFault.
        """
        wanted: list[Place] = []
        for place in places:
            row, size = place.row, self.size_of(place)
            if size > max_size:
                what = f"it has {format_size(size)}, and {format_size(max_size)} is the most"
                raise MalformedPackageDatabase(path=b"/" + place.path, what=what)
            if row is None or row in self._remembered:
                yield place, whole_of(place.content) if row is None else self._remembered[row]
            else:
                wanted.append(place)
        for part in self.image.read([FileRange(row=place.row) for place in wanted if place.row is not None]):
            place = wanted[part.index]
            if part.error is not None:
                part.error.add_note(f"while reading /{escape(place.path)}")
                raise part.error
            self._remember(part.wanted.row, part.content)
            yield place, part.content

    def _remember(self, row: int, content: bytes) -> None:
        """Keep a small file for the packages that follow, as long as all that is kept is not too much."""
        if len(content) <= _SMALL and len(content) + self._remembered_size <= _REMEMBERED:
            self._remembered[row] = content
            self._remembered_size += len(content)

    def remove(self, path: bytes) -> None:
        """Let an entry go: a file, or a folder that is empty by now."""
        place = self.exact(path)
        if place is None or (place.kind is MemberKind.DIRECTORY and self.names(place)):
            raise Defect(what=f"/{escape(path)} is no entry that can go")
        self._set(path, None)
        for log in (self._portion, self._whole):
            log.remove(path, there=True)

    def put(self, put: Put) -> None:
        """Let an entry come. What the change leaves open is taken from the entry that was there.

        Raises: InTheWay: a folder that is not empty, or a file where a folder has to be.
        """
        here = self.exact(put.path)
        folder = self.exact(put.path.rpartition(b"/")[0])
        if folder is None or folder.kind is not MemberKind.DIRECTORY:
            raise InTheWay(path=b"/" + put.path.rpartition(b"/")[0], why="a folder has to be there")
        if here is not None and here.kind is MemberKind.DIRECTORY is not put.kind and self.names(here):
            raise InTheWay(path=b"/" + put.path, why="it is a folder, and holds what is not the package's")
        parts = here is not None and put.kind is MemberKind.FILE and self._has_other_names(here)
        put = self._alone(put, here) if here is not None and parts else completed(put, here)
        self._set(put.path, self._place(put, here))
        for log in (self._portion, self._whole):
            log.put(put, there=here is not None, parts=parts)

    def take_changes(self) -> Changes:
        """Return what was changed since this was asked before."""
        changes = self._portion.changes()
        self._portion = ChangeLog()
        return changes

    def all_changes(self) -> Changes:
        """Return all that was changed, as changes of the image's own tree."""
        return self._whole.changes()

    def _has_other_names(self, place: Place) -> bool:
        """Tell whether a file of the image is a hard link: a change would be seen under its other names, too."""
        if place.row is None or place.kind is not MemberKind.FILE:
            return False
        if self._name_counts is None:
            self._name_counts = np.bincount(self.tree.entries.link_row)
        return int(self._name_counts[self.tree.entries.link_row[place.row]]) > 1

    def _alone(self, put: Put, here: Place) -> Put:
        """Make a file that comes one of its own: the old name goes first, and what it had is said."""
        entries, row = self.tree.entries, here.row
        assert row is not None
        mtime = int(entries.mtime[row]) * 1_000_000_000 + int(entries.mtime_nsec[row])
        return replace(
            completed(put, here),
            mtime=mtime if put.mtime is None else put.mtime,
            xattrs=self.tree.xattrs(row) if put.xattrs is None else put.xattrs,
        )

    def _root(self) -> Place:
        return self._nodes.get(b"") or self._of_row(b"", 0)

    def _walk(self, path: bytes, *, follow: bool) -> tuple[list[Place], list[bytes]]:
        """Go as far as there is something: the places on the way, and the components that are left."""
        trail, pending, links = [self._root()], components(path), 0
        while pending:
            part = pending.pop()
            if part == b"..":
                trail = trail[:-1] or trail
                continue
            found = self._child(trail[-1], part)
            if found is not None and found.kind is MemberKind.SYMLINK and (follow or pending):
                links += 1
                if links > _LINKS:
                    return trail, [part, *reversed(pending)]
                trail = trail[:1] if found.target.startswith(b"/") else trail
                pending += components(found.target)
            elif found is None:
                return trail, [part, *reversed(pending)]
            else:
                trail.append(found)
        return trail, []

    def _child(self, folder: Place, name: bytes) -> Place | None:
        path = folder.path + b"/" + name if folder.path else name
        if path in self._nodes:
            return self._nodes[path]
        if folder.row is None or folder.kind is not MemberKind.DIRECTORY:
            return None
        if path in self._folders:
            return self._folders[path]
        row = self.tree.child(folder.row, name)
        if row is None:
            return None
        place = self._of_row(path, row)
        if place.kind is MemberKind.DIRECTORY:
            self._folders[path] = place
        return place

    def _of_row(self, path: bytes, row: int) -> Place:
        entries = self.tree.entries
        return Place(
            path=path,
            kind=_KINDS.get(self.tree.kind(row), MemberKind.OTHER),
            mode=int(entries.mode[row]) & 0o7777,
            uid=int(entries.uid[row]),
            gid=int(entries.gid[row]),
            target=self.tree.target(row) if self.tree.is_symlink(row) else b"",
            row=row,
        )

    def _place(self, put: Put, here: Place | None) -> Place:
        if put.kind is MemberKind.HARDLINK:
            other = self.exact(put.target)
            if other is None or other.kind is MemberKind.DIRECTORY:
                raise InTheWay(path=b"/" + put.target, why=f"/{escape(put.path)} is a hard link to it")
            return replace(other, path=put.path, put=None)
        stays = here is not None and here.kind is MemberKind.DIRECTORY is put.kind
        return Place(
            path=put.path,
            kind=put.kind,
            mode=put.mode or 0,
            uid=put.uid or 0,
            gid=put.gid or 0,
            target=put.target,
            row=here.row if here is not None and stays else None,
            content=put.content,
            put=put,
        )

    def _set(self, path: bytes, place: Place | None) -> None:
        self._nodes[path] = place
        folder, _, name = path.rpartition(b"/")
        if not path:
            return
        if place is None:
            self._names.get(folder, set()).discard(name)
        else:
            self._names.setdefault(folder, set()).add(name)

    def _is_file(self, path: bytes) -> bool:
        place = self.exact(path)
        return place is not None and place.kind is MemberKind.FILE
