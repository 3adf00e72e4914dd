"""Every rule of the table of contents at the end of a blob.

Pure: bytes and tables in, faults out. This module alone decides what of a table of contents has to agree with the blob
table, and which parts of a blob can be verified against it without reading the chunk data.
"""

import hashlib
from typing import Final

from rafsight.formats.judge import Judge
from rafsight.formats.rafs import blob_rules as rules
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import toc
from rafsight.formats.rafs.blob_checks import DIGEST_SIZE
from rafsight.formats.rafs.blob_meta import HEADER_SIZE
from rafsight.formats.rafs.blob_sizes import data_size
from rafsight.formats.records import Buffer
from rafsight.formats.tables import BlobEntry

_KNOWN: Final = frozenset((toc.DATA, toc.META, toc.META_HEADER, toc.DIGESTS, toc.BOOTSTRAP))


def check_toc(tail: Buffer, blob_size: int, entry: BlobEntry, judge: Judge) -> tuple[toc.Part, ...]:
    """Look at every rule of a table of contents that the blob's end alone tells.

    Args:
        tail: the last toc.TAIL_SIZE bytes of the file that holds the chunk-info array, or all of it.
        blob_size: [bytes] of that file.
        entry: a row of the blob table with the feature HAS_TOC.
        judge: told about every rule.
    Returns: the parts that lie in the file.
    """
    where = f"end of blob {entry.index}"
    parts: tuple[toc.Part, ...] = ()
    with judge.part(where, blob_size):
        digest = toc.toc_digest(tail, where, blob_size)
        same = not any(entry.toc_digest) or digest == entry.toc_digest
        judge.holds(same, rules.TOC_DIGEST, where, blob_size, f"its digest is {digest.hex()}")
        parts = toc.find_parts(tail, blob_size, judge, where)
        _check_names(parts, where, judge)
        _check_places(parts, entry, where, judge)
    return parts


def check_part(part: toc.Part, content: Buffer, entry: BlobEntry, judge: Judge) -> None:
    """Compare a part with its digest.

    Args:
        part: one of a table of contents.
        content: the part, uncompressed.
        entry: the blob's row in the blob table.
        judge: told if it is another.
    """
    actual = hashlib.sha256(content).digest()
    same = not part.digest or actual == part.digest
    judge.holds(same, rules.TOC_PART, f"blob {entry.index}", part.offset, f"{part.name}: SHA-256 {actual.hex()}")


def _check_names(parts: tuple[toc.Part, ...], where: str, judge: Judge) -> None:
    names, end = set(), 0
    for part in parts:
        judge.holds(part.name in _KNOWN, rules.TOC_NAME, where, part.offset, part.name)
        judge.holds(part.name not in names, rules.TOC_TWICE, where, part.offset, part.name)
        judge.holds(part.offset >= end, rules.TOC_ORDER, where, part.offset, part.name)
        names.add(part.name)
        end = max(end, part.offset + part.stored_size)


def _check_places(parts: tuple[toc.Part, ...], entry: BlobEntry, where: str, judge: Judge) -> None:
    """Compare the places of the parts with the blob table."""
    found = {part.name: part for part in parts}
    array_end = entry.meta_offset + entry.meta_compressed_size
    table = entry.meta_offset, entry.meta_compressed_size, entry.meta_uncompressed_size
    places = (
        (toc.META, rules.TOC_META, table),
        (toc.META_HEADER, rules.TOC_META, (array_end, HEADER_SIZE, HEADER_SIZE)),
        (toc.DATA, rules.TOC_DATA, (0, data_size(entry), entry.uncompressed_size)),
    )
    for name, rule, wanted in places:
        part = found.get(name)
        if part is not None:
            got = part.offset, part.stored_size, part.size
            judge.holds(got == wanted, rule, where, part.offset, f"{name}: {got}, not {wanted}")
    if entry.features & shared.INLINED_CHUNK_DIGEST:
        judge.holds(toc.DIGESTS in found, rules.DIGESTS_ABSENT, where)
    digests = found.get(toc.DIGESTS)
    if digests is not None:
        fits = digests.stored_size == digests.size == DIGEST_SIZE * entry.chunk_count
        judge.holds(fits, rules.DIGESTS_SIZE, where, digests.offset, f"{digests.size} bytes")
