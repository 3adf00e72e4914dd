"""Debian's order of versions: `[epoch:]upstream[-revision]`.

Upstream and revision are runs of non-digits and digits by turns. Of the former `~` is lowest, lower than the end, then
letters, then everything else; the latter are numbers. A missing revision equals `0`.
"""

import re
from typing import Final

from rafsight.matching.versions.scheme import UncomparableVersion, number, plain, scheme_of

_RUN: Final = re.compile(r"([^0-9]*)([0-9]*)")
_EPOCH: Final = re.compile(r"[0-9]+\Z")
_END: Final = b"\x02"
_CLOSE: Final = _END + number("0")
_WEIGHTS: Final = bytes(
    1 if code == ord("~") else code if chr(code).isascii() and chr(code).isalpha() else (code + 0x80) & 0xFF
    for code in range(256)
)
"""Of each ASCII character: `~` under the end mark, letters as they are, the rest above all letters."""


def key(version: str) -> bytes:
    """Encode a version so that bytes order as dpkg orders versions.

    Raises: UncomparableVersion: a blank inside, an epoch that is no number, an empty part.
    """
    whole = plain(version, "dpkg")
    epoch, colon, rest = whole.partition(":")
    if not colon:
        epoch, rest = "0", whole
    upstream, hyphen, revision = rest.rpartition("-")
    if not hyphen:
        upstream, revision = rest, "0"
    if " " in rest or not upstream or not revision or _EPOCH.match(epoch) is None:
        raise UncomparableVersion(version=version, scheme="dpkg")
    return number(epoch) + _part(upstream) + _part(revision)


def _part(part: str) -> bytes:
    pieces: list[bytes] = []
    for match in _RUN.finditer(part):
        letters, digits = match.groups()
        if letters or digits:
            pieces.append(letters.encode("ascii").translate(_WEIGHTS) + _END + number(digits))
    return b"".join(pieces) + _CLOSE


DPKG: Final = scheme_of("dpkg", key)
