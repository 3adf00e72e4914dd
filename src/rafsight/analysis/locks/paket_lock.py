"""Paket's lock file: blocks (`NUGET`, `GITHUB`, ...), packages indented by four blanks.

This module alone decides which block counts: NuGet's.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.fields import identity_of, lines_of
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.locks.locked import locked
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_LINE: Final = 4096
_PACKAGE: Final = re.compile(rb" {4}([^\s()]{1,1000}) \(([^\s()]{1,1000})\)")


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file."""
    block = b""
    for line in lines_of(file.content):
        if line[:1] not in b" \r\n":
            block = line.strip()
        elif block == b"NUGET" and (match := _PACKAGE.match(line[:_LINE])):
            yield locked(Ecosystem.NUGET, identity_of(match[1]), identity_of(match[2]))


PAKET_LOCK: Final = Extractor(
    name="locks/paket-lock",
    version=1,
    wants=Wants(patterns=(b"**/paket.lock",), max_size=4 * MiB),
    extract=read_lock,
    declared=True,
)
