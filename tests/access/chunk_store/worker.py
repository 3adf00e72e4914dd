"""A process of its own that reads an image through a store: `python worker.py FOLDER SEED SECONDS DELAY`.

Prints `ready` once the store is open, then `sound` if every byte was right.
"""

import sys
import time
from pathlib import Path

import numpy as np
from tests.access.chunk_store.images import PLENTY, Counted, backing_file, noise, open_small, small_image

from rafsight.access.chunk_store.store import open_chunk_store
from rafsight.base.units import KiB, MiB


def shared_image():
    """Return the image that all workers read."""
    return small_image({b"a": noise(8 * MiB, 77), b"b": noise(3 * MiB, 78)}, chunk_size=32 * KiB, gap=100)


def say(word):
    """Tell the test."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main(folder, seed, seconds, delay):
    """Read at random until the time is over."""
    small = shared_image()
    with (
        open_small(small, Counted(small, delay=delay)) as image,
        open_chunk_store(image, folder, limit=PLENTY) as store,
    ):
        expected = backing_file(small, store)
        say("ready")
        end, places = time.monotonic() + seconds, np.random.default_rng(seed)
        while time.monotonic() < end:
            offset = int(places.integers(0, len(expected)))
            size = int(places.integers(1, 100_000))
            if store.read(0, offset, size) != (expected + bytes(100_000))[offset : offset + size]:
                say("wrong")
                return
    say("sound")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
