"""The metadata that the kernel mounts: written by us from the tables of an image, whatever their format was.

This module alone decides when an image cannot go to the kernel's EROFS.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.access.session import Image
from rafsight.base.events import Noticed
from rafsight.base.text import printable
from rafsight.formats.rafs.erofs_packing import BLOCK
from rafsight.formats.rafs.erofs_writer import write_erofs
from rafsight.image.backing import map_chunks
from rafsight.views.mount.engine import EngineUnfit, Plan
from rafsight.views.mount.records import METADATA, NoRecords

_UUID_SIZE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """EROFS metadata of an image, in memory and in the view's folder."""

    content: bytes | bytearray
    path: Path
    nids: NDArray[np.uint64]
    """(n,) st_ino of each entry row."""


def write_volume(plan: Plan, engine: str) -> Volume:
    """Write the metadata of an image, with one device for each blob.

    Args:
        plan: what is to be mounted.
        engine: that wants it, for messages.

    Raises: EngineUnfit: pieces of a file do not lie where blocks of a device begin; NoRecords: no space.
    """
    tables = plan.image.tree.tables
    chunk_map = map_chunks(tables, plan.store.backing)
    if len(chunk_map.unmappable):
        first = plan.image.tree.path(int(chunk_map.unmappable[0]))
        why = f"{len(chunk_map.unmappable):,} files, /{printable(first)} among them, are not made of whole blocks"
        raise EngineUnfit(engine=engine, why=why)
    blocks = [int(size) // BLOCK for size in plan.store.backing.sizes]
    written = write_erofs(tables, chunk_map, device_blocks=blocks, uuid=_uuid_of(plan.image))
    if written.dropped_xattrs:
        lost = f"{written.dropped_xattrs:,} extended attributes have names that EROFS cannot hold, and are not shown"
        plan.listener(Noticed(message=f"{lost}; --engine fuse shows them"))
    path = plan.site.folder / METADATA
    try:
        path.write_bytes(written.content)
    except OSError as error:
        raise NoRecords(folder=str(plan.site.folder), why=error.strerror or str(error)) from error
    return Volume(content=written.content, path=path, nids=written.nids)


def _uuid_of(image: Image) -> bytes:
    """Return what names the volume: the same for the same image."""
    classified = image.identity.classified
    name = classified.manifest.digest if classified else image.identity.reference
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:_UUID_SIZE]
