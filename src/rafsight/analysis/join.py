"""From what single files say to what an image has.

This module alone decides when two components are one, and the order of an inventory.
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
    EvidenceClass,
    Gap,
    GapReason,
    Inventory,
    Licensed,
    Ownership,
)
from rafsight.analysis.os.dpkg_licences import package_of
from rafsight.analysis.ownership import find_owners
from rafsight.analysis.purl import normal_name, purl_of

_CASELESS: Final = frozenset({Ecosystem.COMPOSER, Ecosystem.NUGET})
_SUREST: Final = tuple(EvidenceClass)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that the extractors found, in the order of finding; each with the path of the file that says so."""

    components: Sequence[Component]
    """`locations` and `found_by` are filled in."""
    distributions: Sequence[tuple[bytes, Distribution]]
    ownerships: Sequence[tuple[bytes, Ownership]]
    licensed: Sequence[tuple[bytes, Licensed]] = ()
    gaps: Sequence[Gap]


def join(evidence: Evidence, merged_roots: frozenset[bytes] = frozenset()) -> Inventory:
    """Make an inventory.

    Args:
        evidence: what was found.
        merged_roots: names in the root (`bin`, `lib`, ...) that are symbolic links to the same name in `usr`.
    """
    distribution = merge_distributions(evidence.distributions)
    everything = sorted(evidence.components, key=_order)
    others = [component for component in everything if component.ecosystem not in OS_ECOSYSTEMS]
    paths = {path for component in others for path in component.locations}
    owners = find_owners(paths, everything, evidence.ownerships, merged_roots)
    groups: dict[tuple[str, ...], list[Component]] = {}
    for component in everything:
        if component.ecosystem in OS_ECOSYSTEMS:
            groups.setdefault((component.ecosystem, component.name, component.version, component.arch), []).append(
                component
            )
    for component in others:
        for owner, part in _by_owner(component, owners):
            key = (component.ecosystem, _one_name(component), component.version, _qualifiers(component), owner)
            groups.setdefault(key, []).append(part)
    licenses = _licenses_of_debs(everything, evidence.licensed)
    components = sorted((_merge(group, distribution, licenses) for group in groups.values()), key=_order)
    gaps = set(evidence.gaps)
    if not components:
        gaps.add(
            Gap(reason=GapReason.NO_PACKAGES, subject="image", detail="no package of any known ecosystem was found")
        )
    return Inventory(
        distribution=distribution,
        components=tuple(components),
        gaps=tuple(_once(sorted(gaps, key=lambda gap: (gap.subject, gap.reason, gap.detail, gap.extractor)))),
    )


def _licenses_of_debs(
    components: Iterable[Component], licensed: Iterable[tuple[bytes, Licensed]]
) -> Mapping[str, tuple[str, ...]]:
    """Return the licences of Debian's packages by name: their own, else those of another one of the same source.

    The folder of many a package is a link to that of another one, which Debian's policy allows within a source.
    """
    said = {package_of(path): item.licenses for path, item in licensed}
    if not said:
        return said
    debs = [one for one in components if one.ecosystem is Ecosystem.DEB]
    by_source: dict[tuple[str, str], tuple[str, ...]] = {}
    for one in debs:
        if one.name in said:
            by_source.setdefault((one.source_name, one.source_version), said[one.name])
    return {one.name: said.get(one.name) or by_source.get((one.source_name, one.source_version), ()) for one in debs}


def _once(gaps: Iterable[Gap]) -> Iterable[Gap]:
    """Leave out what another extractor says of the same file, too."""
    said: dict[tuple[str, str, str], Gap] = {}
    for gap in gaps:
        said.setdefault((gap.subject, gap.reason, gap.detail), gap)
    return said.values()


def _one_name(component: Component) -> str:
    """Return the spelling that is the same for all spellings of one package."""
    if component.ecosystem is Ecosystem.PYPI:
        return normal_name(component.name)
    return component.name.lower() if component.ecosystem in _CASELESS else component.name


def _qualifiers(component: Component) -> str:
    return "&".join(f"{key}={value}" for key, value in component.qualifiers)


def _by_owner(component: Component, owners: Mapping[bytes, str]) -> Iterable[tuple[str, Component]]:
    """Split a component where some of its locations are owned and others are not: only the latter may be matched."""
    split: dict[str, list[bytes]] = {}
    for location in component.locations:
        split.setdefault(owners.get(location, ""), []).append(location)
    if list(split) == [""]:
        return (("", component),)
    return [
        (owner, replace(component, locations=tuple(locations), owned_by=owner)) for owner, locations in split.items()
    ]


def _merge(
    group: Sequence[Component], distribution: Distribution | None, licenses: Mapping[str, tuple[str, ...]]
) -> Component:
    """Make one component of several that are the same: the first speaks for all, the surest evidence counts."""
    first = group[0]
    locations = {path + b":" + one.member if one.member else path for one in group for path in one.locations}
    licences = first.licenses or next((component.licenses for component in group if component.licenses), ())
    if not licences and first.ecosystem is Ecosystem.DEB:
        licences = licenses.get(first.name, ())
    return replace(
        first,
        purl=purl_of(first, distribution),
        locations=tuple(sorted(locations)),
        member=b"",
        licenses=licences,
        evidence=min((one.evidence for one in group), key=_SUREST.index),
    )


def _order(component: Component) -> tuple[str, str, str, tuple[bytes, ...], str]:
    return (component.ecosystem, component.name, component.version, component.locations, component.arch)
