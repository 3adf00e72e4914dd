"""A RAFS v5 bootstrap as its audit looks at it: records in the order of the inode table, and what became of each.

This module alone decides how the rows of the tables are found again in the bootstrap.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.judge import Collector
from rafsight.formats.rafs.v5_head import Head, read_head
from rafsight.formats.rafs.v5_inodes import DIRECTORY, Inodes, read_inodes
from rafsight.formats.records import Bools, Buffer, Indexes, octets_of
from rafsight.formats.tables import Octets, Offsets, TreeTables

NOBODY: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One bootstrap; n records."""

    content: Buffer
    octets: Octets
    head: Head
    inodes: Inodes
    """In the order of the inode table."""
    parent: Offsets
    """(n,) index, from 0, of the directory that holds the entry; -1 for the root and for entries left out."""
    source: Indexes
    """(n,) index of the first name of the same inode; the index itself if there is none, or it is left out."""
    is_complete: Bools
    """(n,) directories whose children are all there."""


def survey_of(content: Buffer, tables: TreeTables, limits: Limits) -> Survey:
    """Read the records once more, and find the rows of the tables among them.

    Cost: as much as reading the records for the tables did.
    """
    quiet = Collector()  # what it would tell was told when the tables were read
    head = read_head(content, "", limits, quiet)
    inodes = read_inodes(content, head, quiet)
    count, entries = len(inodes.offset), tables.entries
    assert entries.inode_offset is not None
    order = np.argsort(inodes.offset, kind="stable")
    index = order[np.minimum(np.searchsorted(inodes.offset[order], entries.inode_offset), count - 1)]
    index[0] = 0
    parent = np.full(count, NOBODY, np.int64)
    parent[index] = index[entries.parent]
    parent[0] = NOBODY
    source = np.arange(count)
    source[index] = index[entries.link_row]
    return Survey(
        content=content,
        octets=octets_of(content),
        head=head,
        inodes=inodes,
        parent=parent,
        source=source,
        is_complete=_complete(inodes, parent),
    )


def _complete(inodes: Inodes, parent: Offsets) -> Bools:
    """Tell which directories hold all entries of their range, and no others."""
    start = inodes.fields["child_index"].astype(np.int64) - 1
    size = inodes.fields["child_count"].astype(np.int64)
    held = np.bincount(parent[parent != NOBODY], minlength=len(parent))
    is_range: Bools = (start > np.arange(len(parent))) & (start + size <= len(parent))
    is_held: Bools = (held == size) & (is_range | (size == 0))
    is_directory: Bools = inodes.kind == DIRECTORY
    return is_held & is_directory & ~inodes.is_lost
