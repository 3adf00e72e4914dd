"""From what single files say to what an image has.

This module alone decides when two components are one, which OS package owns a language package, and the order of an
inventory.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rafsight.analysis.distribution import merge_distributions
from rafsight.analysis.inventory import (
    OS_ECOSYSTEMS,
    Component,
    Distribution,
    Ecosystem,
    Gap,
    GapReason,
    Inventory,
    Ownership,
)
from rafsight.analysis.os.official import is_official_maintainer
from rafsight.analysis.purl import normal_name, purl_of

_STANZAS: Final = b"var/lib/dpkg/status.d/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that the extractors found, in the order of finding; each with the path of the file that says so."""

    components: Sequence[Component]
    """`locations` and `found_by` are filled in."""
    distributions: Sequence[tuple[bytes, Distribution]]
    ownerships: Sequence[tuple[bytes, Ownership]]
    gaps: Sequence[Gap]


def join(evidence: Evidence, merged_roots: frozenset[bytes] = frozenset()) -> Inventory:
    """Make an inventory.

    Args:
        evidence: what was found.
        merged_roots: names in the root (`bin`, `lib`, ...) that are symbolic links to the same name in `usr`.
    """
    distribution = merge_distributions(evidence.distributions)
    everything = sorted(evidence.components, key=_order)
    system = [component for component in everything if component.ecosystem in OS_ECOSYSTEMS]
    owners = _owners(system, evidence.ownerships, merged_roots)
    groups: dict[tuple[str, ...], list[Component]] = {}
    for component in system:
        key = (component.ecosystem, component.name, component.version, component.arch)
        groups.setdefault(key, []).append(component)
    for component in everything:
        if component.ecosystem not in OS_ECOSYSTEMS:
            for owner, part in _by_owner(component, owners, merged_roots):
                name = normal_name(component.name) if component.ecosystem is Ecosystem.PYPI else component.name
                groups.setdefault((component.ecosystem, name, component.version, "", owner), []).append(part)
    components = sorted((_merge(group, distribution) for group in groups.values()), key=_order)
    gaps = set(evidence.gaps)
    if not components:
        gaps.add(
            Gap(reason=GapReason.NO_PACKAGES, subject="image", detail="no package of any known ecosystem was found")
        )
    return Inventory(
        distribution=distribution,
        components=tuple(components),
        gaps=tuple(sorted(gaps, key=lambda gap: (gap.subject, gap.reason, gap.extractor, gap.detail))),
    )


def normalise(path: bytes, merged_roots: frozenset[bytes]) -> bytes:
    """Write a path the way the merged `usr` has it: `lib/x` is `usr/lib/x` where `lib` is a link to it."""
    return b"usr/" + path if path.partition(b"/")[0] in merged_roots else path


def _owners(
    system: Iterable[Component], ownerships: Iterable[tuple[bytes, Ownership]], merged_roots: frozenset[bytes]
) -> Mapping[bytes, str]:
    """Map each owned path to its owner, where the owner is installed and the distribution's own."""
    by_name: dict[str, Component] = {}
    by_stanza: dict[bytes, Component] = {}
    for component in system:
        by_name.setdefault(component.name, component)
        for location in component.locations:
            if location.startswith(_STANZAS):
                by_stanza[location] = component
    owners: dict[bytes, str] = {}
    for source, ownership in sorted(ownerships, key=lambda pair: pair[0]):
        # Distroless shortens the names of these files: there the stanza beside the list says the package's name.
        owner = by_stanza.get(source.removesuffix(b".md5sums")) or by_name.get(ownership.package)
        if owner is None or not ownership.official:
            continue
        if owner.ecosystem is Ecosystem.DEB and not is_official_maintainer(owner.maintainer):
            continue
        for path in ownership.paths:
            owners.setdefault(normalise(path, merged_roots), owner.name)
    return owners


def _by_owner(
    component: Component, owners: Mapping[bytes, str], merged_roots: frozenset[bytes]
) -> Iterable[tuple[str, Component]]:
    """Split a component where some of its locations are owned and others are not: only the latter may be matched."""
    split: dict[str, list[bytes]] = {}
    for location in component.locations:
        split.setdefault(owners.get(normalise(location, merged_roots), ""), []).append(location)
    if list(split) == [""]:
        return (("", component),)
    return [
        (owner, replace(component, locations=tuple(locations), owned_by=owner)) for owner, locations in split.items()
    ]


def _merge(group: Sequence[Component], distribution: Distribution | None) -> Component:
    """Make one component of several that are the same; the first of them speaks for all."""
    first = group[0]
    locations = first.locations if len(group) == 1 else (path for component in group for path in component.locations)
    licences = first.licenses or next((component.licenses for component in group if component.licenses), ())
    return replace(first, purl=purl_of(first, distribution), locations=tuple(sorted(set(locations))), licenses=licences)


def _order(component: Component) -> tuple[str, str, str, tuple[bytes, ...], str]:
    return (component.ecosystem, component.name, component.version, component.locations, component.arch)
