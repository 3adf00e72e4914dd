"""Changes from several sides become one, unless they contradict each other.

This module alone decides what contradicts: two that want different things of one path, and one that wants away what
another one puts below. It does not matter who comes first.
"""

from collections.abc import Iterator, Sequence

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Changes, Put


class ConflictingChanges(CallerError):
    """Two wishes cannot both come true."""

    code = "conflicting-changes"
    template = "{path} is wanted in two ways: {one}, and {other}"
    remedy = "Leave one of them out, or repair the image in two steps."
    exit_status = ExitStatus.USAGE


def merge_changes(sides: Sequence[tuple[str, Changes]]) -> Changes:
    """Make one set of changes of several.

    Args:
        sides: what each is called in messages, and the changes; all are of the same tree.
    Raises: ConflictingChanges.
    """
    puts: dict[bytes, tuple[int, Put]] = {}
    for side, (name, changes) in enumerate(sides):
        for put in changes.puts:
            before = puts.get(put.path)
            if before is not None and before[0] != side and not _alike(before[1], put):
                raise ConflictingChanges(path=b"/" + put.path, one=sides[before[0]][0], other=name)
            puts.setdefault(put.path, (side, put))
    removed = {path: side for side, (_, changes) in enumerate(sides) for path in changes.removed}
    for path, (side, _) in puts.items():
        for above in (path, *_above(path)):
            other = removed.get(above, side)
            if other != side and above not in sides[side][1].removed:
                raise ConflictingChanges(path=b"/" + path, one=sides[side][0], other=sides[other][0])
    return Changes(
        removed=tuple(dict.fromkeys(path for _, changes in sides for path in changes.removed)),
        puts=tuple(
            put
            for side, (_, changes) in enumerate(sides)
            for put in changes.puts
            if puts[put.path][0] == side or put.kind != MemberKind.DIRECTORY
        ),
    )


def _alike(one: Put, other: Put) -> bool:
    """Tell whether two sides want the same folder."""
    return one.kind == MemberKind.DIRECTORY and one == other


def _above(path: bytes) -> Iterator[bytes]:
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path
