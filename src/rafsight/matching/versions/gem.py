"""RubyGems' order of versions.

Segments are runs of digits or of letters; a hyphen means `.pre.`. Missing segments are 0 without end, and text is lower
than any number. Therefore zeros are counted, not written: what follows fewer zeros is further from the end, below it if
it is text, above it if it is a number.
"""

import re
from typing import Final

from rafsight.matching.versions.scheme import UncomparableVersion, number, plain, scheme_of, text

_FORM: Final = re.compile(r"[0-9]+(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?")
_SEGMENT: Final = re.compile(r"[0-9]+|[A-Za-z]+")
_TEXT: Final = b"\x01"
_END: Final = b"\x02"
_NUMBER: Final = b"\x03"


def key(version: str) -> bytes:
    """Encode a version so that bytes order as Gem::Version orders versions.

    Raises: UncomparableVersion.
    """
    whole = plain(version, "gem")
    if _FORM.fullmatch(whole) is None:
        raise UncomparableVersion(version=version, scheme="gem")
    pieces: list[bytes] = []
    zeros = 0
    numeric = True
    for segment in _SEGMENT.findall(whole.replace("-", ".pre.")):
        if segment.isdigit():
            if segment.strip("0"):
                pieces.append(_NUMBER + (0xFFFF - zeros).to_bytes(2) + number(segment))
                zeros = 0
            else:
                zeros += 1
            continue
        if numeric:  # zeros before the first text are dropped
            zeros, numeric = 0, False
        pieces.append(_TEXT + zeros.to_bytes(2) + text(segment))
        zeros = 0
    return b"".join((*pieces, _END))


GEM: Final = scheme_of("gem", key)
