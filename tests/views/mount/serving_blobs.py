"""A program that serves a file of a pattern through FUSE until its standard input ends. Arguments: directory, metadata.

Each block of `blob0` says where it is; the first reads are quick, those from the middle on wait for ever.
"""

import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from rafsight.views.fuse.blob_files import BlobFiles
from rafsight.views.fuse.server import serve

SIZE = 8 << 20
CONTENT = np.arange(1, SIZE // 8 + 1, dtype="<u8").tobytes()
"""No eight bytes of it are zeros."""


class Pattern:
    backing = SimpleNamespace(sizes=np.array([SIZE], np.int64))
    error: Exception | None = None
    stops_at = SIZE

    def read(self, blob, offset, size):
        if self.error is not None:
            raise self.error
        if offset + size > self.stops_at:
            threading.Event().wait()
        return CONTENT[offset : offset + size]


def main(directory, metadata):
    store = Pattern()
    store.stops_at = SIZE // 2
    with serve(BlobFiles(store, ["blob0"], {"metadata": metadata.read_bytes()}), directory):
        print("ready", flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
