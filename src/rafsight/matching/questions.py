"""An inventory to look-ups: which ecosystem, release, name and key to ask for each component, and what cannot be asked.

This module alone decides what is asked. Packages of the distribution are asked by the names of its family (source,
binary or both) and never in a language's ecosystem; language packages that the distribution installed are its own
affair.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rafsight.analysis.inventory import OS_ECOSYSTEMS, Component, Distribution, Ecosystem, Gap, GapReason, Inventory
from rafsight.base.text import printable
from rafsight.matching.distributions import LANGUAGES, Family, NamedBy, family_of
from rafsight.matching.ecosystems import package_name, package_version
from rafsight.matching.store import Coverage, Lookup
from rafsight.matching.versions import UncomparableVersion, scheme_for

_REASONS: Final = tuple(GapReason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A look-up for a component."""

    component: int
    """Index in the inventory."""
    lookup: Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """All that can be asked about an inventory, and what cannot."""

    questions: tuple[Question, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Where components of one kind are looked up."""

    base: str
    releases: tuple[str, ...]
    named_by: NamedBy


def ask(inventory: Inventory, coverage: Iterable[Coverage]) -> Questions:
    """Work out the look-ups for an inventory.

    Args:
        inventory: what was found in an image.
        coverage: what the database knows.
    """
    known: dict[str, list[str]] = {}
    for item in coverage:
        known.setdefault(item.base, []).append(item.release)
    family = family_of(inventory.distribution) if inventory.distribution else None
    targets, gaps = _targets(inventory, family, known)
    questions: list[Question] = []
    for index, component in enumerate(inventory.components):
        target = targets.get(component.ecosystem) if _is_asked(component) else None
        if target is None:
            continue
        try:
            questions += (Question(component=index, lookup=lookup) for lookup in _lookups(component, target))
        except UncomparableVersion as error:
            gaps.append(_uncomparable(component, error))
    ordered = sorted(set(gaps), key=lambda gap: (_REASONS.index(gap.reason), gap.subject, gap.detail))
    return Questions(questions=tuple(questions), gaps=tuple(ordered))


def _is_asked(component: Component) -> bool:
    virtual = component.ecosystem in OS_ECOSYSTEMS and component.name.startswith(".")
    unversioned = component.ecosystem is Ecosystem.GOLANG and component.version == "(devel)"  # built from a folder
    return bool(component.name) and not (component.owned_by or virtual or unversioned or _has_no_group(component))


def _has_no_group(component: Component) -> bool:
    """Tell whether a Java archive does not say all of its name: no advisory is about an artifact alone."""
    return component.ecosystem is Ecosystem.MAVEN and ":" not in component.name


def _targets(
    inventory: Inventory, family: Family | None, known: Mapping[str, list[str]]
) -> tuple[dict[str, _Target], list[Gap]]:
    """Find the target of each kind of component, and what has none."""
    counts: dict[str, int] = {}
    for component in inventory.components:
        if _is_asked(component):
            counts[component.ecosystem] = counts.get(component.ecosystem, 0) + 1
    targets: dict[str, _Target] = {}
    gaps: list[Gap] = []
    brought = _brought(inventory)
    for ecosystem, count in sorted(counts.items()):
        if ecosystem in OS_ECOSYSTEMS:
            if inventory.distribution is None or family is None or family.packages != ecosystem:
                gaps.append(_unknown_distribution(inventory.distribution, ecosystem, count, brought))
                continue
            base, named_by = family.base, family.named_by
            wanted = tuple(family.releases(inventory.distribution, known.get(base, ())))
        else:
            base, named_by, wanted = LANGUAGES.get(ecosystem, ""), NamedBy.BINARY, ("",)
        releases = tuple(dict.fromkeys(release for release in (*wanted, "") if release in known.get(base, ())))
        if ecosystem not in OS_ECOSYSTEMS and ecosystem not in LANGUAGES:
            gaps.append(_no_feed(ecosystem, count))
        elif releases:
            targets[ecosystem] = _Target(base=base, releases=releases, named_by=named_by)
        else:
            gaps.append(_no_advisories(base, wanted, count, brought if ecosystem in OS_ECOSYSTEMS else ""))
    without_group = sum(not one.owned_by and _has_no_group(one) for one in inventory.components)
    if without_group:
        gaps.append(_no_group(without_group))
    return targets, gaps


def _lookups(component: Component, target: _Target) -> Iterator[Lookup]:
    scheme = scheme_for(target.base)
    if scheme is None:
        return
    for name, version in _names(component, target):
        key = scheme.key(package_version(target.base, version))
        for release in target.releases:
            yield Lookup(base=target.base, release=release, name=package_name(target.base, name), key=key)


def _names(component: Component, target: _Target) -> Iterator[tuple[str, str]]:
    """Yield the names, each with its version, under which advisories may file a component."""
    own = (component.name, component.version)
    if component.ecosystem not in OS_ECOSYSTEMS:
        yield own
        return
    source = (component.source_name or component.name, _source_version(component))
    if target.named_by is not NamedBy.BINARY:
        yield source
    if target.named_by is NamedBy.BINARY or (target.named_by is NamedBy.BOTH and own[0] != source[0]):
        yield own


def _source_version(component: Component) -> str:
    """Return the version of the source; a source rpm does not know its epoch, which is the binary's."""
    version = component.source_version or component.version
    epoch, colon, _ = component.version.partition(":")
    return f"{epoch}:{version}" if component.ecosystem == "rpm" and colon and ":" not in version else version


def _brought(inventory: Inventory) -> str:
    """Say how many packages of languages are left to the distribution's advisories; empty if none is."""
    count = sum(bool(component.owned_by) for component in inventory.components)
    if not count:
        return ""
    return f" Nor {'was 1 package' if count == 1 else f'were {count:,} packages'} of languages that they brought."


def _unknown_distribution(distribution: Distribution | None, ecosystem: str, count: int, brought: str) -> Gap:
    subject = f"{distribution.id} {distribution.version}".strip() if distribution else ecosystem
    reason = (
        f"no advisories are known to be about {ecosystem} packages of {subject}"
        if distribution
        else "no file says which distribution this is"
    )
    return Gap(
        reason=GapReason.UNKNOWN_DISTRIBUTION,
        subject=printable(subject),
        detail=printable(f"{_unasked(count, f'{ecosystem} package')} not looked up: {reason}.{brought}"),
    )


def _no_feed(ecosystem: str, count: int) -> Gap:
    detail = f"{_unasked(count)} not looked up: nobody publishes advisories about {ecosystem} packages."
    return Gap(reason=GapReason.NO_FEED, subject=printable(ecosystem), detail=printable(detail))


def _no_advisories(base: str, releases: Iterable[str], count: int, brought: str) -> Gap:
    names = [f"{base}:{release}" if release else base for release in releases] or [base]
    return Gap(
        reason=GapReason.NO_ADVISORIES,
        subject=printable(names[0]),
        detail=printable(f"{_unasked(count)} not looked up: the database has nothing about {names[0]}.{brought}"),
    )


def _no_group(count: int) -> Gap:
    detail = (
        f"{_unasked(count, 'Java archive')} not looked up: advisories go by group and artifact, and no group is said."
    )
    return Gap(reason=GapReason.NO_FEED, subject=Ecosystem.MAVEN, detail=detail)


def _unasked(count: int, noun: str = "package") -> str:
    return f"1 {noun} was" if count == 1 else f"{count:,} {noun}s were"


def _uncomparable(component: Component, error: UncomparableVersion) -> Gap:
    return Gap(
        reason=GapReason.UNCOMPARABLE_VERSION,
        subject=printable(f"{component.name}@{component.version}"),
        detail=f"Not looked up: {error}.",
    )
