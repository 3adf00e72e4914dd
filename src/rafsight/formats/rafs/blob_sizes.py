"""What the sizes in a row of the blob table mean for the files of the blob.

This module alone decides that (section 5.6 of the format reference): which bytes are chunk data, which of the two sizes
binds a file, and how large the file must be at least.
"""

from dataclasses import dataclass

from rafsight.formats.rafs import blob_meta_layout as layout
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.tables import BlobEntry

_WHOLE_ARCHIVE = shared.SEPARATE | shared.TARFS | shared.EXTERNAL
"""Blobs whose data are another file, untouched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedFile:
    """A file that a row of the blob table needs."""

    name: str
    """Blob id or hex digest."""
    least: int
    """[bytes] it has at least."""
    size: int | None
    """[bytes] it has; None where the row does not bind it."""


def is_foreign(entry: BlobEntry) -> bool:
    """Tell whether the data lie in a place that is not the image's repository."""
    return bool(entry.features & shared.EXTERNAL)


def is_archive(entry: BlobEntry) -> bool:
    """Tell whether the data file is the original archive, which no builder of images wrote."""
    return bool(entry.features & (shared.SEPARATE | shared.TARFS))


def has_chunks(entry: BlobEntry) -> bool:
    """Tell whether the blob is made of chunks; a layer that is a stream is not."""
    return entry.chunk_size > 0


def counts_are_loose(entry: BlobEntry) -> bool:
    """Tell whether the row need not say how many chunks there are, and how large the blob is."""
    return bool(entry.features & (shared.NO_EXTENDED_BLOB_TABLE | shared.CHUNK_DICT_GENERATED))


def data_size(entry: BlobEntry) -> int | None:
    """Return the [bytes] at the start of the data file that are chunk data; None if the row does not say."""
    if not has_chunks(entry) or entry.features & shared.NO_EXTENDED_BLOB_TABLE:
        return None
    if entry.features & _WHOLE_ARCHIVE:
        return entry.compressed_size
    end = entry.meta_offset if entry.meta_id else entry.compressed_size
    return max(end - (layout.TAR_HEADER_SIZE if entry.features & shared.HAS_TAR_HEADER else 0), 0)


def data_size_at_most(entry: BlobEntry) -> int:
    """Return how many [bytes] can be chunk data: what `data_size` says, all of the blob where the row does not say."""
    known = data_size(entry)
    return entry.compressed_size if known is None else known


def expected_files(entry: BlobEntry) -> tuple[ExpectedFile, ...]:
    """Return the files that a row needs: the one with the data, and the one with the chunk-info array if it is another.

    A row that was made before its blob was complete knows a part of the size only: bootstraps that lay in the blob,
    and those of builders before 2.2.
    """
    if is_foreign(entry):
        return ()
    meta_end = entry.meta_offset + entry.meta_compressed_size + layout.HEADER_SIZE if entry.meta_id else 0
    is_whole = bool(entry.features & shared.CAP_TAR_TOC) and not entry.features & shared.HAS_TAR_HEADER
    binds = not has_chunks(entry) or is_archive(entry) or is_whole
    size = entry.compressed_size if binds and not entry.features & shared.NO_EXTENDED_BLOB_TABLE else None
    if not entry.meta_id or entry.meta_id == entry.data_id:
        return (ExpectedFile(name=entry.data_id, least=max(entry.compressed_size, meta_end), size=size),)
    return (
        ExpectedFile(name=entry.data_id, least=entry.compressed_size, size=size),
        ExpectedFile(name=entry.meta_id, least=meta_end, size=entry.meta_size or None),
    )
