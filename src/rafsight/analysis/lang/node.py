"""Installed npm packages: `package.json` files that name a package and its version.

This module alone decides which of them count: those with a name that npm would take and a version, but not what lies in
the tests of another package (some of those are broken on purpose). A name that npm would refuse is an application's or
a template's (`My Application`, `{{name}}`) and no package; one with characters that nobody can see is reported as a
gap: a package must not hide behind it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile, Skipped
from rafsight.analysis.fields import NAME_LENGTH
from rafsight.analysis.inventory import Component, Ecosystem, Inventory
from rafsight.base.text import printable
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_NAME_LENGTH: Final = 214
_SAFE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!'()*")
_TESTS: Final = frozenset({b"test", b"tests", b"__tests__", b"fixtures", b"__fixtures__"})
_SHOWN: Final = 80
"""[characters] of a refused name."""
_LICENCES: Final = 32
_BOM: Final = b"\xef\xbb\xbf"


class _Manifest(msgspec.Struct):
    """The members that are read; everything else is passed over without being built."""

    name: Any = None
    version: Any = None
    license: Any = None
    licenses: Any = None


_DECODER: Final = msgspec.json.Decoder(_Manifest)


def read_package(file: FileView) -> Iterator[Found]:
    """Read one `package.json`; one without a name or a version is an application's or a folder's, not a package.

    Raises: MalformedFile: not JSON.
    """
    manifest = _decode(file.content.removeprefix(_BOM))
    if not (_is_there(manifest.name) and _is_there(manifest.version)):
        return
    name, version = _text(manifest.name), _text(manifest.version)
    if not _is_name(name):
        if not (name and name.isprintable()):
            yield Skipped(what=f"the name '{printable(manifest.name, _SHOWN)}' is none that npm takes")
    elif not version:
        yield Skipped(what=f"the version of {name} has {len(manifest.version)} characters")
    else:
        yield Component(ecosystem=Ecosystem.NPM, name=name, version=version, licenses=tuple(_licences(manifest)))


def _decode(content: bytes) -> _Manifest:
    try:
        return _DECODER.decode(content)
    except msgspec.ValidationError:
        return _Manifest()  # JSON, but no object: names no package
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_leniently(content)


def _decode_leniently(content: bytes) -> _Manifest:
    """Read what the fast decoder refuses: foreign encodings and lone surrogates must not hide a package."""
    try:
        value = json.loads(content.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as fault:  # ValueError: no JSON, or a number of thousands of digits
        raise MalformedFile(what=f"no JSON: {fault}", where="package.json") from fault
    members = value if isinstance(value, dict) else {}
    return _Manifest(**{key: members.get(key) for key in _Manifest.__struct_fields__})


def _is_there(value: object) -> bool:
    """Tell whether a member is a text that says something."""
    return isinstance(value, str) and bool(value.strip())


def _text(value: object) -> str:
    """Return a text that can be written as UTF-8 (JSON may hold lone surrogates), else nothing."""
    if not isinstance(value, str) or len(value) > NAME_LENGTH:
        return ""
    return value.encode("utf-8", "replace").decode("utf-8").strip()


def _is_name(name: str) -> bool:
    """Tell whether npm would take a name: `name` or `@scope/name`, safe in a URL."""
    if len(name) > _NAME_LENGTH:
        return False
    parts = name[1:].split("/") if name.startswith("@") else [name]
    return len(parts) == (2 if name.startswith("@") else 1) and all(part and _SAFE.issuperset(part) for part in parts)


def _licences(manifest: _Manifest) -> Iterator[str]:
    """Yield names of licences from `license` and the older `licenses`, each a text, an object or a list of them."""
    for value in (manifest.license, manifest.licenses):
        found = False
        for item in value[:_LICENCES] if isinstance(value, list) else (value,):
            text = _text(item.get("type") if isinstance(item, dict) else item)
            if text:
                found = True
                yield text
        if found:
            return


def _installed(paths: Sequence[bytes], inventory: Inventory) -> Iterable[bytes]:  # noqa: ARG001
    """Leave out what lies in the tests of a package."""
    return (path for path in paths if not _in_tests(path))


def _in_tests(path: bytes) -> bool:
    """Tell whether a folder of tests stands between a package in `node_modules` and this file."""
    _, found, inside = path.rpartition(b"node_modules/")
    if not found:
        return False
    parts = inside.split(b"/")
    return not _TESTS.isdisjoint(parts[2 if parts[0].startswith(b"@") else 1 : -1])


NODE: Final = Extractor(
    name="lang/node",
    version=2,
    wants=Wants(patterns=(b"**/package.json",), max_size=1 * MiB),
    extract=read_package,
    choose=_installed,
)
