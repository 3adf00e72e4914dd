"""The two RAFS versions behind one contract; the order of CODECS is the order of probing.

This module alone knows how many versions there are.
"""

from typing import Final, Protocol

from rafsight.base.limits import Limits
from rafsight.formats.judge import STRICT, Judge
from rafsight.formats.rafs import v5, v6
from rafsight.formats.rafs.faults import NotABootstrap
from rafsight.formats.records import Buffer
from rafsight.formats.tables import Head, MalformedImage, TreeTables


class Codec(Protocol):
    """One RAFS version. Pure: bytes to tables, tables to bytes."""

    VERSION: int
    """What `Superblock.version` says."""
    ALIGNS_CHUNKS: bool
    """True if every chunk begins on a block of the uncompressed space, and a chunk-info array follows the data."""

    def probe(self, head: Buffer) -> bool:
        """Tell whether a file that begins with `head` (at least 4096 bytes, or all of it) is of this version."""
        ...

    def read_head(self, bootstrap: Buffer, name: str, limits: Limits) -> Head:
        """Read the superblock and the blob table alone; arguments and errors as of `read`. Cost: linear in blobs."""
        ...

    def read(self, bootstrap: Buffer, name: str, limits: Limits, judge: Judge) -> TreeTables:
        """Read a bootstrap.

        Args:
            bootstrap: the whole file.
            name: blob id that stands for the placeholder of inlined bootstraps (the file name up to its first dot).
            limits: what to accept.
            judge: told about every rule that this reader needs; where it goes on, what breaks a rule is left out or
                made harmless, so that the tables keep the law that every index and offset is inside.
        Raises: MalformedImage, UnsupportedImage: with a judge that goes on, only where nothing can be read at all.
        Cost: linear in inodes and chunks, by columns.
        """
        ...

    def audit(self, bootstrap: Buffer, tables: TreeTables, limits: Limits, judge: Judge) -> None:
        """Look at the rules that no reader needs: digests, counts, reserved bytes, what only other readers insist on.

        Args:
            bootstrap: the whole file.
            tables: what `read` made of it with the same judge.
            limits: what to accept.
            judge: told about every rule.
        Cost: linear in inodes and chunks.
        """
        ...

    def write(self, tables: TreeTables) -> bytes:
        """Write a bootstrap; the same tables give the same bytes.

        Cost: linear in entries and chunks.
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
    Raises: NotABootstrap: it begins like none, or is an EROFS image of another kind. MalformedImage: it is damaged.
        UnsupportedImage: RAFS v4, features that nobody knows.
    Cost: linear in inodes and chunks, by columns: about a microsecond for each inode.
    """
    codec, content = _codec_of(content, name, limits)
    return codec.read(content, name, limits, STRICT)


def check_bootstrap(content: Buffer, *, name: str, limits: Limits, judge: Judge) -> TreeTables | None:
    """Look at every rule of a bootstrap.

    Args:
        content: the whole file.
        name: as of `read_bootstrap`.
        limits: what to accept.
        judge: told about every rule.
    Returns: what could be read; None if nothing could, and the judge was told why.
    Raises: NotABootstrap.
    Cost: linear in inodes and chunks.
    """
    codec, content = _codec_of(content, name, limits)
    tables = None
    with judge.part("bootstrap"):
        tables = codec.read(content, name, limits, judge)
        codec.audit(content, tables, limits, judge)
    return tables


def write_bootstrap(tables: TreeTables) -> bytes:
    """Write a bootstrap of the version that the tables' superblock says.

    Args:
        tables: the image: flags, chunk size and blobs as they are to stand in the bootstrap.
    Cost: linear in entries and chunks.
    """
    return codec_of(tables.superblock.version).write(tables)


def codec_of(version: int) -> Codec:
    """Return the codec of a version that there is."""
    return next(codec for codec in CODECS if version == codec.VERSION)


def read_head(content: Buffer, *, name: str, limits: Limits) -> Head:
    """Read the superblock and the blob table of a bootstrap, and no more: what `stats` needs.

    Raises: as `read_bootstrap`.
    Cost: linear in the blobs.
    """
    codec, content = _codec_of(content, name, limits)
    return codec.read_head(content, name, limits)


def _codec_of(content: Buffer, name: str, limits: Limits) -> tuple[Codec, Buffer]:
    """Find the codec of a bootstrap that is not too large."""
    if isinstance(content, memoryview):
        content = content.cast("B")
    if len(content) > limits.bootstrap_size:
        raise MalformedImage(where="bootstrap", what=f"is larger than {limits.bootstrap_size} bytes", offset=0)
    for codec in CODECS:
        if codec.probe(content):
            return codec, content
    raise NotABootstrap(name=name or "the file", what="neither RAFS v5 nor v6 begins like this")
