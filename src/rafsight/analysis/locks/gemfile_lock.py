"""Bundler's lock file: blocks (`GEM`, `GIT`, `PATH`), each with `specs:` that are indented by four blanks.

This module alone decides which specs are packages (not those of `PATH`), and where a platform ends a version.
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
_SPEC: Final = re.compile(rb" {4}([^\s()]{1,1000}) \(([^\s()-]{1,1000})(?:-[^\s()]{0,1000})?\)\s*")
_BLOCKS: Final = (b"GEM", b"GIT", b"PLUGIN SOURCE")


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file."""
    block = b""
    for line in lines_of(file.content):
        if line[:1] not in b" \r\n":
            block = line.strip()
        elif block in _BLOCKS and len(line) <= _LINE and (match := _SPEC.fullmatch(line)):
            yield locked(Ecosystem.GEM, identity_of(match[1]), identity_of(match[2]))


GEMFILE_LOCK: Final = Extractor(
    name="locks/gemfile-lock",
    version=1,
    wants=Wants(patterns=(b"**/Gemfile.lock", b"**/gems.locked"), max_size=4 * MiB),
    extract=read_lock,
    declared=True,
)
