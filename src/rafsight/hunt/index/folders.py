"""Where a folder lies in each tree of an index, once symbolic links are followed.

All trees go together, as long as they agree; trees in which a folder is a link, or leads elsewhere, go their own way
from there. This module alone follows links in an index, by the rules of `ImageTree.lookup`.
"""

import stat as st
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.records import Bools
from rafsight.hunt.index.membership import Membership
from rafsight.hunt.index.tables import text_bytes

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Key = TypeVar("Key")

_ASKED: Final = 200
"""Entries that are asked for at a time."""


@dataclass(frozen=True, slots=True)
class _Way:
    """How far some trees have come."""

    here: bytes
    pending: tuple[bytes, ...]
    """What is still to be gone, the next one last."""
    links: int


@dataclass(frozen=True, slots=True)
class _Step:
    """What stands where a way goes on, in some trees."""

    mode: int
    target: bytes
    trees: Bools


def find_folders(connection: "DuckDBPyConnection", membership: Membership, path: bytes) -> dict[bytes, Bools]:
    """Find a folder in all trees.

    Args:
        connection: with the views of the index.
        membership: of the same.
        path: from the root; links are followed.
    Returns: the paths that it really has, and the trees in which it has them; trees without it are in none.
    Raises: DamagedIndex.
    Cost: no registry. A query for each part of the path, and for each link.
    """
    links = Limits().symlink_depth
    start = _Way(b"", _components(path), 0)
    ways = {start: np.ones(len(membership.trees), dtype=np.bool_)}
    found: dict[bytes, Bools] = {}
    while ways:
        steps = _look(connection, membership, {(way.here, way.pending[-1]) for way in ways if way.pending})
        ahead: dict[_Way, Bools] = {}
        for way, trees in ways.items():
            if not way.pending:
                _join(found, way.here, trees)
            elif way.pending[-1] == b"..":
                _join(ahead, _Way(way.here.rpartition(b"/")[0], way.pending[:-1], way.links), trees)
            else:
                for step in steps.get((way.here, way.pending[-1]), ()):
                    after = _follow(way, step)
                    if after is not None and after.links <= links and (trees & step.trees).any():
                        _join(ahead, after, trees & step.trees)
        ways = ahead
    return found


def _follow(way: _Way, step: _Step) -> _Way | None:
    """Go on by one entry; None where it leads nowhere."""
    rest = way.pending[:-1]
    if st.S_ISLNK(step.mode):
        here = b"" if step.target.startswith(b"/") else way.here
        return _Way(here, (*rest, *_components(step.target)), way.links + 1)
    if st.S_ISDIR(step.mode):
        name = way.pending[-1]
        return _Way(way.here + b"/" + name if way.here else name, rest, way.links)
    return None


def _look(
    connection: "DuckDBPyConnection", membership: Membership, wanted: Iterable[tuple[bytes, bytes]]
) -> dict[tuple[bytes, bytes], list[_Step]]:
    """Return what stands at some places."""
    places = sorted(wanted)
    steps: dict[tuple[bytes, bytes], list[_Step]] = {}
    for start in range(0, len(places), _ASKED):
        some = places[start : start + _ASKED]
        conditions = " OR ".join(["(directory = ? AND name = ?)"] * len(some))
        values = [text.decode("utf-8", "replace") for place in some for text in place]
        select = (
            'SELECT part, "group", directory, directory_raw, name, name_raw, mode, target, target_raw '  # noqa: S608
            f"FROM stored WHERE {conditions} OR directory_raw IS NOT NULL OR name_raw IS NOT NULL"  # marks, no values
        )
        for part, group, folder, folder_raw, name, name_raw, mode, target, target_raw in connection.execute(
            select, values
        ).fetchall():
            place = (text_bytes(folder, folder_raw), text_bytes(name, name_raw))
            step = _Step(mode or 0, text_bytes(target, target_raw), membership.of(part, group))
            steps.setdefault(place, []).append(step)
    return steps


def _join(ways: dict[Key, Bools], key: Key, trees: Bools) -> None:
    """Let trees go a way together with those that go it already."""
    ways[key] = ways[key] | trees if key in ways else trees


def _components(path: bytes) -> tuple[bytes, ...]:
    """Split a path into its parts, last first, without empty ones and `.`."""
    return tuple(part for part in reversed(path.split(b"/")) if part not in (b"", b"."))
