"""Alpine's order of versions: `1.2.3b_rc1-r4`.

The first number is a number. A later one that begins with 0 compares as text with its counterpart, and so lies below
every one that does not. More numbers win before letter and suffixes are looked at. Suffixes compare one by one, and the
end of the list stands between `_rc` and `_cvs`. A missing revision counts as `-r0`; a commit hash does not count.
"""

import re
from typing import Final

from rafsight.matching.versions.scheme import UncomparableVersion, number, plain, scheme_of, text

_SUFFIXES: Final = ("alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p")
_RANK: Final = {suffix: bytes((rank + 1,)) for rank, suffix in enumerate(_SUFFIXES)}
_FORM: Final = re.compile(
    r"([0-9]+)((?:\.[0-9]+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*)(?:~[0-9a-f]+)?(?:-r([0-9]+))?"
)
_SUFFIX: Final = re.compile(r"_([a-z]+)([0-9]*)")


def key(version: str) -> bytes:
    """Encode a version so that bytes order as apk orders versions.

    Raises: UncomparableVersion.
    """
    match = _FORM.fullmatch(plain(version, "apk"))
    if match is None:
        raise UncomparableVersion(version=version, scheme="apk")
    first, others, letter, suffixes, revision = match.groups()
    pieces = [number(first)]
    pieces += [
        b"\x01" + text(digits) if digits.startswith("0") else b"\x02" + number(digits)
        for digits in others.split(".")[1:]
    ]
    pieces.append(b"\x00" + (letter.encode("ascii") or b"\x00"))
    pieces += [_RANK[kind] + number(digits) for kind, digits in _SUFFIX.findall(suffixes)]
    pieces += [_RANK[""], number(revision or "0")]
    return b"".join(pieces)


APK: Final = scheme_of("apk", key)
