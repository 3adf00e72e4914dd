"""Image configs: what an image is for, the digests of its uncompressed layers, and how it was built.

This module alone decides which configs are accepted. The bytes are kept as they came: tools that want the environment
or the labels read them there, and a changed image keeps every member that nobody here knows.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rafsight.base.digest import is_digest
from rafsight.base.limits import Limits
from rafsight.formats.oci.errors import MalformedDocument
from rafsight.formats.oci.manifest import decode

if TYPE_CHECKING:
    from rafsight.formats.oci import wire


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One step of a build."""

    created: str
    """As written, mostly RFC 3339."""
    created_by: str
    author: str
    comment: str
    empty_layer: bool
    """True if the step made no layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """An image's config; texts are empty where it says nothing."""

    architecture: str
    os: str
    variant: str
    created: str
    diff_ids: tuple[str, ...]
    """Digests of the uncompressed layers, the lowest first (Nydus blobs count as uncompressed)."""
    history: tuple[History, ...]
    """Steps; those without `empty_layer` need not be as many as the layers."""
    raw: bytes


def parse_config(content: bytes, *, digest: str, limits: Limits | None = None) -> ImageConfig:
    """Parse a config.

    Args:
        content: the document's bytes, already verified against its digest.
        digest: its digest, for messages.
        limits: what to accept.
    Raises: MalformedDocument.
    """
    limits = limits or Limits()
    document = f"config {digest}"
    if len(content) > limits.config_size:
        raise MalformedDocument(document=document, what=f"it is larger than {limits.config_size} bytes")
    from rafsight.formats.oci import wire

    raw = decode(content, wire.Config, document)
    diff_ids = tuple((raw.rootfs.diff_ids if raw.rootfs else None) or ())
    if len(diff_ids) > limits.layer_count:
        raise MalformedDocument(document=document, what=f"{len(diff_ids)} diff ids, more than {limits.layer_count}")
    for row, diff_id in enumerate(diff_ids):
        if not is_digest(diff_id):
            raise MalformedDocument(document=document, what=f"rootfs.diff_ids[{row}]: '{diff_id}' is not a digest")
    return ImageConfig(
        architecture=raw.architecture or "",
        os=raw.os or "",
        variant=raw.variant or "",
        created=raw.created or "",
        diff_ids=diff_ids,
        history=tuple(_history(step) for step in raw.history or ()),
        raw=content,
    )


def _history(step: "wire.History") -> History:
    return History(
        created=step.created or "",
        created_by=step.created_by or "",
        author=step.author or "",
        comment=step.comment or "",
        empty_layer=bool(step.empty_layer),
    )
