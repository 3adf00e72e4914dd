"""The two RAFS versions behind one contract; the order of CODECS is the order of probing.

This module alone knows how many versions there are.
"""

from typing import Final, Protocol

from rafsight.base.limits import Limits
from rafsight.formats.rafs import v5, v6
from rafsight.formats.rafs.faults import NotABootstrap
from rafsight.formats.records import Buffer
from rafsight.formats.tables import MalformedImage, TreeTables


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


CODECS: Final[tuple[Codec, ...]] = (v6, v5)


def is_bootstrap(head: Buffer) -> bool:
    """Tell whether a file that begins with `head` (at least 4096 bytes, or all of it) is RAFS metadata."""
    return any(codec.probe(head) for codec in CODECS)


def read_bootstrap(content: Buffer, *, name: str, limits: Limits) -> TreeTables:
    """Read a bootstrap of any version.

    Args:
        content: the whole file; the tables point into it.
        name: blob id that stands for the placeholder of inlined bootstraps (the file name up to its first dot).
        limits: what to accept.
    Raises: NotABootstrap: it begins like none. MalformedImage: it is damaged. UnsupportedImage: RAFS v4, EROFS without
        RAFS, features that nobody knows.
    Cost: linear in inodes and chunks, by columns: about a microsecond for each inode.
    """
    if isinstance(content, memoryview):
        content = content.cast("B")
    if len(content) > limits.bootstrap_size:
        raise MalformedImage(where="bootstrap", what=f"is larger than {limits.bootstrap_size} bytes", offset=0)
    for codec in CODECS:
        if codec.probe(content):
            return codec.read(content, name, limits)
    raise NotABootstrap(name=name or "the file", what="neither RAFS v5 nor v6 begins like this")
