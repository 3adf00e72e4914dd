"""The list of images in a docker archive: `manifest.json`, as `docker save` and skopeo write it.

This module alone decides which of these lists are accepted.
"""

from dataclasses import dataclass
from typing import Final

from rafsight.base.limits import Limits
from rafsight.formats.oci.errors import MalformedDocument
from rafsight.formats.oci.manifest import decode

_MAX_IMAGES: Final = 4096
_NAME: Final = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedImage:
    """One image of an archive."""

    config: str
    """Name of the member that is its config."""
    layers: tuple[str, ...]
    """Names of the members that are its layers, the lowest first."""
    tags: tuple[str, ...]
    """What it is called: whole references, as whoever saved it wrote them."""

    @property
    def identity(self) -> str:
        """Equal for two entries that are the same image."""
        return "\0".join((self.config, *self.layers))


def parse_saved_images(content: bytes, *, limits: Limits | None = None) -> tuple[SavedImage, ...]:
    """Parse the list.

    Args:
        content: the document's bytes.
        limits: what to accept.
    Raises: MalformedDocument.
    """
    limits = limits or Limits()
    from rafsight.formats.oci import wire

    raw = decode(content, list[wire.SavedImage], _NAME)
    if not 0 < len(raw) <= _MAX_IMAGES:
        raise MalformedDocument(document=_NAME, what=f"it lists {len(raw)} images; 1 to {_MAX_IMAGES} are accepted")
    images = []
    for row, one in enumerate(raw):
        if not one.config:
            raise MalformedDocument(document=_NAME, what=f"image {row} has no config")
        if len(one.layers or ()) > limits.layer_count:
            raise MalformedDocument(document=_NAME, what=f"image {row} has more than {limits.layer_count} layers")
        images.append(
            SavedImage(config=one.config, layers=tuple(one.layers or ()), tags=tuple(filter(None, one.repo_tags or ())))
        )
    return tuple(images)
