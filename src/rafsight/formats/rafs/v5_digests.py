"""Inode digests of RAFS v5: a Merkle tree over the whole image.

This module alone decides what an inode's digest covers: chunk digests of a file, the target of a symlink, the *stored*
digests of a directory's children in their order, and nothing of others. Since each digest is compared with stored ones,
one that is wrong is told of where it stands, and at most by its directory, too.
"""

from typing import Final

import numpy as np

from rafsight.formats.checksum import digest
from rafsight.formats.judge import Judge
from rafsight.formats.rafs import v5_rules
from rafsight.formats.rafs.v5_chunks import files_of, slices_of
from rafsight.formats.rafs.v5_inodes import DIRECTORY, FILE_TYPES, REGULAR, SYMLINK, WHERE, Inodes
from rafsight.formats.rafs.v5_survey import Survey
from rafsight.formats.rafs.words import image_digester
from rafsight.formats.records import Bools, Buffer, Indexes, octets_field, octets_of
from rafsight.formats.tables import Digester, Octets, Offsets

SIZE: Final = 32
"""[bytes] of a digest."""


def audit_digests(survey: Survey, judge: Judge) -> None:
    """Compare every inode's digest with its content.

    Args:
        survey: the bootstrap.
        judge: told about every digest that is another.
    Cost: a hash of 32 bytes for each chunk and each entry.
    """
    inodes = survey.inodes
    known = inodes.is_whole & np.isin(inodes.kind, FILE_TYPES) & (survey.is_complete | (inodes.kind != DIRECTORY))
    wanted = content_digests(survey.content, inodes, known, image_digester(survey.head.superblock.flags))
    same = ~known | (wanted == inodes.digest).all(axis=1)
    judge.require(same, v5_rules.INODE_DIGEST, WHERE, inodes.offset, inodes.offset)


def content_digests(content: Buffer, inodes: Inodes, wanted: Bools, digester: Digester) -> Octets:
    """Compute the digests of inodes from what is stored of their content.

    Args:
        content: the bootstrap.
        inodes: in the order of the inode table.
        wanted: (n,) which; the ranges of their children lie in the table.
        digester: of the image.
    Returns: (n, 32); what is not wanted says nothing.
    """
    answer = np.empty((len(wanted), SIZE), np.uint8)
    answer[:] = np.frombuffer(digest(digester, b""), np.uint8)
    files = np.flatnonzero(wanted & (inodes.kind == REGULAR))
    slices = slices_of(content, files_of(inodes, files))
    ends = np.cumsum(inodes.chunk_count[files]) * SIZE
    starts = ends - inodes.chunk_count[files] * SIZE
    _fill(answer, files, octets_field(slices.records, "digest").reshape(-1), (starts, ends), digester)
    links = np.flatnonzero(wanted & (inodes.kind == SYMLINK))
    starts = inodes.target_offset[links]
    _fill(answer, links, octets_of(content), (starts, starts + inodes.target_size[links]), digester)
    directories = np.flatnonzero(wanted & (inodes.kind == DIRECTORY) & (inodes.fields["child_count"] > 0))
    starts = (inodes.fields["child_index"][directories].astype(np.int64) - 1) * SIZE
    ends = starts + inodes.fields["child_count"][directories].astype(np.int64) * SIZE
    _fill(answer, directories, inodes.digest.reshape(-1), (starts, ends), digester)
    return answer


def _fill(answer: Octets, rows: Indexes, octets: Octets, ranges: tuple[Offsets, Offsets], digester: Digester) -> None:
    """Compute the digests of some ranges of bytes."""
    view = octets.data
    spans = zip(ranges[0].tolist(), ranges[1].tolist(), strict=True)
    found = b"".join([digest(digester, view[start:end]) for start, end in spans])
    answer[rows] = np.frombuffer(found, np.uint8).reshape(-1, SIZE)
