"""Old files go, new files come, and folders that only held old files go with them.

This module alone decides in which order: what stays keeps its entry, so that a new file takes over what it does not say
itself; what another package owns is the caller's to leave out before.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Put
from rafsight.verbs.repair.packages.places import above_of
from rafsight.verbs.repair.packages.staging import Staged


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose new folders and files are."""

    uid: int = 0
    gid: int = 0


def exchange(
    staged: Staged,
    *,
    old: Collection[bytes],
    puts: Sequence[Put],
    owner: Owner,
    stays: Callable[[bytes], bool],
    old_folders: Collection[bytes] = (),
) -> None:
    """Replace the files of a package.

    Args:
        staged: the image.
        old: canonical paths of its files as they are; all of them may go.
        puts: what comes, hard links behind what they are names of.
        owner: of folders that are made on the way.
        stays: tells of the canonical path of an empty folder whether it is kept.
        old_folders: the package's own ones, which go if they are empty.
    Raises: InTheWay.
    """
    coming = {put.path for put in puts}
    needed = {above for path in coming for above in above_of(path)}
    for path in sorted(set(old) - coming):
        staged.remove(path)
    folders = {path.rpartition(b"/")[0] for path in old} | set(old_folders)
    _prune(staged, folders, lambda path: path in needed or stays(path))
    for put in puts:
        make_folders(staged, put.path, owner)
        staged.put(put)


def make_folders(staged: Staged, path: bytes, owner: Owner) -> None:
    """Make the folders above a path that are not there."""
    missing = []
    for above in above_of(path):
        if staged.exact(above) is not None:
            break
        missing.append(above)
    for folder in reversed(missing):
        staged.put(Put(path=folder, kind=MemberKind.DIRECTORY, mode=0o755, uid=owner.uid, gid=owner.gid))


def _prune(staged: Staged, folders: Iterable[bytes], stays: Callable[[bytes], bool]) -> None:
    """Let empty folders go, and those above that become empty by it."""
    pending = sorted({folder for folder in folders if folder}, key=lambda path: path.count(b"/"))
    while pending:
        path = pending.pop()
        place = staged.exact(path)
        if place is None or place.kind is not MemberKind.DIRECTORY or stays(path) or staged.names(place):
            continue
        staged.remove(path)
        above = path.rpartition(b"/")[0]
        if above:
            pending.append(above)
