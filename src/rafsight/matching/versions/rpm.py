"""rpm's order of versions: `[epoch:]version-release`.

Version and release are segments of digits or letters; whatever lies between only separates, but for `~`, which is lower
than the end, and `^`, which is higher than the end and lower than any segment.
"""

import re
from typing import Final

from rafsight.matching.versions.scheme import UncomparableVersion, number, plain, scheme_of, text

_SEGMENT: Final = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")
_EPOCH: Final = re.compile(r"[0-9]+\Z")
_TILDE: Final = b"\x01"
_END: Final = b"\x02"
_CARET: Final = b"\x03"
_LETTERS: Final = b"\x04"
_DIGITS: Final = b"\x05"


def key(version: str) -> bytes:
    """Encode a version so that bytes order as rpm orders epoch, version and release.

    Raises: UncomparableVersion: an epoch that is no number, or no version.
    """
    whole = plain(version, "rpm")
    epoch, colon, rest = whole.partition(":")
    if not colon:
        epoch, rest = "0", whole
    elif epoch == "(none)":
        epoch = "0"
    upstream, hyphen, release = rest.rpartition("-")
    if not hyphen:
        upstream, release = rest, ""
    if not upstream or _EPOCH.match(epoch) is None:
        raise UncomparableVersion(version=version, scheme="rpm")
    return number(epoch) + _part(upstream) + _part(release)


def _part(part: str) -> bytes:
    return b"".join(_segment(segment) for segment in _SEGMENT.findall(part)) + _END


def _segment(segment: str) -> bytes:
    if segment == "~":
        return _TILDE
    if segment == "^":
        return _CARET
    return _DIGITS + number(segment) if segment[0].isdigit() else _LETTERS + text(segment)


RPM: Final = scheme_of("rpm", key)
