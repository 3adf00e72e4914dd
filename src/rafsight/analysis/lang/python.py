"""Installed Python distributions: the headers of METADATA and PKG-INFO.

This module alone decides how such headers are read. They are mail headers in form only: a line that is no field is
passed over, and what follows the first empty line (a long description) is not wanted at all.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile, ReadMore
from rafsight.analysis.fields import identity_of, lines_of, text_of
from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.base.units import KiB, MiB
from rafsight.image.selection import Wants

_HEAD: Final = 16 * KiB
_MORE: Final = 1 * MiB
"""[bytes] headers are read this far; some old ones hold the whole description."""
_LICENCE_LENGTH: Final = 100
"""[characters] longer ones are the text of a licence, not its name."""
_LICENCES: Final = 32


def read_metadata(file: FileView) -> Iterator[Found]:
    """Read the headers of one distribution.

    Raises: MalformedFile: no name or no version.
    """
    content = file.content
    fields = _Headers()
    whole = len(content) >= file.size
    lines = lines_of(content if whole else content[: content.rfind(b"\n") + 1])  # the last line may be cut
    ended = any(not fields.take(line) for line in lines)
    if not ended and not whole and len(content) < _MORE:
        yield ReadMore(ranges=((len(content), min(_MORE, file.size) - len(content)),))
        return
    if not fields.name or not fields.version:
        raise MalformedFile(what=f"headers without a {'version' if fields.name else 'name'}", where="the headers")
    yield Component(
        ecosystem=Ecosystem.PYPI, name=fields.name, version=fields.version, licenses=tuple(fields.licences())
    )


class _Headers:
    """The fields that count, gathered line by line."""

    def __init__(self) -> None:
        self.name = ""
        self.version = ""
        self._expression = ""
        self._licence = ""
        self._classifiers: list[str] = []
        self._last = b""

    def take(self, line: bytes) -> bool:
        """Read one line; False if it is the empty one that ends the headers."""
        stripped = line.strip()
        if not stripped and line[:1] not in b" \t":
            return False
        if line[:1] in b" \t":
            if self._last == b"license":  # goes on for lines: a text, not a name
                self._licence = ""
            return True
        key, colon, value = stripped.removeprefix(b"\xef\xbb\xbf").partition(b":")
        if colon:
            self._last = key.strip().lower()
            self._field(self._last, value)
        return True

    def _field(self, key: bytes, value: bytes) -> None:
        if key == b"name":
            self.name = self.name or identity_of(value)
        elif key == b"version":
            self.version = self.version or identity_of(value)
        elif key == b"license-expression":
            self._expression = self._expression or identity_of(value)
        elif key == b"license":
            self._licence = self._licence or text_of(value[: _LICENCE_LENGTH + 2])
        elif key == b"classifier" and len(self._classifiers) < _LICENCES:
            parts = [part.strip() for part in identity_of(value).split("::")]
            if len(parts) > 1 and parts[0] == "License" and parts[-1] != "OSI Approved":
                self._classifiers.append(parts[-1])

    def licences(self) -> list[str]:
        """Return what is known: the expression, else the name of a licence, else the classifiers."""
        if self._expression:
            return [self._expression]
        if self._licence and self._licence.upper() != "UNKNOWN" and len(self._licence) <= _LICENCE_LENGTH:
            return [self._licence]
        return list(dict.fromkeys(self._classifiers))


PYTHON: Final = Extractor(
    name="lang/python",
    version=1,
    wants=Wants(
        patterns=(
            b"**/*.dist-info/METADATA",
            b"**/*.DIST-INFO/METADATA",
            b"**/*.egg-info/PKG-INFO",
            b"**/*.egg-info/METADATA",
            b"**/*.egg-info",
            b"**/EGG-INFO/PKG-INFO",
        ),
        max_size=16 * MiB,
        head=_HEAD,
    ),
    extract=read_metadata,
)
