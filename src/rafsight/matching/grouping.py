"""Hits of one component to flaws: which records are about the same one, and by which id it goes.

This module alone decides identity. Aliases join, and so does an upstream id if it is the only one. An erratum that
names several CVEs is spread over them and joins nothing; `related` ids never join, and name the flaws of an erratum
only where nothing better does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rafsight.matching.advisory import Advisory, Facts
from rafsight.matching.sources import is_bug_fix, is_bundle, is_cve
from rafsight.matching.store import Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A hit, with where it was found."""

    hit: Hit
    base: str
    release: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One flaw, with all hits about it."""

    id: str
    """CVE if there is one, else GHSA, else the ecosystem's own id."""
    aliases: tuple[str, ...]
    members: tuple[Member, ...]
    """Records about this flaw alone come first, errata last; else by id."""


def group(members: Iterable[Member]) -> tuple[Flaw, ...]:
    """Sort the hits of one component into flaws, ordered by id."""
    parents: dict[str, str] = {}
    placed: list[tuple[str, Member]] = []
    for member in members:
        for names in identities(member.hit.advisory, member.hit.facts):
            for name in names:
                _join(parents, names[0], name)
            placed.append((names[0], member))
    gathered: dict[str, list[Member]] = {}
    for name, member in placed:
        gathered.setdefault(_root(parents, name), []).append(member)
    names_of: dict[str, list[str]] = {}
    for name in parents:
        names_of.setdefault(_root(parents, name), []).append(name)
    flaws = [_flaw(names_of[root], found) for root, found in gathered.items()]
    return tuple(sorted(flaws, key=lambda flaw: _rank(flaw.id)))


def identities(advisory: Advisory, facts: Facts) -> Sequence[Sequence[str]]:
    """Return the flaws that a record is about, each as the ids that mean it; none if it is about no flaw."""
    if is_bundle(advisory.id):
        named = (
            _cves(flaw.id for flaw in facts.flaws)
            or _cves((*advisory.aliases, *advisory.upstream))
            or _cves(advisory.related)
        )
        if named:
            return [(name,) for name in named]
        return [] if is_bug_fix(advisory.id) else [(advisory.id, *advisory.aliases)]
    upstream = _cves(advisory.upstream)
    if len(upstream) > 1:
        return [(name,) for name in upstream]
    joined = upstream or (advisory.upstream if len(advisory.upstream) == 1 else ())
    return [(advisory.id, *advisory.aliases, *joined)]


def cves_of(advisory: Advisory) -> tuple[str, ...]:
    """Return the CVEs that a record as a whole is about, as its id, aliases or only upstream; an erratum is of none."""
    if is_bundle(advisory.id):
        return ()
    upstream = _cves(advisory.upstream)
    return _cves((advisory.id, *advisory.aliases, *(upstream if len(upstream) == 1 else ())))


def _cves(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if is_cve(name)))


def _flaw(names: Sequence[str], members: Sequence[Member]) -> Flaw:
    best, *others = sorted(names, key=_rank)
    unique = {id(member): member for member in members}
    ordered = sorted(
        unique.values(),
        key=lambda member: (is_bundle(member.hit.advisory.id), _rank(member.hit.advisory.id), member.release),
    )
    return Flaw(id=best, aliases=tuple(sorted(others)), members=tuple(ordered))


def _rank(name: str) -> tuple[int, str, int, str]:
    """Order ids: CVE by year and number, then GHSA, then the databases' own."""
    if is_cve(name):
        _, year, number = name.split("-")
        return 0, year, int(number), name
    return (1 if name.startswith("GHSA-") else 2), "", 0, name


def _root(parents: dict[str, str], name: str) -> str:
    while parents[name] != name:
        parents[name] = parents[parents[name]]
        name = parents[name]
    return name


def _join(parents: dict[str, str], one: str, other: str) -> None:
    parents.setdefault(one, one)
    parents.setdefault(other, other)
    parents[_root(parents, other)] = _root(parents, one)
