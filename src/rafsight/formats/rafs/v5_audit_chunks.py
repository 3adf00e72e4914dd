"""Rules of RAFS v5 chunk records that no reader needs.

This module alone decides what the chunk records of all names of a file have to say; what holds for chunks of every
format stands in `image/validate.py`.
"""

from typing import Final

import numpy as np

from rafsight.formats.judge import Judge
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v5_rules
from rafsight.formats.rafs.v5_chunks import CHUNKS, Slices, are_sparse, files_of, slices_of
from rafsight.formats.rafs.v5_inodes import REGULAR
from rafsight.formats.rafs.v5_survey import Survey
from rafsight.formats.records import Indexes, ragged
from rafsight.formats.tables import ChunkFlag

_DIGEST_WORDS: Final = 4
"""[8 bytes] at the start of a chunk record."""


def audit_chunks(survey: Survey, judge: Judge) -> None:
    """Look at every chunk record.

    Args:
        survey: the bootstrap.
        judge: told about every rule.
    """
    rows = np.flatnonzero((survey.inodes.kind == REGULAR) & survey.inodes.is_whole)
    files = files_of(survey.inodes, rows)
    slices = slices_of(survey.content, files)
    where = files.offset[slices.file]
    chunk_size = survey.head.superblock.chunk_size
    offset = (slices.ordinal * chunk_size).astype(np.uint64)
    is_there = are_sparse(files, chunk_size)[slices.file] | (slices.records["file_offset"] == offset)
    judge.require(is_there, v5_rules.CHUNK_FILE_OFFSET, CHUNKS, slices.place, where)
    is_own = (slices.records["flags"] & np.uint32(ChunkFlag.BATCH)) == 0
    judge.require(is_own, v5_rules.CHUNK_FOREIGN_FLAGS, CHUNKS, slices.place, where)
    _audit_links(survey, rows, slices, judge)


def _audit_links(survey: Survey, rows: Indexes, slices: Slices, judge: Judge) -> None:
    """Compare the records of later names of a file with those of its first one."""
    offset, counts = survey.inodes.offset, survey.inodes.chunk_count[rows]
    starts = np.cumsum(counts) - counts
    place = np.full(len(offset), -1, np.int64)
    place[rows] = np.arange(len(rows))
    source = place[survey.source[rows]]
    links = np.flatnonzero((source >= 0) & (source != np.arange(len(rows))))
    links = links[counts[links] == counts[source[links]]]
    group, ordinal = ragged(counts[links])
    mine, other = starts[links][group] + ordinal, starts[source[links]][group] + ordinal
    words = slices.records.view(np.uint64).reshape(len(slices.records), shared.CHUNK_INFO.size // 8)
    digest, size = words[:, :_DIGEST_WORDS], slices.records["size"]
    alike = (digest[mine] == digest[other]).all(axis=1) & (size[mine] == size[other])
    place, inode = slices.place[mine], offset[rows[links]][group]
    judge.require(alike, v5_rules.LINK_CHUNKS, CHUNKS, place, inode)
    # a builder that moves the content of one name leaves the old copy to the others
    same = (words[mine] == words[other]).all(axis=1)
    judge.require(same | ~alike, v5_rules.LINK_PLACES, CHUNKS, place, inode)
