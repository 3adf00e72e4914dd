"""Python's order of versions (PEP 440), and a place below it for versions older than that standard.

A version without local part stands for all its rebuilds (`1.0` for `1.0+cpu`) where it names versions one by one or
ends a range inclusively; as the bound of a half-open range it is the point that it is.
"""

import re
from typing import TYPE_CHECKING, Final

from rafsight.matching.versions.scheme import Scheme, number, plain, text

if TYPE_CHECKING:
    from packaging.version import Version

_LEGACY: Final = b"\x01"
_STANDARD: Final = b"\x02"
_NEVER: Final = b"\x00"
_ALWAYS: Final = b"\xfe"
_PHASES: Final = {"a": b"\x01", "b": b"\x02", "rc": b"\x03"}
_LEGACY_TOKEN: Final = re.compile(r"[0-9]+|[a-z]+")


def key(version: str) -> bytes:
    """Encode a version so that bytes order as PEP 440 orders versions; what it refuses lies below.

    Raises: UncomparableVersion: no version of any time.
    """
    parsed = _parse(version)
    if parsed is None:
        return _legacy(version)
    local = b"".join(_local(part) for part in parsed.local.split(".")) if parsed.local else b""
    return _public(parsed) + local + _NEVER


def after(version: str) -> bytes:
    """Return the least bytes above the version and, if it has no local part, above its local versions.

    Raises: UncomparableVersion.
    """
    parsed = _parse(version)
    if parsed is None or parsed.local:
        return key(version) + b"\x00"
    return _public(parsed) + _ALWAYS


def _parse(version: str) -> "Version | None":
    from packaging.version import InvalidVersion, Version

    try:
        return Version(plain(version, "pypi"))
    except InvalidVersion:
        return None


def _public(parsed: "Version") -> bytes:
    release = list(parsed.release)
    while release and not release[-1]:
        release.pop()
    pieces = [_STANDARD, number(str(parsed.epoch))]
    pieces += [b"\x01" + number(str(part)) for part in release]
    pieces.append(b"\x00")
    if parsed.pre is not None:
        pieces += [_PHASES[parsed.pre[0]], number(str(parsed.pre[1]))]
    else:
        pieces.append(_NEVER if parsed.post is None and parsed.dev is not None else _ALWAYS)
    pieces.append(_NEVER if parsed.post is None else b"\x01" + number(str(parsed.post)))
    pieces.append(_ALWAYS if parsed.dev is None else b"\x01" + number(str(parsed.dev)))
    return b"".join(pieces)


def _local(part: str) -> bytes:
    return b"\x02" + number(part) if part.isdigit() else b"\x01" + text(part)


def _legacy(version: str) -> bytes:
    tokens = _LEGACY_TOKEN.findall(plain(version, "pypi").lower())
    pieces = [b"\x02" + number(token) if token[0].isdigit() else b"\x01" + text(token) for token in tokens]
    return _LEGACY + b"".join(pieces) + b"\x00"


PYPI: Final = Scheme(name="pypi", key=key, after=after)
