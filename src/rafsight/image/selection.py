"""Which files a question wants: patterns over a tree's names, before a byte is fetched.

A pattern is a path relative to the root, without a leading slash. Components are literal or contain `*` (any bytes but
a slash); a leading `**/` means "at any depth". Examples: `etc/os-release`, `var/lib/dpkg/info/*.list`,
`**/*.dist-info/METADATA`, `**/package.json`. Literal directories at the front of an anchored pattern follow symbolic
links, as the programs that wrote the files did.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """What one reader wants of an image."""

    patterns: tuple[bytes, ...]
    max_size: int
    """[bytes] larger files are not fetched and reported as not looked at."""
    head: int | None = None
    """[bytes] from the start are enough to begin with; None: the whole file."""
    tail: int | None = None
    """[bytes] from the end are enough to begin with; None: the whole file, or only the head where `head` is given."""
    companions: tuple[bytes, ...] = ()
    """Suffixes of the base name: neighbours `NAME + suffix` are handed over with the file if they exist."""
