"""Package files in a folder, by what they call themselves.

This module alone decides which files of a folder are packages, and what is known of them without unpacking them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.base.errors import CallerError
from rafsight.matching.ecosystems import package_name
from rafsight.matching.versions import Scheme
from rafsight.matching.versions.dpkg import DPKG
from rafsight.matching.versions.pypi import PYPI
from rafsight.matching.versions.semver import SEMVER
from rafsight.verbs.repair.packages.deb_file import identify_deb
from rafsight.verbs.repair.packages.faults import UnreadablePackage
from rafsight.verbs.repair.packages.npm_file import identify_tarball
from rafsight.verbs.repair.packages.outcome import DEB, NPM, WHEEL
from rafsight.verbs.repair.packages.wheel_file import WheelFile, identify_wheel

SCHEMES: Final[dict[str, Scheme]] = {WHEEL: PYPI, NPM: SEMVER, DEB: DPKG}
_ENDS: Final = {".whl": WHEEL, ".tgz": NPM, ".deb": DEB}
_FILE_COUNT: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfFile:
    """A package file."""

    kind: str
    path: Path
    name: str
    """As `name_key` writes it."""
    version: str
    advised_version: str
    """That advisories speak of: of a deb the source package's."""
    architecture: str = ""
    """Of a deb."""
    wheel: WheelFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A file that has the name of a package and is none."""

    path: Path
    why: str


def look_through(folder: Path) -> Iterator[ShelfFile | Unusable]:
    """Look at the package files of a folder, ordered by name; folders in it are not looked into.

    Raises: UnreadablePackage: the folder cannot be read, or has too many files.
    Cost: the head of each file, of wheels their directory.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in _ENDS and path.is_file())
    except OSError as error:
        raise UnreadablePackage(file=str(folder), why=error.strerror or str(error)) from error
    if len(paths) > _FILE_COUNT:
        raise UnreadablePackage(file=str(folder), why=f"it has more than {_FILE_COUNT} packages")
    for path in paths:
        try:
            yield _identify(path)
        except CallerError as error:
            yield Unusable(path=path, why=str(error))


def name_key(kind: str, name: str) -> str:
    """Bring the name of a package into the one form that its ecosystem takes for the same package."""
    return package_name("PyPI", name) if kind == WHEEL else name


def _identify(path: Path) -> ShelfFile:
    kind = _ENDS[path.suffix]
    if kind == NPM:
        name, version = identify_tarball(path)
        return ShelfFile(kind=kind, path=path, name=name, version=version, advised_version=version)
    if kind == WHEEL:
        wheel = identify_wheel(path)
        version = wheel.metadata.version
        return ShelfFile(kind=kind, path=path, name=wheel.key, version=version, advised_version=version, wheel=wheel)
    deb = identify_deb(path)
    return ShelfFile(
        kind=kind,
        path=path,
        name=deb.name,
        version=deb.version,
        advised_version=deb.source_version,
        architecture=deb.architecture,
    )
