"""Configuration files of packages: whether a new one takes the place of what the image has.

This module alone decides that, as dpkg does where nobody can be asked: what was changed or removed in the image stays
so, and a new version of it lies beside it as `.dpkg-dist`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rafsight.base.units import MiB
from rafsight.image.changes import Content
from rafsight.verbs.repair.packages.dpkg_stanza import Stanza
from rafsight.verbs.repair.packages.places import Place
from rafsight.verbs.repair.packages.staging import Staged

_SIZE: Final = 64 * MiB
_OBSOLETE: Final = b"obsolete"
_NEW: Final = "newconffile"
"""What stands in place of a sum while a file was never installed."""


class Fate(StrEnum):
    """What happens to a configuration file of the new package."""

    INSTALL = "install"
    KEEP = "keep"
    """What the image has is as the new one, or was changed while the package's own stayed as it was."""
    BESIDE = "beside"
    """Both were changed: the new one comes under another name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conffile:
    """A configuration file as the status file records it."""

    name: bytes
    """Relative to the root."""
    md5: str
    flags: tuple[bytes, ...] = ()


def recorded(stanza: Stanza) -> dict[bytes, Conffile]:
    """Read the field `Conffiles` of an installed package, by name."""
    found = {}
    for line in stanza.get(b"conffiles", (b"", b""))[1].splitlines():
        parts = line.strip().split(b" ")
        if len(parts) >= 2 and parts[0].startswith(b"/"):
            name = parts[0].lstrip(b"/")
            found[name] = Conffile(name=name, md5=parts[1].decode("latin-1"), flags=tuple(parts[2:]))
    return found


def declared(content: bytes) -> tuple[list[bytes], list[bytes]]:
    """Read `conffiles` of a package file: names that it brings, and names that it wants removed."""
    brought: list[bytes] = []
    unwanted: list[bytes] = []
    for line in content.splitlines():
        *flags, path = line.strip().split(b" ")
        if path.startswith(b"/"):
            (unwanted if b"remove-on-upgrade" in flags else brought).append(path.lstrip(b"/"))
    return brought, unwanted


def fate_of(staged: Staged, place: Place | None, old: Conffile | None, new: str) -> Fate:
    """Decide about one configuration file.

    Args:
        staged: the image.
        place: what the image has under that name.
        old: what the installed package brought; None if it had no such file.
        new: MD5 of the new one.
    """
    current = hashlib.md5(staged.read(place, _SIZE), usedforsecurity=False).hexdigest() if place is not None else ""
    if current == new:
        return Fate.KEEP
    if old is None or old.md5 == _NEW:
        return Fate.BESIDE if place is not None else Fate.INSTALL
    if old.md5 == new:
        return Fate.KEEP
    return Fate.INSTALL if current == old.md5 else Fate.BESIDE


def field_of(new: dict[bytes, str], obsolete: list[Conffile]) -> bytes:
    """Write the field `Conffiles`: those of the new package with their sums, then those that only the old one had."""

    def lines() -> Iterator[bytes]:
        for name, md5 in new.items():
            yield b"\n /%s %s" % (name, md5.encode())
        for one in obsolete:
            yield b"\n /%s %s %s" % (one.name, one.md5.encode("latin-1"), _OBSOLETE)

    return b"".join(lines())


def md5_of(content: Content | None) -> str:
    """Sum a content as dpkg does."""
    digest = hashlib.md5(usedforsecurity=False)
    if content is not None:
        with content.open() as pieces:
            for piece in pieces:
                digest.update(piece)
    return digest.hexdigest()
