"""What is fetched before anybody asks for it, and in which order.

This module alone decides what `table`, `all` and a list of paths mean. What is prefetched goes behind what readers wait
for; that is the store's matter.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.base.events import Listener, Noticed
from rafsight.image.plan import RowArray
from rafsight.image.tree import ImageTree
from rafsight.views.mount.access_log import find_listed

TABLE: Final = "table"
ALL: Final = "all"


def chunks_to_prefetch(
    tree: ImageTree, wanted: str | list[bytes], everything: RowArray, listener: Listener
) -> RowArray:
    """Return the chunk rows to prefetch, each once, in the order in which they are wanted.

    Args:
        tree: of the image.
        wanted: TABLE, ALL, or paths as `read_path_list` returns them.
        everything: all chunks of the image, in the order of their blobs.
        listener: told about paths that the image does not have, and of a table that is empty.

    Cost: one pass over the inode numbers or the paths; linear in the entries that are wanted or lie below them.
    """
    if wanted == ALL:
        return everything
    if wanted == TABLE:
        rows = files_below(tree, rows_of_table(tree))
        if not len(tree.tables.prefetch):
            listener(Noticed(message="the image has no prefetch table: nothing is fetched before it is asked for"))
        return chunks_of(tree, rows)
    assert not isinstance(wanted, str)
    listed, missing = find_listed(tree, wanted)
    if missing:
        listener(Noticed(message=f"{len(missing):,} of the paths to prefetch are not in the image"))
    return chunks_of(tree, listed)


def rows_of_table(tree: ImageTree) -> list[int]:
    """Return the entries that the image's own table wants first, in its order."""
    wanted = tree.tables.prefetch
    order = np.argsort(tree.entries.ino, kind="stable")
    inos = tree.entries.ino[order]
    places = np.minimum(np.searchsorted(inos, wanted), max(len(inos) - 1, 0))
    return [int(row) for row in order[places[inos[places] == wanted]]]


def files_below(tree: ImageTree, rows: Iterable[int]) -> NDArray[np.int64]:
    """Return regular files for entries: themselves, and for directories all below, each inode once."""
    found: dict[int, None] = {}
    walked: set[int] = set()  # a stranger's table may name all directories above one another
    for first in rows:
        pending = [first]
        while pending:
            row = pending.pop()
            if tree.is_file(row):
                found[row] = None
            elif tree.is_directory(row) and row not in walked:
                walked.add(row)
                pending.extend(reversed(tree.children(row)))
    links = tree.entries.link_row[np.fromiter(found, dtype=np.int64, count=len(found))].astype(np.int64)
    return np.array(list(dict.fromkeys(links.tolist())), dtype=np.int64)


def chunks_of(tree: ImageTree, rows: NDArray[np.int64]) -> RowArray:
    """Return the chunks of some files, each once, in order of first use."""
    starts = tree.entries.extent_start[rows].astype(np.int64)
    counts = tree.entries.extent_count[rows].astype(np.int64)
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    extents = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    chunks = tree.tables.extents.chunk[extents].astype(np.int64)
    _, first = np.unique(chunks, return_index=True)
    result: RowArray = chunks[np.sort(first)]
    return result
