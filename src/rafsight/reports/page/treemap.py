"""Rectangles with areas in proportion to sizes, as square as they can be, that fill a rectangle.

The squarified treemap of Bruls, Huizing and van Wijk: a row is filled along the shorter side as long as that makes its
worst rectangle squarer. This module alone decides where a rectangle lies; it knows nothing of what it stands for.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle [pixels]."""

    x: float
    y: float
    width: float
    height: float


def lay_out(sizes: Sequence[float], box: Box) -> list[Box]:
    """Divide a rectangle.

    Args:
        sizes: each above 0, the largest first.
        box: to fill.

    Returns: One rectangle a size, in their order.
    Cost: linear in the sizes, mostly.
    """
    total = sum(sizes)
    if total <= 0 or box.width <= 0 or box.height <= 0:
        return [Box(box.x, box.y, 0.0, 0.0) for _ in sizes]
    areas = [size * box.width * box.height / total for size in sizes]
    placed: list[Box] = []
    start = 0
    while start < len(areas):
        side = min(box.width, box.height)
        end = start + 1
        while end < len(areas) and _worst(areas[start : end + 1], side) <= _worst(areas[start:end], side):
            end += 1
        row, box = _place(areas[start:end], box)
        placed += row
        start = end
    return placed


def _worst(row: Sequence[float], side: float) -> float:
    """Return the ratio of the sides of a row's longest rectangle."""
    total = sum(row)
    if total <= 0 or side <= 0:
        return float("inf")
    return max(side * side * max(row) / (total * total), total * total / (side * side * max(min(row), 1e-9)))


def _place(row: Sequence[float], box: Box) -> tuple[list[Box], Box]:
    """Put a row along the shorter side; return it, and what is left of the box."""
    total = sum(row)
    placed = []
    if box.width >= box.height:
        depth = min(total / box.height if box.height else 0.0, box.width)
        y = box.y
        for area in row:
            height = area / depth if depth else 0.0
            placed.append(Box(box.x, y, depth, height))
            y += height
        return placed, Box(box.x + depth, box.y, max(box.width - depth, 0.0), box.height)
    depth = min(total / box.width if box.width else 0.0, box.height)
    x = box.x
    for area in row:
        width = area / depth if depth else 0.0
        placed.append(Box(x, box.y, width, depth))
        x += width
    return placed, Box(box.x, box.y + depth, box.width, max(box.height - depth, 0.0))
