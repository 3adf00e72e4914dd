"""Files of lower layers that upper layers overwrite or remove: no container shows them, everybody can pull them.

They are known only while layers are streamed, so their content is what was kept of that pass. This module alone decides
which of it is hidden.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.tables import Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenFile:
    """A regular file of a lower layer that is not in the image's tree."""

    path: bytes
    layer: str
    """Digest of the layer that has it."""
    size: int
    """[bytes]"""
    content: bytes | None
    """None: it was wanted and there was no room for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassingFile:
    """A wanted file of a stream, when nobody knows yet whether it stays."""

    layer: int
    offset: int
    """[bytes] in the layer's decompressed stream."""
    path: bytes
    size: int


def find_hidden(
    passed: Sequence[PassingFile],
    kept: Mapping[tuple[int, int], bytes],
    placement: Placement,
    layers: Sequence[Descriptor],
) -> tuple[HiddenFile, ...]:
    """Return the files that passed and are in no place of the final tree.

    Args:
        passed: all wanted files, in the order of the stream.
        kept: content by (layer, offset).
        placement: of the final tree.
        layers: as the manifest lists them.
    """
    units = placement.units
    visible = set(zip(units.blob_index.tolist(), units.offset.tolist(), strict=True))
    return tuple(
        HiddenFile(
            path=file.path,
            layer=layers[file.layer].digest,
            size=file.size,
            content=kept.get((file.layer, file.offset)),
        )
        for file in passed
        if (file.layer, file.offset) not in visible
    )
