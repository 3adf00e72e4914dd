"""What an update found, applied to whatever the newest generation says of images.

This module alone decides what becomes of an image's row. An image that is gone, or whose name means another one now,
stays as it was with the time of that; an image that cannot be looked at right now is not forgotten for it.
"""

import time
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from rafsight.hunt.index.tables import ImageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What an update found so far."""

    found: tuple[ImageRow, ...]
    """Images as they are now, with an error in place of a tree where there is one."""
    failed: tuple[ImageRow, ...] = ()
    """Names of which is not known what they mean now."""
    is_gone: Callable[[ImageRow], bool] = lambda _: False
    """Tells of an image that is there whether it is gone."""
    since: int = 0
    """[s since 1970] Images that others have found after this are none of ours."""


def apply_changes(rows: Iterable[ImageRow], changes: Changes, trees: AbstractSet[str]) -> list[ImageRow]:
    """Return the images of the next generation.

    Args:
        rows: of the newest one.
        changes: what was found.
        trees: all trees that the next generation has.
    """
    now = int(time.time())
    found = {(row.reference, row.platform): row for row in changes.found}
    failed = {row.reference: row for row in changes.failed}
    known: set[str] = set()
    result: list[ImageRow] = []
    for row in rows:
        if row.gone_at:
            result.append(row)
        elif (row.reference, row.platform) in found:
            result += _succession(row, found.pop((row.reference, row.platform)), now)
        elif row.reference in failed:
            if not row.error_code:
                known.add(row.reference)
                result.append(row)
        elif not (changes.is_gone(row) and row.indexed_at <= changes.since):
            result.append(row)
        elif not row.error_code:
            result.append(replace(row, gone_at=now))
    result += [*found.values(), *(row for row in failed.values() if row.reference not in known)]
    return [_without_tree(row) if row.tree not in trees else row for row in result]


def _succession(before: ImageRow, after: ImageRow, now: int) -> list[ImageRow]:
    """Let an image follow another one of the same name."""
    if before.error_code:
        return [after]
    if before.digest == after.digest:
        return [before if after.error_code or after.tree == before.tree else after]
    return [replace(before, gone_at=now), after]


def _without_tree(row: ImageRow) -> ImageRow:
    """Say of an image that its files are not there any more; of one that is gone nobody asks."""
    if row.gone_at or row.error_code:
        return row
    return replace(
        row,
        tree="",
        error_code="lost-tree",
        error="its files lay in a part of the index that was lost",
        advice="`rafsight index update` takes them again.",
    )
