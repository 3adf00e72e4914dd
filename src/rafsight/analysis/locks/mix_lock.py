"""Lock files of Elixir (`mix.lock`) and Erlang (`rebar.lock`): terms, a package a line.

This module alone decides how such a line is read: by its beginning. Packages of repositories have no version.
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

_LINE: Final = 2048
_MIX: Final = re.compile(
    rb'\s{0,16}"[^"\s]{1,250}":\s{0,16}\{:hex,\s{0,16}:"?([^,"\s]{1,250})"?,\s{0,16}"([^"\s]{1,250})"'
)
_REBAR: Final = re.compile(rb'[\s\[{"1-9.,]{0,32}\{<<"[^"]{1,250}">>,\{pkg,<<"([^"]{1,250})">>,<<"([^"]{1,250})">>')


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file of either kind."""
    for line in lines_of(file.content):
        start = line[:_LINE]
        match = _MIX.match(start) or _REBAR.match(start)
        if match is not None:
            yield locked(Ecosystem.HEX, identity_of(match[1]), identity_of(match[2]))


MIX_LOCK: Final = Extractor(
    name="locks/mix-lock",
    version=1,
    wants=Wants(patterns=(b"**/mix.lock", b"**/rebar.lock"), max_size=4 * MiB),
    extract=read_lock,
    declared=True,
)
