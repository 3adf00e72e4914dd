"""From wishes to changes: where each path really leads in the image, and what comes there.

This module alone decides how a user's path is understood: links above the last component are followed as the container
would follow them; `replace` follows the last one, too, as `cp` does, `remove` takes the link itself, as `rm` does, and
`add` takes nothing that is there.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rafsight.access.session import Image
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Changes, Put
from rafsight.image.edit_draft import ImpossibleChange
from rafsight.image.merge_changes import merge_changes
from rafsight.image.tree import ImageTree, NoSuchPath, WrongKind, require_kind
from rafsight.verbs.repair.local_files import LocalEntry, UnusableLocalFile, local_entries, local_entry
from rafsight.verbs.repair.packages.replacing import PackageChange, package_changes
from rafsight.verbs.repair.wishes import Addition, Removal, Replacement, Wish, Wishes


class AlreadyThere(CallerError):
    """Something is where a file shall be added."""

    code = "path-already-there"
    template = "the image has {path} already"
    remedy = "`--replace` gives a file other content; `--remove` it in the same call to have it made anew."
    exit_status = ExitStatus.USAGE


class NothingWanted(CallerError):
    """Nothing was asked for."""

    code = "nothing-to-repair"
    template = "nothing is to be changed in {reference}"
    remedy = "Say what: --replace, --add, --remove, --from PLAN.yaml, or packages by --wheel, --npm, --deb."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What becomes different."""

    changes: Changes
    packages: tuple[PackageChange, ...]
    """Those that were wished for, in their order."""
    wishes: Wishes


def plan_changes(image: Image, wishes: Wishes) -> Planned:
    """Work out what becomes different.

    Args:
        image: the open image.
        wishes: what is wanted; all of it is said of the image as it is.
    Raises: NothingWanted, NoSuchPath, WrongKind, TooManyLinks, AlreadyThere, UnusableLocalFile, ImpossibleChange,
        ConflictingChanges; what `package_changes` raises.
    Cost: nothing is fetched but what packages need.
    """
    if not wishes.files and not wishes.packages:
        raise NothingWanted(reference=image.identity.reference)
    sides = list(_sides(image.tree, wishes.files))
    packages = package_changes(image, wishes.packages) if wishes.packages else None
    if packages is not None:
        sides.append(
            (", ".join(f"{one.kind} {one.name} {one.new_version}" for one in packages.packages), packages.changes)
        )
    return Planned(changes=merge_changes(sides), packages=packages.packages if packages else (), wishes=wishes)


def _sides(tree: ImageTree, wishes: Sequence[Wish]) -> Iterator[tuple[str, Changes]]:
    """Turn wishes into changes, each with a name for messages."""
    gone = tuple(_removed(tree, wish) for wish in wishes if isinstance(wish, Removal))
    is_gone = _below_any(gone)
    if gone:
        yield "removed", Changes(removed=gone)
    for wish in wishes:
        if isinstance(wish, Replacement):
            yield f"replaced by {wish.local}", Changes(puts=(_replaced(tree, wish),))
        elif isinstance(wish, Addition):
            changes = Changes(puts=tuple(_added(tree, wish, is_gone)))
            covered = tuple(path for path in gone if any(_is_below(put.path, path) for put in changes.puts))
            yield f"added from {wish.local}", replace(changes, removed=covered)


def _removed(tree: ImageTree, wish: Removal) -> bytes:
    row = tree.lookup(wish.path, follow=wish.path.endswith(b"/"))
    if not row:
        raise ImpossibleChange(path=b"/", why="the root stays")
    return tree.path(row)


def _replaced(tree: ImageTree, wish: Replacement) -> Put:
    row = require_kind(tree, tree.lookup(wish.path), "file")
    local = local_entry(wish.local)
    if local.kind != MemberKind.FILE:
        raise UnusableLocalFile(file=str(local.path), why="it is a folder, and takes the place of a file")
    return Put(path=tree.path(row), kind=MemberKind.FILE, mtime=local.mtime, content=local.content)


def _added(tree: ImageTree, wish: Addition, is_gone: Callable[[bytes], bool]) -> Iterator[Put]:
    """Yield what comes, folders before what they hold."""
    start = wish.path
    for local in local_entries(wish.local):
        if start.endswith(b"/") and not local.below and local.kind == MemberKind.FILE:
            start += os.fsencode(local.path.name)
        put = _put(tree, start + b"/" + local.below if local.below else start, local, wish.mode, is_gone)
        if put is not None:
            yield put


def _put(
    tree: ImageTree, wanted: bytes, local: LocalEntry, mode: int | None, is_gone: Callable[[bytes], bool]
) -> Put | None:
    """Make the entry that a local one becomes; None for a folder that is there."""
    is_folder = local.kind == MemberKind.DIRECTORY
    path = place_of(tree, wanted)
    there = tree.find(wanted) if is_folder else _exact(tree, path)
    if there is not None and not is_gone(tree.path(there)):
        if is_folder and tree.is_directory(there):
            return None
        raise AlreadyThere(path=b"/" + tree.path(there))
    if not path:
        raise AlreadyThere(path=b"/")
    return Put(
        path=path,
        kind=local.kind,
        mode=mode if mode is not None and local.kind == MemberKind.FILE else _mode(local),
        mtime=local.mtime,
        uid=0,
        gid=0,
        xattrs=(),
        target=local.target,
        content=local.content,
    )


def _mode(local: LocalEntry) -> int | None:
    """Return the permission bits of a local entry; links have none of their own."""
    return None if local.kind == MemberKind.SYMLINK else local.mode


def place_of(tree: ImageTree, path: bytes) -> bytes:
    """Return the path of the entry that has a name, or would have it: the links above it are followed.

    Args:
        tree: of the image.
        path: as a user writes it; what is missing of it stays as it is written.
    Raises: WrongKind: something on the way is no folder. TooManyLinks. ImpossibleChange: `..` behind what is missing.
    """
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    for known in range(max(len(parts) - 1, 0), -1, -1):
        above = b"/".join(parts[:known])
        try:
            row = tree.lookup(above)
        except NoSuchPath:
            continue
        if not tree.is_directory(row):
            raise WrongKind(path=b"/" + above, kind=tree.kind(row), wanted="directory")
        rest = parts[known:]
        if b".." in rest:
            raise ImpossibleChange(path=b"/" + b"/".join(parts), why="`..` follows what is not there")
        return b"/".join([*filter(None, [tree.path(row)]), *rest])
    return b"/".join(parts)


def _exact(tree: ImageTree, path: bytes) -> int | None:
    """Find an entry by its own path."""
    row: int | None = 0
    for name in path.split(b"/") if path else ():
        row = None if row is None else tree.child(row, name)
    return row


def _below_any(paths: Sequence[bytes]) -> Callable[[bytes], bool]:
    return lambda path: any(_is_below(path, above) for above in paths)


def _is_below(path: bytes, above: bytes) -> bool:
    """Tell whether a path is another one, or below it."""
    return path == above or path.startswith(above + b"/")
