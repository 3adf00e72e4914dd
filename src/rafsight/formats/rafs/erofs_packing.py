"""How things of different sizes are packed into blocks.

This module alone decides which items share a block: they are taken in order, and a block ends where the next one would
not fit.
"""

from typing import Final

import numpy as np

from rafsight.formats.rafs.v6_layout import BLOCK_BITS as _BLOCK_BITS
from rafsight.formats.records import Indexes
from rafsight.formats.tables import Offsets

BLOCK_BITS: Final = _BLOCK_BITS
BLOCK: Final = 1 << BLOCK_BITS
"""[bytes]"""


def fill_blocks(cost: Offsets, group: Offsets) -> Offsets:
    """Cut items into blocks.

    Args:
        cost: (k,) [bytes] of each item, 1 to BLOCK.
        group: (g + 1,) where each group of items begins, and the end; groups are not empty and share no block.
    Returns: (b,) the first item of each block.
    Cost: linear in the items by columns; a step for each block of groups that need several.
    """
    end = np.cumsum(cost)
    begin = end - cost
    first, last = group[:-1], group[1:]
    is_large = end[last - 1] - begin[first] > BLOCK
    starts = [first[~is_large]]
    for low, high in zip(first[is_large].tolist(), last[is_large].tolist(), strict=True):
        following = low + np.searchsorted(end[low:high], begin[low:high] + BLOCK, side="right")
        found, item = [], low
        while item < high:
            found.append(item)
            item = int(following[item - low])
        starts.append(np.array(found, np.int64))
    return np.sort(np.concatenate(starts)) if len(starts) > 1 else starts[0]


def cheapest(cost: Offsets, budget: int) -> Indexes:
    """Choose as many items as a budget pays for, the cheapest first.

    Args:
        cost: (k,) of each item, not negative.
        budget: of all together.
    Returns: which ones.
    """
    if int(np.minimum(cost, budget + 1).sum()) <= budget:
        return np.arange(len(cost))
    order = np.argsort(cost, kind="stable")
    return order[np.cumsum(np.minimum(cost[order], budget + 1)) <= budget]
