"""Places in a gzip file where inflating can begin, as an index of the file lists them.

Pure: the bytes of an index in, columns out. This module alone knows the layout of the index files that `indexed_gzip`
exports (`GZIDX`, version 1), and why a layer cannot be referred to where it lies.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.errors import Defect, ExitStatus, ImageFault
from rafsight.formats.records import Bools, Buffer, Record, check_range
from rafsight.formats.tables import Octets, Offsets

WINDOW_SIZE: Final = 32768
"""[bytes] that deflate can look back."""
_MAGIC: Final = b"GZIDX"
_VERSION: Final = 1
_WHERE: Final = "gzip index"
_HEAD: Final = Record("gzip index header", size=35, fields=(
    # name                on disk  meaning [unit]
    ("magic",             "V5",    "GZIDX"),
    ("version",           "u1",    "1"),
    ("flags",             "u1",    "0"),
    ("compressed_size",   "<u8",   "[bytes] of the gzip file"),
    ("uncompressed_size", "<u8",   "[bytes] of its content"),
    ("spacing",           "<u4",   "[bytes] of content between two points of one member, at least"),
    ("window_size",       "<u4",   "[bytes] of a window"),
    ("count",             "<u4",   "points"),
))  # fmt: skip
_POINT: Final = Record("gzip index point", size=18, fields=(
    # name                  on disk  meaning [unit]
    ("compressed_offset",   "<u8",   "[bytes] of the first whole byte"),
    ("uncompressed_offset", "<u8",   "[bytes] in the content"),
    ("bits",                "u1",    "how many of the top bits of the byte before belong to the block"),
    ("has_window",          "u1",    "0 where a member begins, behind its header"),
))  # fmt: skip


class NotReferable(ImageFault):
    """An image cannot keep its data in the layer where it lies."""

    code = "layer-not-referable"
    template = "layer {layer} cannot be read at any place: {why}"
    remedy = "Convert the image with blobs of its own instead of references to its layers."
    exit_status = ExitStatus.UNSUPPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class GzipPoints:
    """Points of a gzip file, in its order; n rows, the first where its first member begins (none without content)."""

    compressed_offset: Offsets
    """(n,) [bytes] of the first whole byte of a deflate block."""
    uncompressed_offset: Offsets
    """(n,) [bytes] in the content of all members together."""
    bits: Octets
    """(n,) how many of the top bits of the byte before belong to the block, 0 to 7."""
    has_window: Bools
    """(n,) False where a member begins."""
    windows: memoryview
    """WINDOW_SIZE bytes of content for each point that has them, in the order of the points."""
    compressed_size: int
    """[bytes] of the gzip file, without what pads it."""
    uncompressed_size: int
    """[bytes] of content."""

    @property
    def member(self) -> Offsets:
        """(n,) Which member each point is in, from 1."""
        return np.cumsum(~self.has_window, dtype=np.int64)

    def window(self, point: int) -> memoryview:
        """Return the content before a point, as far as deflate looks back; nothing where a member begins."""
        if not self.has_window[point]:
            return memoryview(b"")
        start = int(np.count_nonzero(self.has_window[:point])) * WINDOW_SIZE
        return self.windows[start : start + WINDOW_SIZE]


def no_points(compressed_size: int) -> GzipPoints:
    """Return the points of a gzip file without content.

    Args:
        compressed_size: [bytes] of the file.
    """
    none = np.zeros(0, np.int64)
    return GzipPoints(
        compressed_offset=none,
        uncompressed_offset=none,
        bits=np.zeros(0, np.uint8),
        has_window=np.zeros(0, np.bool_),
        windows=memoryview(b""),
        compressed_size=compressed_size,
        uncompressed_size=0,
    )


def read_points(index: Buffer) -> GzipPoints:
    """Read an exported index.

    Args:
        index: the whole of it; the windows stay there.
    Raises: Defect: it has another layout than this release knows. MalformedImage: it ends too early.
    """
    head = _HEAD.rows(index, 0, 1, _WHERE)[0]
    known = head["magic"].tobytes() == _MAGIC and head["version"] == _VERSION and head["window_size"] == WINDOW_SIZE
    if not known:
        raise Defect(what="the installed indexed_gzip writes indexes of another layout")
    count = int(head["count"])
    rows = _POINT.rows(index, _HEAD.size, count, _WHERE)
    start = _HEAD.size + count * _POINT.size
    has_window = rows["has_window"] != 0
    check_range(index, start, int(np.count_nonzero(has_window)) * WINDOW_SIZE, _WHERE)
    kept = int(np.count_nonzero(rows["compressed_offset"] < head["compressed_size"]))  # the last one is the end
    return GzipPoints(
        compressed_offset=rows["compressed_offset"][:kept].astype(np.int64),
        uncompressed_offset=rows["uncompressed_offset"][:kept].astype(np.int64),
        bits=rows["bits"][:kept].copy(),
        has_window=has_window[:kept],
        windows=memoryview(index)[start:],
        compressed_size=int(head["compressed_size"]),
        uncompressed_size=int(head["uncompressed_size"]),
    )
