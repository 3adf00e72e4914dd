"""OCI digests: `sha256:` and 64 hex digits.

This module alone decides which digests are accepted. Everything in a registry is named by SHA-256; SHA-512 is legal in
the OCI specification and accepted here too.
"""

import hashlib
import re
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus

_FORM: Final = re.compile(r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\Z")


class MalformedDigest(CallerError):
    """A text that should be a digest is none."""

    code = "malformed-digest"
    template = "'{text}' is not a digest"
    remedy = "A digest is `sha256:` followed by 64 lower-case hexadecimal digits."
    exit_status = ExitStatus.REFERENCE


def is_digest(text: str) -> bool:
    """Tell whether a text is a digest."""
    return _FORM.match(text) is not None


def check_digest(text: str) -> str:
    """Return the text if it is a digest.

    Raises: MalformedDigest.
    """
    if not is_digest(text):
        raise MalformedDigest(text=text)
    return text


def digest_of(content: bytes | memoryview) -> str:
    """Compute the SHA-256 digest of some bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def hasher_for(digest: str) -> "hashlib._Hash":
    """Start a hash of the kind that a digest names."""
    return hashlib.new(check_digest(digest).partition(":")[0])
