"""The two RAFS versions behind one contract; the order of CODECS is the order of probing.

This module alone knows how many versions there are.
"""

from typing import Protocol

from rafsight.base.limits import Limits
from rafsight.formats.tables import TreeTables

Buffer = bytes | memoryview


class Codec(Protocol):
    """One RAFS version. Pure: bytes to tables."""

    def probe(self, head: Buffer) -> bool:
        """Tell whether a file that begins with `head` (at least 4096 bytes, or all of it) is of this version."""
        ...

    def read(self, bootstrap: Buffer, name: str, limits: Limits) -> TreeTables:
        """Read a bootstrap.

        Args:
            bootstrap: the whole file.
            name: blob id that stands for the placeholder of inlined bootstraps (the file name up to its first dot).
            limits: what to accept.
        Raises: MalformedImage, UnsupportedImage.
        Cost: linear in inodes and chunks, by columns.
        """
        ...
