"""From a name to images, and from an image to the table of its files: what every process that builds an index does.

This module alone decides what is taken of an image: its tree, and what of it could not be looked at.
"""

from dataclasses import dataclass
from typing import Final

from rafsight.access.fleet import Fleet, Lead
from rafsight.base.text import escape
from rafsight.hunt.index.columns import EntryColumns, columns_of
from rafsight.hunt.index.tables import TreeRow
from rafsight.hunt.work import Spent, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A tree that has to be taken."""

    tree: str
    """What its files are known by."""
    lead: Lead
    """To an image that has it."""
    name: str
    """Of the first image that has it: trees stand in the order of names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenTree:
    """A tree that was taken."""

    row: TreeRow
    columns: EntryColumns


@dataclass(frozen=True, slots=True, kw_only=True)
class Taker:
    """Takes trees. Thread-safe."""

    fleet: Fleet
    all_platforms: bool
    """Take every image of an index."""

    @property
    def spent(self) -> Spent:
        """What it cost so far."""
        cost = self.fleet.cost
        return Spent(requests=cost.requests, bytes_fetched=cost.bytes_fetched)

    def resolve(self, name: str) -> tuple[Lead, ...]:
        """Find the images that a name means; see `Fleet.resolve`."""
        return self.fleet.resolve(name, all_platforms=self.all_platforms)

    def take(self, wanted: Wanted) -> TakenTree:
        """Take a tree.

        Raises: RegistryFault, ImageFault.
        Cost: that of opening the image.
        """
        with self.fleet.open(wanted.lead) as image:
            columns = columns_of(image.tree)
            row = TreeRow(
                tree=wanted.tree,
                format=image.head.superblock.format,
                entries=len(columns),
                unread=tuple(f"{escape(part.what)}: {escape(part.why)}" for part in image.unread),
            )
            return TakenTree(row=row, columns=columns)

    def end(self) -> None:
        """Nobody waits for another here."""


TAKE: Final = Work(name="take", do=Taker.take, title="taking file tables", unit="images", item=Wanted, result=TakenTree)
"""From an image to the table of its files. It stays in the process: a table is large."""
