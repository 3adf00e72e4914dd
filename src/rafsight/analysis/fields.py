"""Small tools that several extractors share: decoding, lines, and fields of text.

This module alone decides how foreign bytes become the text of a component.
"""

import io
from collections.abc import Iterable, Iterator
from typing import Final

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.inventory import Ownership

NAME_LENGTH: Final = 1024
"""[characters] no name or version of a package is longer."""
PATH_LENGTH: Final = 4096
"""[bytes] no owned path is longer (PATH_MAX)."""
PATHS_SIZE: Final = 256 << 20
"""[bytes] of all paths that one package may own."""
_BATCH: Final = 8192


def text_of(value: bytes) -> str:
    """Decode a value; what is not UTF-8 is replaced, blanks around it are dropped."""
    return value.decode("utf-8", "replace").strip()


def identity_of(value: bytes) -> str:
    """Decode a name or a version; empty where it is longer than any real one."""
    return text_of(value) if len(value) <= NAME_LENGTH else ""


def lines_of(content: bytes) -> Iterator[bytes]:
    """Yield the lines with their ends, one at a time: a list of them could be many times as large as the file."""
    return io.BytesIO(content)


def ownerships(package: str, paths: Iterable[bytes], *, official: bool) -> Iterator[Ownership]:
    """Yield the paths that a package owns in batches, so that no list of them is ever long.

    Args:
        package: the owner.
        paths: absolute or relative to the root; those longer than a path can be are left out.
        official: whether the distribution made the package, as far as the file tells.

    Raises: MalformedFile: together they are larger than any package's.
    """
    batch: list[bytes] = []
    total = 0
    for path in paths:
        if len(path) > PATH_LENGTH:
            continue
        total += len(path)
        if total > PATHS_SIZE:
            raise MalformedFile(what=f"the list of files exceeds {PATHS_SIZE} bytes", where=package)
        batch.append(path.lstrip(b"/"))
        if len(batch) == _BATCH:
            yield Ownership(package=package, official=official, paths=tuple(batch))
            batch.clear()
    if batch:
        yield Ownership(package=package, official=official, paths=tuple(batch))
