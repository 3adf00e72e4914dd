"""Versions that are nothing but numbers, as R (CRAN) and Haskell (Hackage, GHC) order them.

Dots and hyphens separate alike; numbers compare one by one, and a shorter list is lower than its continuations:
`1.0 < 1.0.0`.
"""

import re
from typing import Final

from rafsight.matching.versions.scheme import UncomparableVersion, number, plain, scheme_of

_FORM: Final = re.compile(r"[0-9]+(?:[.-][0-9]+)*")
_DIGITS: Final = re.compile(r"[0-9]+")


def key(version: str) -> bytes:
    """Encode a version so that bytes order as lists of numbers.

    Raises: UncomparableVersion: anything but numbers.
    """
    whole = plain(version, "numeric")
    if _FORM.fullmatch(whole) is None:
        raise UncomparableVersion(version=version, scheme="numeric")
    return b"".join((*(b"\x01" + number(digits) for digits in _DIGITS.findall(whole)), b"\x00"))


NUMERIC: Final = scheme_of("numeric", key)
