"""Go's `go.mod`: the modules that a program requires, after `replace`.

This module alone decides how its lines are read. `go.sum` also has modules that are not used, and is not read; the
standard library's version is the toolchain's, which a program says itself.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.fields import lines_of, text_of
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.locks.locked import locked
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_LINE: Final = 4096
_OPENING: Final = re.compile(r"([a-z]{1,16})\s{0,16}\(")


def read_mod(file: FileView) -> Iterator[Found]:
    """Read one module file."""
    required: dict[str, str] = {}
    replaced: dict[tuple[str, str], tuple[str, str]] = {}
    for verb, words in _directives(file.content):
        if verb == "require" and len(words) == 2:
            required[words[0]] = words[1]
        elif verb == "replace" and "=>" in words:
            at = words.index("=>")
            old, new = words[:at], words[at + 1 :]
            if old and new:
                replaced[old[0], old[1] if len(old) > 1 else ""] = (new[0], new[1] if len(new) > 1 else "")
    for module, version in required.items():
        name, real = replaced.get((module, version)) or replaced.get((module, "")) or (module, version)
        if real:  # a folder takes its place otherwise
            yield locked(Ecosystem.GOLANG, name, real)


def _directives(content: bytes) -> Iterator[tuple[str, list[str]]]:
    """Yield each verb with its words, those of blocks one by one."""
    block = ""
    for line in lines_of(content):
        text = text_of(line[:_LINE]).partition("//")[0].strip()
        if text == ")":
            block = ""
        elif opening := _OPENING.fullmatch(text):
            block = opening[1]
        elif text:
            words = [word.strip('"`') for word in text.split()]
            yield (block, words) if block else (words[0], words[1:])


GO_MOD: Final = Extractor(
    name="locks/go-mod",
    version=1,
    wants=Wants(patterns=(b"**/go.mod",), max_size=4 * MiB),
    extract=read_mod,
    declared=True,
)
