"""What replacing one package did, while further packages may still follow."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

WHEEL: Final = "wheel"
NPM: Final = "npm"
DEB: Final = "deb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One package that was replaced."""

    kind: str
    """`wheel`, `npm` or `deb`."""
    name: str
    old_versions: tuple[str, ...]
    """Each once, in the order in which they were found."""
    new_version: str
    notes: tuple[str, ...]
    check: Callable[[], Iterable[str]]
    """Say, once all packages are replaced, what this one needs and the image does not have."""


def older_note(name: str, old: Iterable[str], new: str, key: Callable[[str], bytes]) -> list[str]:
    """Say which versions were newer than the one that came."""
    from rafsight.matching.versions import UncomparableVersion

    try:
        newer = [version for version in dict.fromkeys(old) if key(version) > key(new)]
    except UncomparableVersion as error:
        return [str(error)]
    return [f"{name} {new} is older than {', '.join(newer)}, which was installed"] if newer else []
