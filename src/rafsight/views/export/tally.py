"""What became of an export: how much was written, and what was left out.

This module alone decides what counts as incomplete: files whose content could not be had. What the target cannot hold
(a socket in a tar, a device for who may not make one) is told, and is no failure.
"""

from dataclasses import dataclass
from enum import StrEnum


class Omission(StrEnum):
    """What a target cannot hold."""

    NO_TAR_FORM = "sockets, which a tar cannot hold"
    UNKNOWN_KIND = "entries of an unknown kind"
    DEVICE = "devices, which only root may make"
    OWNER = "owners, which only root may give"
    SPECIAL_BITS = "set-user-ID and set-group-ID bits, which only root may give away"
    XATTR = "extended attributes that the target does not take"
    TIME = "times that the file system does not take"
    WHITEOUT = "names that layers keep for deletions"
    LINK = "further names of what was left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A file whose content could not be had."""

    path: bytes
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Omitted:
    """What the target cannot hold, by its sort."""

    what: Omission
    count: int
    example: bytes
    """Path of the first one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What became of an export."""

    entry_count: int
    """Files, folders, links and so on that were written."""
    size: int
    """[bytes] of content."""
    unreadable: tuple[Unreadable, ...]
    omitted: tuple[Omitted, ...]

    @property
    def is_complete(self) -> bool:
        """True if the content of every file was there."""
        return not self.unreadable


class Tally:
    """Counts while an export runs."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.entry_count = 0
        self.size = 0
        self._unreadable: list[Unreadable] = []
        self._omitted: dict[Omission, tuple[int, bytes]] = {}

    def lose(self, path: bytes, why: str) -> None:
        """Note a file whose content could not be had."""
        self._unreadable.append(Unreadable(path=path, why=why))

    def omit(self, what: Omission, path: bytes) -> None:
        """Note something that the target cannot hold."""
        count, example = self._omitted.get(what, (0, path))
        self._omitted[what] = (count + 1, example)

    def result(self) -> Exported:
        """Return what was counted."""
        omitted = (Omitted(what=what, count=count, example=example) for what, (count, example) in self._omitted.items())
        return Exported(
            entry_count=self.entry_count,
            size=self.size,
            unreadable=tuple(self._unreadable),
            omitted=tuple(omitted),
        )
