"""Which of the files that may hide secrets are fetched for a budget: the largest risk first, small ones before large.

A chunk that two files share is paid once. This module alone decides what is left out; that is said, class by class.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rafsight.analysis.secrets.scan import HEAD_SIZE
from rafsight.analysis.secrets.selection import Choice, Risk
from rafsight.image.plan import FileRange
from rafsight.image.tree import ImageTree


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file that may hide a secret."""

    row: int
    paths: tuple[bytes, ...]
    """All names of the inode; the first is the one that says most."""
    size: int
    choice: Choice | None
    """None: only its first bytes are wanted, to see whether it is what its name says."""

    @property
    def range(self) -> FileRange:
        """What is read of it."""
        return FileRange(row=self.row, size=HEAD_SIZE if self.choice is None else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Files of one class that the budget does not reach."""

    risk: Risk
    count: int
    price: int
    """[bytes] that they would cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What is fetched, and what is not."""

    wanted: tuple[Wanted, ...]
    left_out: tuple[LeftOut, ...]
    price: int
    """[bytes] of the chunks, as the metadata states them."""


def collect(
    tree: ImageTree, choose: Callable[[bytes, int], Choice | None], name: Callable[[bytes, int], bool]
) -> tuple[list[Wanted], int]:
    """Look at the paths and sizes of all regular files.

    Args:
        tree: of the image.
        choose: decides whether a file is searched.
        name: told of each file; tells whether its first bytes are wanted.

    Returns: The files that are wanted, and how many are not.
    Cost: no I/O; one pass over the tree.
    """
    entries = tree.entries
    paths = tree.paths()
    rows = np.flatnonzero((entries.mode & 0o170000) == 0o100000).tolist()
    links, sizes = entries.link_row.tolist(), entries.size.tolist()
    found: dict[int, list[tuple[int, bytes, Choice | None]]] = {}
    skipped = 0
    for row in rows:
        path, size = paths[row], sizes[row]
        wants_head = name(path, size)
        choice = choose(path, size)
        if choice is None and not wants_head:
            skipped += 1
        else:
            rank = len(Risk) if choice is None else choice.risk
            found.setdefault(links[row], []).append((rank, path, choice))
    return [_joined(row, names, sizes[row]) for row, names in found.items()], skipped


def buy(tree: ImageTree, wanted: Sequence[Wanted], budget: int) -> Purchase:
    """Choose what is fetched.

    Args:
        tree: of the image.
        wanted: as `collect` gives them.
        budget: [bytes]
    Cost: no I/O; linear in the chunks of the files.
    """
    bought: set[int] = set()
    taken: list[Wanted] = []
    missing: dict[Risk, list[int]] = {}
    total = 0
    for file in sorted(wanted, key=_order):
        chunks = dict(_prices(tree, file))
        price = sum(cost for chunk, cost in chunks.items() if chunk not in bought)
        if total + price > budget:
            missing.setdefault(_risk(file), []).append(price)
            continue
        bought.update(chunks)
        total += price
        taken.append(file)
    left_out = tuple(
        LeftOut(risk=risk, count=len(prices), price=sum(prices)) for risk, prices in sorted(missing.items())
    )
    return Purchase(wanted=tuple(taken), left_out=left_out, price=total)


def _joined(row: int, names: list[tuple[int, bytes, Choice | None]], size: int) -> Wanted:
    """Make one of all names of an inode."""
    names.sort(key=lambda one: (one[0], one[1]))
    return Wanted(row=row, paths=tuple(path for _, path, _ in names), size=size, choice=names[0][2])


def _risk(file: Wanted) -> Risk:
    return Risk.BINARY if file.choice is None else file.choice.risk


def _order(file: Wanted) -> tuple[int, int, bytes]:
    return _risk(file), file.size, file.paths[0]


def _prices(tree: ImageTree, file: Wanted) -> Iterator[tuple[int, int]]:
    """Yield the chunks that a file needs, and what each costs [bytes]."""
    extents, chunks = tree.tables.extents, tree.tables.chunks
    rows = tree.extent_rows(file.row)
    stop = rows.stop if file.choice is not None else min(rows.start + 1, rows.stop)
    numbers = extents.chunk[rows.start : stop]
    sizes = np.where(chunks.compressed_size[numbers] > 0, chunks.compressed_size[numbers], chunks.size[numbers])
    yield from zip(numbers.tolist(), sizes.tolist(), strict=True)
