"""Scripts of Python distributions: those that a wheel brings, and those that entry points ask for.

This module alone decides what their first lines say: what the old scripts of the distribution said, else the
interpreter of the folder, else whatever `env` finds.
"""

import configparser
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from rafsight.base.units import KiB
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Content
from rafsight.verbs.repair.packages.places import Place
from rafsight.verbs.repair.packages.python_site import Site, interpreter_of
from rafsight.verbs.repair.packages.staging import Staged

_PLACEHOLDERS: Final = (b"#!python", b"#!pythonw")
_TRICK: Final = b"'''exec' "
"""How installers begin the second line of a script whose interpreter's path is too long for the kernel."""
_SCRIPT: Final = """\
import sys

from {module} import {first}

if __name__ == "__main__":
    sys.exit({attribute}())
"""
_HEAD_SIZE: Final = 4 * KiB
_OLD_SIZE: Final = 64 * KiB
"""[bytes] Larger old scripts are not asked for their first line."""
_OLD_COUNT: Final = 8
_SHEBANG_SIZE: Final = 127
"""[bytes] The kernel reads no more of the first line."""


def first_lines(staged: Staged, site: Site, old: Iterable[Place]) -> bytes:
    """Return what scripts of a folder begin with.

    Args:
        staged: the image.
        site: the folder.
        old: scripts of the distribution that is replaced.
    Cost: a few small files.
    """
    few = [place for place in old if place.kind is MemberKind.FILE and staged.size_of(place) <= _OLD_SIZE][:_OLD_COUNT]
    for _, content in sorted(staged.read_each(few, _OLD_SIZE), key=lambda pair: pair[0].path):
        head = _python_head(content)
        if head:
            return head
    interpreter = interpreter_of(staged, site)
    if not interpreter or len(interpreter) + 3 > _SHEBANG_SIZE or b" " in interpreter:
        return b"#!/usr/bin/env python3\n"
    return b"#!" + interpreter + b"\n"


def entry_scripts(content: bytes, head: bytes) -> dict[str, bytes]:
    """Write the scripts that `entry_points.txt` asks for.

    Args:
        content: of the file.
        head: as `first_lines` says.
    Returns: scripts by name.
    Raises: ValueError: the file is malformed, or a script has a name or a target that cannot be.
    """
    parser = configparser.RawConfigParser(delimiters=("=",), strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]  # as the standard library documents it
    try:
        parser.read_string(content.decode("utf-8"))
    except configparser.Error as error:
        raise ValueError(str(error).splitlines()[0]) from error
    scripts = {}
    for section in ("console_scripts", "gui_scripts"):
        for name, value in parser.items(section) if parser.has_section(section) else ():
            scripts[name] = head + _script(name, value).encode()
    return scripts


def renamed_scripts(old: Iterable[str], scripts: dict[str, bytes], site: Site) -> dict[str, bytes]:
    """Return scripts under the names that an old installer gave them, too: `pip3.11` of `pip`."""
    if site.version is None:
        return {}
    suffixes = (f"{site.version[0]}.{site.version[1]}", str(site.version[0]))
    found = {}
    for name in old:
        base = next((name.removesuffix(suffix) for suffix in suffixes if name.endswith(suffix)), name)
        if name not in scripts and base in scripts:
            found[name] = scripts[base]
    return found


def with_interpreter(content: Content, head: bytes) -> tuple[Content, bool]:
    """Put the interpreter into a script that leaves it open.

    Returns: the content, and whether it is another one than before.
    """
    with content.open() as pieces:
        start = b""
        for piece in pieces:
            start += piece
            if len(start) >= _HEAD_SIZE or b"\n" in start:
                break
    line = start[:_HEAD_SIZE].partition(b"\n")[0]
    if not line.startswith(_PLACEHOLDERS):
        return content, False
    words = line.rstrip(b"\r").split(b" ", 1)
    if words[0] not in _PLACEHOLDERS:
        return content, False
    cut = min(len(line) + 1, content.size)

    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        with content.open() as pieces:
            yield _behind(pieces, head, cut)

    return Content(size=content.size - cut + len(head), open=opened), True


def digest_and_size(content: Content) -> tuple[bytes, int]:
    """Hash a content (SHA-256) and count it [bytes]."""
    digest = hashlib.sha256()
    with content.open() as pieces:
        for piece in pieces:
            digest.update(piece)
    return digest.digest(), content.size


def _behind(pieces: Iterator[bytes], head: bytes, cut: int) -> Iterator[bytes]:
    yield head
    for piece in pieces:
        kept = piece[cut:]
        cut = max(0, cut - len(piece))
        if kept:
            yield kept


def _python_head(content: bytes) -> bytes:
    """Return the first lines of a script that name its interpreter; empty if it is no Python script."""
    lines = content[:_HEAD_SIZE].splitlines(keepends=True)
    if not lines or not lines[0].startswith(b"#!") or not lines[0].endswith(b"\n"):
        return b""
    if len(lines) > 2 and lines[1].startswith(_TRICK) and lines[2].strip() == b"' '''":
        return b"".join(lines[:3])
    return lines[0] if b"python" in lines[0] or b"pypy" in lines[0] else b""


def _script(name: str, value: str) -> str:
    module, colon, attribute = value.partition("[")[0].strip().partition(":")
    module, attribute = module.strip(), attribute.strip()
    parts = [*module.split("."), *attribute.split(".")]
    if not colon or not all(part.isidentifier() for part in parts):
        what = f"the script {name} is not made of a module and a function: '{value}'"
        raise ValueError(what)
    if "/" in name or name in (".", "..") or not name.isprintable() or not name:
        what = f"a script cannot be called '{name}'"
        raise ValueError(what)
    return _SCRIPT.format(module=module, first=attribute.partition(".")[0], attribute=attribute)
