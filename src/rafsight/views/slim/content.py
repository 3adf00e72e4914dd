"""What of an image a scanner is shown: its layers, each as a tar with content only where that scanner looks.

This module alone decides what such a tar holds: every entry with its attributes, the content of files that the rules
name, and none of all others. What it is put into (a docker archive, a registry) is decided by others.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.access.session import Image
from rafsight.views.export.delivery import Piece, deliver
from rafsight.views.export.order import Node, Order
from rafsight.views.export.tally import Tally
from rafsight.views.export.tar_writer import Sink, TarWriter
from rafsight.views.layer_shares import LayerPlan
from rafsight.views.slim.layers import plan_layers
from rafsight.views.slim.rules import SlimRules
from rafsight.views.slim.selection import select_kept

_RESERVED: Final = "such a name deletes another file in a layer, so that it is in none, nor what lies below it"


class SlimContent:
    """An image as one scanner is shown it."""

    def __init__(self, image: Image, rules: SlimRules, tally: Tally, *, keep_going: bool) -> None:
        """Choose whose content is kept.

        Args:
            image: the open image.
            rules: what the scanner looks at.
            tally: told about what cannot be shown.
            keep_going: leave out what cannot be read, and tell the tally; else the first such file ends the work.
        Raises: RegistryFault, ImageFault: a program could not be looked into, unless `keep_going`.
        Cost: as of `select_kept`.
        """
        self._image = image
        self._tree = image.tree
        self._tally = tally
        self._keep_going = keep_going
        selected = select_kept(image, rules)
        self.kept = selected.links
        """`link_row`s of files with their content."""
        self.lost = frozenset(selected.lost)
        """`link_row`s of programs that could not be looked into: they are in no layer."""
        for row, error in sorted(selected.lost.items()):
            if not keep_going:
                raise error
            tally.lose(self._tree.path(row), str(error))
        planned = plan_layers(self._tree, image.identity)
        for row in planned.reserved:
            if int(self._tree.entries.parent[row]) not in planned.reserved:
                tally.lose(self._tree.path(row), _RESERVED)
        self.reserved = planned.reserved
        """Rows that are in no layer, since their names would delete something there."""
        self.plans = tuple(replace(plan, rows=self._readable(plan.rows)) for plan in planned.plans)
        """The layers, the lowest first."""

    @property
    def kept_size(self) -> int:
        """[bytes] of the content that is kept."""
        return sum(self._tree.entries.size[sorted(self.kept)].tolist())

    def measure(self, plan: LayerPlan) -> int:
        """Return the bytes of a layer's tar, if every file can be read. Cost: no I/O, one pass over its entries."""
        size = 0

        def count(content: bytes) -> None:
            nonlocal size
            size += len(content)

        tar = TarWriter(self._tree, count, Tally())
        for node in Order(self._tree, plan.rows):
            is_kept = node.has_content and node.link_row in self.kept
            tar.put(node if is_kept else _emptied(node), iter((Piece(node.size, None),) if is_kept else ()))
        tar.finish()
        return size

    def write(self, plan: LayerPlan, sink: Sink, report: Callable[[int], None]) -> None:
        """Write the tar of a layer.

        Args:
            plan: one of `plans`.
            sink: takes the bytes.
            report: told how many bytes of content were written.
        Raises: RegistryFault, ImageFault: a file that cannot be read, unless it is left out; what the sink raises.
        Cost: the chunks of the files that are kept. Memory: bounded.
        """
        tar = TarWriter(self._tree, sink, self._tally)
        for node, pieces in self._deliver(plan.rows):
            tar.put(node, _counted(pieces, report))
        tar.finish()

    def _readable(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        return rows[~np.isin(self._tree.entries.link_row[rows], list(self.lost))]

    def _deliver(self, rows: NDArray[np.int32]) -> Iterator[tuple[Node, Iterator[Piece]]]:
        """Go through the entries of a layer, with the content of the files that keep it."""
        is_kept = np.isin(self._tree.entries.link_row[rows], list(self.kept))
        order = Order(self._tree, rows[is_kept])
        kept = deliver(self._image, order, self._tally, keep_going=self._keep_going)
        waiting = next(kept, None)
        for node in Order(self._tree, rows):
            if node.link_row not in self.kept:
                yield _emptied(node), iter(())
            elif waiting is not None and waiting[0].row == node.row:
                yield waiting
                waiting = next(kept, None)


def _counted(pieces: Iterator[Piece], report: Callable[[int], None]) -> Iterator[Piece]:
    for piece in pieces:
        yield piece
        report(piece.size)


def _emptied(node: Node) -> Node:
    return replace(node, size=0)
