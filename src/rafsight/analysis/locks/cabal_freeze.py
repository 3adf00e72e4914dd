"""Cabal's lock file: `cabal.project.freeze`.

This module alone decides how it names a package: `any.NAME ==VERSION`.
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
_FREEZE: Final = re.compile(rb"any\.([A-Za-z0-9-]{1,250})\s{0,8}==\s{0,8}([0-9.]{1,100})")


def read_freeze(file: FileView) -> Iterator[Found]:
    """Read `cabal.project.freeze`."""
    for line in lines_of(file.content):
        match = _FREEZE.search(line[:_LINE])
        if match is not None:
            yield locked(Ecosystem.HACKAGE, identity_of(match[1]), identity_of(match[2]))


CABAL_FREEZE: Final = Extractor(
    name="locks/cabal-freeze",
    version=1,
    wants=Wants(patterns=(b"**/cabal.project.freeze",), max_size=4 * MiB),
    extract=read_freeze,
    declared=True,
)
