"""Images over a memory backend, and stores of them, for the tests of the chunk store."""

import hashlib
import random
import stat
import time
from contextlib import contextmanager
from functools import cache

from rafsight.access.contents import Contents
from rafsight.access.memory import MemoryBackend
from rafsight.access.session import Grown, Identity, Image
from rafsight.access.threads import threads
from rafsight.base.limits import Limits
from rafsight.base.units import GiB, KiB
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import build_image

PLENTY = GiB


@cache
def noise(size, seed=0):
    """Return bytes that are the same for the same seed, and no two chunks of them alike."""
    return random.Random(seed).randbytes(size)


def small_image(files=None, *, chunk_size=16 * KiB, gap=0):
    return build_image(files or {b"a": noise(100_000), b"b": noise(50_001, 1)}, chunk_size=chunk_size, gap=gap)


class Counted(MemoryBackend):
    """Counts ranges and can be slow or broken."""

    def __init__(self, small, *, delay=0.0):
        super().__init__()
        self.put_blob(small.blob, digest=f"sha256:{small.blob_id}")
        self.ranges = []
        self.delay = delay
        self.error = None

    def fetch_range(self, digest, offset, size):
        self.ranges.append((offset, size))
        if self.delay:
            time.sleep(self.delay)
        if self.error is not None:
            raise self.error
        return super().fetch_range(digest, offset, size)


@contextmanager
def open_small(small, backend=None):
    """Open an image that was built in memory."""
    backend = backend or Counted(small)
    with threads(4, name="test-fetch") as pool:
        tree = ImageTree(small.tables)
        contents = Contents(tree, backend, None, pool, Limits())
        yield Image(
            identity=Identity(reference="memory"),
            head=small.tables.head,
            grow=lambda: Grown(tree=tree, contents=contents),
            backend=backend,
        )


def files_of(image):
    """Yield rows and sizes of the regular files."""
    entries = image.tree.entries
    for row in range(len(entries.mode)):
        if stat.S_ISREG(int(entries.mode[row])):
            yield row, int(entries.size[row])


def sums_by_store(image, store):
    """Hash every regular file as a store gives it, in pieces that fit no chunk."""
    result = {}
    for row, size in files_of(image):
        running = hashlib.sha256()
        for offset in range(0, size, 50_000):
            running.update(store.read_row(row, offset, 50_000))
        result[row] = running.hexdigest()
    return result


def sums_by_image(image):
    """Hash every regular file as the image gives it."""
    result = {}
    for row, _ in files_of(image):
        running = hashlib.sha256()
        for piece in image.read_file(row):
            running.update(piece)
        result[row] = running.hexdigest()
    return result


def whole(store, blob=0):
    """Read a backing file from its start to its end."""
    size = int(store.backing.sizes[blob])
    return b"".join(bytes(store.read(blob, offset, min(10_000, size - offset))) for offset in range(0, size, 10_000))


def backing_file(small, store, blob=0):
    """Say what the backing file of an image of one blob has to be."""
    result = bytearray(int(store.backing.sizes[blob]))
    chunks = small.tables.chunks
    for row in store.backing.order.tolist():
        start, size = int(store.backing.address[row]), int(chunks.size[row])
        offset = int(chunks.compressed_offset[row])
        result[start : start + size] = small.blob[offset : offset + size]
    return bytes(result)
