"""Packages of PEAR and PECL: `.registry/NAME.reg`, one serialised PHP array each.

This module alone decides how such an array is read: token by token, keeping only the few texts that count, by their
place. Objects are not expected, and nothing is ever unserialised.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.fields import NAME_LENGTH, identity_of
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_DEPTH: Final = 64
_SCALAR: Final = re.compile(rb"(?:[ib]:-?[0-9]{1,20}|d:[-+.0-9EINFA]{1,40}|N);")
_TEXT: Final = re.compile(rb's:([0-9]{1,9}):"')
_ARRAY: Final = re.compile(rb"a:[0-9]{1,9}:\{")
_PECL: Final = b"pecl.php.net"
_NAMES: Final = ((b"name",), (b"package",))
_VERSIONS: Final = ((b"version", b"release"), (b"version",))
_WANTED: Final = frozenset({*_NAMES, *_VERSIONS, (b"channel",), (b"_lastversion",)})


def read_registry(file: FileView) -> Iterator[Found]:
    """Read one package.

    Raises: MalformedFile.
    """
    found = dict(_texts(file.content))
    name = next((identity_of(found[key]) for key in _NAMES if key in found), "")
    version = next((identity_of(found[key]) for key in _VERSIONS if key in found), "")
    if not name or not version:
        raise MalformedFile(what=f"no {'version' if name else 'name'}", where="the array")
    pecl = found.get((b"channel",)) == _PECL
    yield Component(
        ecosystem=Ecosystem.PECL if pecl else Ecosystem.PEAR,
        name=name,
        version=version,
        evidence=EvidenceClass.INSTALLED,
    )


def _texts(content: bytes) -> Iterator[tuple[tuple[bytes, ...], bytes]]:
    """Yield the wanted texts with the keys that lead to them, the first of each.

    Cost: Linear in the content.
    """
    keys: list[bytes | None] = []  # of the open arrays: the key whose value comes next
    at = 0
    while at < len(content):
        if content[at : at + 1] == b"}" and keys:
            keys.pop()
            at += 1
            if keys:
                keys[-1] = None
            continue
        value, at, opens = _token(content, at)
        if keys and keys[-1] is None:
            if opens:
                raise MalformedFile(what="a key that is an array", where=f"offset {at}")
            keys[-1] = value
            continue
        if opens:
            if len(keys) == _DEPTH:
                raise MalformedFile(what=f"more than {_DEPTH} arrays inside each other", where=f"offset {at}")
            keys.append(None)
            continue
        place = tuple(key for key in keys if key is not None) if len(keys) < 3 else ()
        if place in _WANTED:
            yield place, value
        if not keys:
            break
        keys[-1] = None
    if keys:
        raise MalformedFile(what="an array without an end", where="its end")


def _token(content: bytes, at: int) -> tuple[bytes, int, bool]:
    """Read one value: its text, where it ends, and whether it opens an array."""
    if text := _TEXT.match(content, at):
        end = text.end() + int(text[1])
        if content[end : end + 2] != b'";':
            raise MalformedFile(what="a text of another length than it says", where=f"offset {at}")
        return content[text.end() : min(end, text.end() + NAME_LENGTH + 1)], end + 2, False
    if scalar := _SCALAR.match(content, at):
        return scalar[0], scalar.end(), False
    if array := _ARRAY.match(content, at):
        return b"", array.end(), True
    raise MalformedFile(what="no serialised value", where=f"offset {at}")


PHP_REGISTRY: Final = Extractor(
    name="lang/php-registry",
    version=1,
    wants=Wants(patterns=(b"**/php/.registry/*.reg", b"**/php/.registry/*/*.reg"), max_size=4 * MiB),
    extract=read_registry,
)
