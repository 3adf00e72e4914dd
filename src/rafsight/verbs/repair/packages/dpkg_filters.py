"""What an image's dpkg leaves out when it unpacks, and what it sets otherwise than packages say.

This module alone reads that: `path-exclude` and `path-include` in the configuration (slim images leave out manuals and
translations), and the overrides of modes and owners.
"""

import fnmatch
import re
from collections.abc import Callable
from typing import Final

from rafsight.base.units import MiB
from rafsight.verbs.repair.packages.dpkg_database import ADMIN
from rafsight.verbs.repair.packages.places import Place
from rafsight.verbs.repair.packages.staging import Staged

_FOLDER: Final = b"etc/dpkg/dpkg.cfg.d"
_FILE: Final = b"etc/dpkg/dpkg.cfg"
_NAMES: Final = re.compile(rb"[A-Za-z0-9_-]+")
_SIZE: Final = 1 * MiB
_RULES: Final = 1000
_RULE_LENGTH: Final = 512


def excluded_by(staged: Staged) -> Callable[[bytes], bool]:
    """Return a test whether a name (relative to the root) is left out: the last rule that matches decides.

    Cost: the few files of the configuration.
    """
    rules: list[tuple[bool, re.Pattern[bytes]]] = []
    places = _configuration(staged)
    contents = {place.path: content for place, content in staged.read_each(places, _SIZE)}
    for place in places:
        for line in contents[place.path].splitlines():
            option, _, pattern = line.strip().replace(b"=", b" ", 1).partition(b" ")
            pattern = pattern.strip().strip(b"\"'")
            if option in (b"path-exclude", b"path-include") and len(pattern) <= _RULE_LENGTH and len(rules) < _RULES:
                matcher = re.compile(fnmatch.translate(pattern.decode("latin-1")).encode("latin-1"))
                rules.append((option == b"path-exclude", matcher))

    def excluded(name: bytes) -> bool:
        matching = (excludes for excludes, pattern in reversed(rules) if pattern.match(b"/" + name))
        return next(matching, False)

    return excluded


def overridden(staged: Staged) -> set[bytes]:
    """Return the names (relative to the root) whose mode and owner the image's administrator has set."""
    place = staged.find_file(ADMIN + b"statoverride")
    if place is None:
        return set()
    lines = (line.split(b" ", 3) for line in staged.read(place, _SIZE).splitlines())
    return {parts[3].lstrip(b"/") for parts in lines if len(parts) == 4}


def _configuration(staged: Staged) -> list[Place]:
    """Return the files of the configuration in the order in which dpkg reads them."""
    folder = staged.find_folder(_FOLDER)
    names = staged.names(folder) if folder is not None else []
    paths = [_FOLDER + b"/" + name for name in names if _NAMES.fullmatch(name)]
    return [place for path in [*paths, _FILE] if (place := staged.find_file(path)) is not None]
