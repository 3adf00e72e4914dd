"""Names that mean something else in a layer than in a tree: one that begins with `.wh.` deletes what it names.

This module alone decides which entries of a tree cannot be in a layer for their names.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.image.tree import ImageTree

_RESERVED: Final = b".wh."


def reserved_rows(tree: ImageTree) -> NDArray[np.bool_]:
    """Mark the entries whose names mean deletions in a layer, and all below them: (n,).

    Cost: no I/O. One pass over the names.
    """
    octets, offsets = tree.octets, tree.entries.name_offset
    marked = tree.entries.name_size >= len(_RESERVED)
    for index, octet in enumerate(_RESERVED):
        found = np.flatnonzero(marked)
        marked[found] = octets[offsets[found].astype(np.int64) + index] == octet
    result = np.zeros(len(tree), dtype=np.bool_)
    for row in np.flatnonzero(marked).tolist():
        if not result[row]:
            result[list(tree.walk(row))] = True
    return result
