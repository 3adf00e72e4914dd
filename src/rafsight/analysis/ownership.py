"""Which files an official package of the distribution put there.

This module alone decides that: the owner is installed, and the distribution itself made it, so that its advisories
cover the file. Debian's policy keeps its own packages out of some places, so that a deb with files there is somebody
else's, whoever its maintainer says to be.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from rafsight.analysis.inventory import OS_ECOSYSTEMS, Component, Ecosystem, Ownership
from rafsight.analysis.os.official import is_official_maintainer

_STANZAS: Final = b"var/lib/dpkg/status.d/"
_OTHERS_PLACES: Final = (b"opt/", b"usr/local/", b"srv/", b"home/", b"root/", b"app/")
"""Where no deb of a distribution puts files; those of other kinds do (software collections lie in `opt`)."""


def find_owners(
    paths: Iterable[bytes],
    components: Iterable[Component],
    ownerships: Iterable[tuple[bytes, Ownership]],
    merged_roots: frozenset[bytes] = frozenset(),
) -> Mapping[bytes, str]:
    """Find the owners of some files.

    Args:
        paths: the files.
        components: all that were found, in any order.
        ownerships: (path of the file that says so, what it says), in any order.
        merged_roots: names in the root (`bin`, `lib`, ...) that are symbolic links to the same name in `usr`.

    Returns: the owner's name by path; files without an official owner are missing.
    Cost: Linear in all paths of the ownerships; memory for `paths` alone.
    """
    wanted: dict[bytes, list[bytes]] = {}
    for path in paths:
        for spelling in _spellings(path, merged_roots):
            wanted.setdefault(spelling, []).append(path)
    by_name, by_stanza = _installed(components)
    owners: dict[bytes, str] = {}
    for source, ownership in sorted(ownerships, key=lambda pair: pair[0]):
        # Distroless shortens the names of these files: there the stanza beside the list says the package's name.
        owner = by_stanza.get(source.removesuffix(b".md5sums")) or by_name.get(ownership.package)
        if owner is None or not ownership.official:
            continue
        if owner.ecosystem is Ecosystem.DEB and not is_official_maintainer(owner.maintainer):
            continue
        elsewhere = _OTHERS_PLACES if owner.ecosystem is Ecosystem.DEB else ()
        for owned in filter(wanted.__contains__, ownership.paths):  # a system has tens of thousands
            if owned.startswith(elsewhere):
                continue
            for path in wanted[owned]:
                owners.setdefault(path, owner.name)
    return owners


def normalise(path: bytes, merged_roots: frozenset[bytes]) -> bytes:
    """Write a path the way the merged `usr` has it: `lib/x` is `usr/lib/x` where `lib` is a link to it."""
    return b"usr/" + path if path.partition(b"/")[0] in merged_roots else path


def _spellings(path: bytes, merged_roots: frozenset[bytes]) -> list[bytes]:
    """Return how a file may be called by the package that owns it."""
    usual = normalise(path, merged_roots)
    return [one for one in {usual, usual.removeprefix(b"usr/")} if normalise(one, merged_roots) == usual]


def _installed(components: Iterable[Component]) -> tuple[dict[str, Component], dict[bytes, Component]]:
    """Return the packages of the distribution by name, and by the file that has nothing but their stanza."""
    system = [component for component in components if component.ecosystem in OS_ECOSYSTEMS]
    by_name: dict[str, Component] = {}
    by_stanza: dict[bytes, Component] = {}
    for component in sorted(system, key=lambda one: (one.ecosystem, one.name, one.version, one.locations, one.arch)):
        by_name.setdefault(component.name, component)
        for location in component.locations:
            if location.startswith(_STANZAS):
                by_stanza[location] = component
    return by_name, by_stanza
