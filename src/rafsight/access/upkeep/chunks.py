"""Content of mounted images as a part of the cache folder."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from rafsight.access.chunk_store.blob_file import DATA, LABELS, read_labels
from rafsight.access.chunk_store.eviction import remove_blob
from rafsight.access.chunk_store.labels import LABEL_SIZE, blocks_of, read_header
from rafsight.access.chunk_store.locking import try_lock
from rafsight.access.chunk_store.opening import ASIDE
from rafsight.access.upkeep.contract import Item, PartFacts, Verified, disk_size, entries_of, last_changed
from rafsight.base.units import MiB
from rafsight.formats.rafs.erofs_packing import BLOCK

_DIGEST_SIZE: Final = 24
_NAME_SIZE: Final = 28
_CHUNK_SIZE: Final = 64 * MiB


class ChunksPart:
    """An `ItemPart`: a folder for each blob, each an item."""

    name = "chunks"
    title = "content of mounted images"

    def __init__(self, folder: Path) -> None:
        """Look at nothing yet.

        Args:
            folder: of the chunk store.
        """
        self._folder = folder

    def facts(self) -> PartFacts:
        """Tell how much there is."""
        counts = (("blobs", len(self._blobs())),)
        return PartFacts(name=self.name, title=self.title, size=disk_size(self._folder), counts=counts)

    def items(self) -> Iterator[Item]:
        """Yield the blobs."""
        for blob in self._blobs():
            yield Item(size=disk_size(blob), used=last_changed(blob / LABELS), remove=partial(remove_blob, blob))

    def verify(self) -> Verified:
        """Compare each chunk with the digest that names it; a blob with a damaged one goes.

        A chunk that its image has no digest for is named by its place: it looks damaged here, and is fetched again.
        """
        checked = damaged = unchecked = 0
        for blob in self._blobs():
            found = _check_blob(blob)
            if found is None:
                unchecked += 1
                continue
            checked += found[0]
            damaged += found[1]
            if found[1]:
                remove_blob(blob)
        return Verified(name=self.name, checked=checked, damaged=damaged, unchecked=unchecked)

    def clear(self) -> int:
        """Remove all blobs that no process has open."""
        return sum(item.size for item in self.items() if item.remove())

    def _blobs(self) -> list[Path]:
        return [path for path in entries_of(self._folder) if not path.name.startswith(ASIDE)]


def _check_blob(folder: Path) -> tuple[int, int] | None:
    """Count chunks and damaged ones; None if somebody has the blob open, or it is gone."""
    descriptors: list[int] = []
    try:
        for name in (LABELS, DATA):
            descriptors.append(os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))  # noqa: PERF401 - each is closed
        labels, data = descriptors
        if not try_lock(data, fcntl.LOCK_EX):
            return None
        header = read_header(labels)
        if header is None:
            return (1, 1) if os.fstat(labels).st_size else (0, 0)
        table = np.frombuffer(read_labels(labels, 0, blocks_of(header.data_size)), np.uint8).reshape(-1, LABEL_SIZE)
        begins = np.flatnonzero(table[:, :_NAME_SIZE].any(axis=1) & ~table[:, _NAME_SIZE:].any(axis=1))
        names = [table[block, :_NAME_SIZE].tobytes() for block in begins]
        damaged = sum(not _is_sound(data, int(block), name) for block, name in zip(begins, names, strict=True))
        return len(begins), damaged
    except OSError:
        return None
    finally:
        for descriptor in descriptors:
            with suppress(OSError):
                os.close(descriptor)


def _is_sound(data: int, block: int, name: bytes) -> bool:
    import blake3

    size = int.from_bytes(name[_DIGEST_SIZE:], "little")
    if size > _CHUNK_SIZE:
        return False
    content = os.pread(data, size, block * BLOCK)
    wanted = name[:_DIGEST_SIZE]
    return len(content) == size and wanted in (
        blake3.blake3(content).digest()[:_DIGEST_SIZE],
        hashlib.sha256(content).digest()[:_DIGEST_SIZE],
    )
