"""pip's requirement files: `NAME==VERSION` lines.

This module alone decides what of such a line is a version: only what is fixed (`==` without a star, `===`). Everything
else asks for a range, and names no version.
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
_FIXED: Final = re.compile(
    rb"\s{0,64}([A-Za-z0-9][A-Za-z0-9._-]{0,250})\s{0,16}(?:\[[^\]\r\n]{0,500}\])?\s{0,16}={2,3}\s{0,16}([A-Za-z0-9][A-Za-z0-9._!+-]{0,250})"
    rb"(?=[\s;,#\\]|$)"
)


def read_requirements(file: FileView) -> Iterator[Found]:
    """Read one file; lines that fix no version are passed over."""
    for line in lines_of(file.content):
        match = _FIXED.match(line[:_LINE])
        if match is not None:
            yield locked(Ecosystem.PYPI, identity_of(match[1]), identity_of(match[2]))


REQUIREMENTS: Final = Extractor(
    name="locks/requirements",
    version=1,
    wants=Wants(patterns=(b"**/*requirements*.txt", b"**/requirements/*.txt"), max_size=4 * MiB),
    extract=read_requirements,
    declared=True,
)
