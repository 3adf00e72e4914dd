"""Answers of `inspect` about content: what blobs and layers are used for, what is large, what is shared, what differs.

The same shapes whatever the format of an image. Sizes that no bootstrap knows are estimates and marked as such.
"""

from dataclasses import dataclass
from enum import StrEnum

from rafsight.image.difference import Difference
from rafsight.image.tree import ImageTree
from rafsight.image.usage import BlobUsage, Overlap, Repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlace:
    """Where a blob lies in the manifest."""

    index: int
    digest: str
    original: str
    """Digest of the tar.gz layer that has the data, for a layer that only points into it (zran); else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobFigures:
    """One blob and what the image uses of it."""

    index: int
    blob_id: str
    compressor: str
    """Of a tar layer as its media type says; empty if that does not tell."""
    layer: LayerPlace | None
    """None if no layer of the manifest holds it, or there is no manifest."""
    usage: BlobUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobUse:
    """Every blob of an image, in the order of the blob table."""

    blobs: tuple[BlobFigures, ...]


class Holding(StrEnum):
    """What a layer of a manifest holds."""

    NYDUS_BLOB = "nydus blob"
    BOOTSTRAP = "bootstrap"
    OCI_LAYER = "OCI layer"
    OTHER = "other file"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFigures:
    """One layer of a manifest."""

    index: int
    digest: str
    media_type: str
    size: int
    holding: Holding
    original: str
    """As in `LayerPlace`."""
    blob_index: int | None
    """Row of the blob table; None if no file of the image needs this layer."""
    created_by: str
    """The build step that made it; empty if the history does not tell."""
    usage: BlobUsage | None
    """What files use of it; None without a row in the blob table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """Every layer of an image, the lowest first, and the blobs that no layer holds."""

    has_manifest: bool
    """False for a bare bootstrap: its blobs are all there is to tell."""
    layers: tuple[LayerFigures, ...]
    elsewhere: tuple[BlobFigures, ...]
    """Blobs of the table that are in no layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeEntry:
    """A file, or a directory with all below it."""

    path: bytes
    """Relative to the root, whose path is empty."""
    kind: str
    stored_size: int
    """[bytes] of the distinct chunks that it uses, as they lie in the blobs."""
    exclusive_size: int | None
    """[bytes] of those that nothing else uses; None if no chunk of the image has a digest."""
    content_size: int
    """[bytes]"""
    file_count: int
    """Regular files; hard-linked ones once."""
    is_exact: bool
    """False if the stored sizes are estimates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Largest:
    """The largest of what lies below a directory, the largest first."""

    total: LargeEntry
    """The directory itself."""
    files: tuple[LargeEntry, ...]
    directories: tuple[LargeEntry, ...]
    """Without the directory itself."""
    directory_count: int
    """All directories below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dedupe:
    """What an image holds more than once, and what it shares with another one."""

    reference: str
    of_layers: bool
    """The image is made of tar layers."""
    repeats: Repeats
    other: str
    """The other image's reference; empty if none was given."""
    overlap: Overlap | None
    shared_blobs: tuple[str, ...]
    """Ids of the blobs that both images use."""
    same_chunk_size: bool | None
    """False explains why little is shared: content was cut elsewhere. None if an image is made of tar layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDifference:
    """How two images differ. `difference_values` says it entry by entry."""

    left: str
    """The reference of the first image: what only it has was removed."""
    right: str
    """The reference of the second image: what only it has was added."""
    left_tree: ImageTree
    right_tree: ImageTree
    difference: Difference
