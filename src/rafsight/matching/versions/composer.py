"""Composer's order of versions (Packagist).

Up to four numbers, then a stability (dev < alpha < beta < RC < none < patch) with numbers of its own, then perhaps
`-dev`, which is lower than its absence. Branches (`dev-main`, `1.x-dev`) have no place in the order.
"""

import re
from typing import Final

from rafsight.matching.versions.scheme import UncomparableVersion, number, plain, scheme_of

_FORM: Final = re.compile(
    r"v?([0-9]+(?:\.[0-9]+){0,3})"
    r"(?:[._-]?(stable|alpha|beta|rc|patch|pl|p|a|b)((?:[.-]?[0-9]+)*))?"
    r"([.-]?dev)?(?:\+.*)?"
)
_DIGITS: Final = re.compile(r"[0-9]+")
_STABILITY: Final = {
    "dev": b"\x01",
    "alpha": b"\x02",
    "a": b"\x02",
    "beta": b"\x03",
    "b": b"\x03",
    "rc": b"\x04",
    "stable": b"\x05",
    "patch": b"\x06",
    "pl": b"\x06",
    "p": b"\x06",
}


def key(version: str) -> bytes:
    """Encode a version so that bytes order as Composer orders versions.

    Raises: UncomparableVersion: branches above all.
    """
    match = _FORM.fullmatch(plain(version, "composer").lower())
    if match is None:
        raise UncomparableVersion(version=version, scheme="composer")
    core, stability, counters, development = match.groups()
    numbers = core.split(".")
    numbers += ["0"] * (4 - len(numbers))
    pieces = [number(part) for part in numbers]
    if development and not stability:
        return b"".join((*pieces, _STABILITY["dev"], b"\x00", b"\x02"))
    pieces.append(_STABILITY[stability or "stable"])
    pieces += [b"\x01" + number(part) for part in _DIGITS.findall(counters or "")]
    pieces += [b"\x00", b"\x01" if development else b"\x02"]
    return b"".join(pieces)


COMPOSER: Final = scheme_of("composer", key)
