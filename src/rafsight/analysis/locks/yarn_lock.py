"""Yarn's lock file: the lines of Yarn 1, and the YAML of later ones.

This module alone decides which entries are packages: those that came from a registry, an archive or a repository, not
folders of the project itself.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, Skipped
from rafsight.analysis.fields import identity_of, lines_of
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.locks.locked import LOCK_SIZE, locked
from rafsight.analysis.yaml_text import read_documents, text_at
from rafsight.image.selection import Wants

_METADATA: Final = b"__metadata:"
_LINE: Final = 4096
_VERSION: Final = re.compile(rb'  version:? "?([^"\s]{1,1000})"?\s*')
_LOCAL: Final = ("workspace:", "link:", "portal:", "file:")
_ALIAS: Final = "npm:"


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file.

    Raises: MalformedFile.
    """
    modern = any(line.startswith(_METADATA) for line in lines_of(file.content))
    yield from _modern(file.content) if modern else _classic(file.content)


def split_spec(spec: str) -> tuple[str, str]:
    """Split `NAME@RANGE` or `@SCOPE/NAME@RANGE`."""
    name, _, rest = spec[1:].partition("@")
    return spec[:1] + name, rest


def _classic(content: bytes) -> Iterator[Found]:
    """Read blocks: specifiers in a line that is not indented, then fields."""
    name = ""
    for number, line in enumerate(lines_of(content), 1):
        if line[:1] not in b" #\r\n\t":
            if name:
                yield Skipped(what=f"the entry before line {number} has no version")
            spec = identity_of(line[:_LINE].partition(b",")[0].strip().rstrip(b":").strip(b'"')) if line else ""
            name, wanted = split_spec(spec)
            if wanted.startswith(_ALIAS):
                name = split_spec(wanted.removeprefix(_ALIAS))[0]
            elif wanted.startswith(_LOCAL):
                name = ""
        elif name and len(line) <= _LINE and (match := _VERSION.fullmatch(line)):
            yield locked(Ecosystem.NPM, name, identity_of(match[1]))
            name = ""


def _modern(content: bytes) -> Iterator[Found]:
    for document in read_documents(content):
        for key, entry in document.items() if isinstance(document, dict) else ():
            if key == _METADATA.decode().rstrip(":"):
                continue
            name, source = split_spec(text_at(entry, "resolution") or key)
            if not source.startswith(_LOCAL):
                yield locked(Ecosystem.NPM, name, text_at(entry, "version"))


YARN_LOCK: Final = Extractor(
    name="locks/yarn-lock",
    version=1,
    wants=Wants(patterns=(b"**/yarn.lock",), max_size=LOCK_SIZE),
    extract=read_lock,
    declared=True,
)
