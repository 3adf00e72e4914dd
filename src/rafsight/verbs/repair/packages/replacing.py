"""Replace whole packages in an image: what becomes different, and what has to be said about it.

This module alone decides what a replacement is: each package sees what those before it did, and what a package needs is
looked up when all are in place. Nothing is fetched that the databases of the packages do not need, and nothing written.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.access.session import Image
from rafsight.image.changes import Changes
from rafsight.verbs.repair.packages.deb import stage_deb
from rafsight.verbs.repair.packages.npm import stage_npm
from rafsight.verbs.repair.packages.outcome import DEB, NPM, WHEEL, Outcome
from rafsight.verbs.repair.packages.staging import Staged
from rafsight.verbs.repair.packages.wheel import stage_wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """A package file that is to be put in place of what is installed."""

    kind: str
    """`wheel`, `npm` or `deb`."""
    path: Path
    versions: tuple[str, ...] = ()
    """Installed versions that it replaces; empty for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """One package that is replaced."""

    changes: Changes
    """Of the image as it is once the packages before this one are replaced."""
    kind: str
    """`wheel`, `npm` or `deb`."""
    name: str
    old_versions: tuple[str, ...]
    new_version: str
    notes: tuple[str, ...]
    """What a person should know: what was left, kept, not run, or is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChanges:
    """All packages that are replaced."""

    changes: Changes
    """Of the image's own tree: those of all packages together."""
    packages: tuple[PackageChange, ...]
    """In the order in which they were named."""


def package_changes(image: Image, files: Iterable[PackageFile]) -> PackageChanges:
    """Work out what becomes different if packages are replaced, one after the other.

    Args:
        image: the open image.
        files: the packages; none of the same kind and name may need another's place.
    Raises: UnreadablePackage, MalformedPackage, NotInstalled, NotReplaceable, WrongPackage, InTheWay: nothing can be
        done. MalformedPackageDatabase and other ImageFaults, RegistryFault. HostLimit: no room for temporary files.
    Cost: the package databases of the image, as far as they are needed; the package files once, their content again
        when it is read; for npm and deb the size of the content in temporary files, as long as the changes are held.
    """
    staged = Staged(image)
    done: list[tuple[Outcome, Changes]] = []
    for file in files:
        outcome = _STAGES[file.kind](staged, file.path, frozenset(file.versions))
        done.append((outcome, staged.take_changes()))
    return PackageChanges(
        changes=staged.all_changes(),
        packages=tuple(
            PackageChange(
                changes=changes,
                kind=outcome.kind,
                name=outcome.name,
                old_versions=outcome.old_versions,
                new_version=outcome.new_version,
                notes=(*outcome.notes, *dict.fromkeys(outcome.check())),
            )
            for outcome, changes in done
        ),
    )


def wheel_changes(image: Image, wheel: Path) -> PackageChange:
    """Replace an installed Python distribution by a wheel; see `package_changes`."""
    return package_changes(image, [PackageFile(kind=WHEEL, path=wheel)]).packages[0]


def npm_changes(image: Image, tarball: Path) -> PackageChange:
    """Replace all installed copies of a Node.js package; see `package_changes`."""
    return package_changes(image, [PackageFile(kind=NPM, path=tarball)]).packages[0]


def deb_changes(image: Image, deb: Path) -> PackageChange:
    """Replace an installed package of Debian or its relatives; see `package_changes`."""
    return package_changes(image, [PackageFile(kind=DEB, path=deb)]).packages[0]


_STAGES: Final = {WHEEL: stage_wheel, NPM: stage_npm, DEB: stage_deb}
