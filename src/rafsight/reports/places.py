"""Where something was found, in the words of documents: paths, lines, and places that are no files.

This module alone decides how a place is written for people and as a relative address.
"""

from typing import Final
from urllib.parse import quote

from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.secrets.finding import Secret, SecretPlace
from rafsight.base.text import escape

CONFIG_FILE: Final = "image-config.json"
"""What stands for the image's config where a format wants a file."""
_SAFE: Final = "/!$&'()*+,;=:@~-._"


def secret_places(secret: Secret) -> tuple[str, ...]:
    """Write where a secret lies: `/srv/app/.env:3`, `config.Env[1]`; a whole file has no line. They are printable."""
    return tuple(_secret_place(place, is_whole=not secret.match) for place in secret.places)


def _secret_place(place: SecretPlace, *, is_whole: bool) -> str:
    if place.place or not place.path:
        text = escape(place.place) or "image config"
    else:
        text = f"/{escape(place.path)}" if is_whole else f"/{escape(place.path)}:{place.start_line}"
    return f"{text} (in layer {short_digest(place.layer)} only)" if place.layer else text


def describe_evidence(evidence: Evidence) -> str:
    """Write where a check failed: `/usr/bin/x (mode 4755)`, `config.User`. It is printable."""
    where = f"/{escape(evidence.path)}" if evidence.path else escape(evidence.place)
    where += f":{evidence.line}" if evidence.path and evidence.line else ""
    if not where:
        return escape(evidence.detail)
    return f"{where} ({escape(evidence.detail)})" if evidence.detail else where


def short_digest(digest: str) -> str:
    """Cut a digest to what people compare."""
    return escape(digest.partition(":")[2] or digest)[:12]


def relative_uri(path: bytes) -> str:
    """Write a path as a relative reference: percent-encoded, without a leading slash; `.` for none."""
    text = quote(path.lstrip(b"/"), safe=_SAFE)
    if not text:
        return "."
    first, slash, rest = text.partition("/")
    return f"./{text}" if ":" in first else first + slash + rest
