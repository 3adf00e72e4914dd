"""The members of package files, whatever the archive: what they are, and their content as often as it is wanted.

This module alone decides how much of a package is believed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from rafsight.base.units import GiB, MiB
from rafsight.formats.tables import Xattr
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Content
from rafsight.verbs.repair.packages.faults import MalformedPackage

FILE_SIZE: Final = 8 * GiB
"""[bytes] of one package file."""
TOTAL_SIZE: Final = 16 * GiB
"""[bytes] of all members of one package, unpacked."""
MEMBER_COUNT: Final = 500_000
PIECE: Final = 1 * MiB
"""[bytes] that are read at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One member of a package."""

    name: bytes
    """Relative, no `.`, `..` or closing slash; not empty."""
    kind: MemberKind
    mode: int
    """Permission bits."""
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    """[ns] since 1970, not negative."""
    target: bytes = b""
    """A symlink's text; of a hard link the name of another member."""
    rdev: int = 0
    xattrs: tuple[Xattr, ...] = ()
    content: Content | None = None
    """Of files."""


def file_pieces(file: BinaryIO, size: int | None = None) -> Iterator[bytes]:
    """Read a file on from where it is, at most `size` bytes of it."""
    left = FILE_SIZE if size is None else size
    while left > 0 and (piece := file.read(min(PIECE, left))):
        left -= len(piece)
        yield piece


def is_plain(name: bytes) -> bool:
    """Tell whether a name is a relative path that leads nowhere else and that a filesystem can hold."""
    parts = name.split(b"/")
    return len(name) <= 4096 and b"\0" not in name and all(0 < len(p) <= 255 and p not in (b".", b"..") for p in parts)


def read_item(item: Item, max_size: int, file: Path) -> bytes:
    """Read a small member whole.

    Raises: MalformedPackage: it is larger, or no file.
    """
    if item.content is None or item.content.size > max_size:
        name = item.name.decode("utf-8", "replace")
        raise MalformedPackage(file=str(file), what=f"{name} is no file of at most {max_size} bytes")
    with item.content.open() as pieces:
        return b"".join(pieces)
