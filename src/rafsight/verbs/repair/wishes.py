"""What a user wants to be different in an image.

Paths are bytes as the container sees them, absolute or relative to the root; local ones are of this machine.
"""

from dataclasses import dataclass, field
from pathlib import Path

from rafsight.reports.repair import RemainingFinding
from rafsight.verbs.repair.packages.replacing import PackageFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A file that gets other content; its owner, mode and extended attributes stay."""

    path: bytes
    """Links are followed, the last one, too."""
    local: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """A file, or a folder with all below it, that comes where nothing is."""

    path: bytes
    """Folders above are made; with a closing slash a file keeps its own name and comes below."""
    local: Path
    mode: int | None = None
    """Permission bits of the files; None: as they are on this machine. Folders are as they are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """An entry that goes, a folder with all below it."""

    path: bytes
    """A link in the last place goes itself, unless a slash follows it."""


Wish = Replacement | Addition | Removal


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """All of it."""

    files: tuple[Wish, ...] = ()
    packages: tuple[PackageFile, ...] = ()
    """To be put in the place of what is installed, in this order."""
    findings: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    """By package file: ids of the findings that it was chosen for."""
    remaining: tuple[RemainingFinding, ...] = ()
    """Findings that no package file was found for."""
    notes: tuple[str, ...] = ()
