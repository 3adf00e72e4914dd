"""What came and went between two reports beside vulnerabilities: secrets, checks that failed, packages.

This module alone decides when two of them are the same. A secret is the same if its value is, or if the same rule finds
one at the same place: salts differ between installations, and a leak that was renewed is still one. A check that failed
before is new only where it fails at places that are new. A package is the same under all its versions.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.analysis.misconfig.finding import Evidence, Misconfiguration
from rafsight.analysis.purl import normal_name
from rafsight.analysis.secrets.finding import Secret

_Key = tuple[str, bytes | str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """A package that not both reports have in the same versions."""

    ecosystem: Ecosystem
    name: str
    before: tuple[str, ...]
    """Its versions, ordered; none: it was not there. One that nobody says is empty."""
    after: tuple[str, ...]
    """Likewise; none: it is gone."""


def missing_secrets(secrets: Iterable[Secret], others: Iterable[Secret]) -> tuple[Secret, ...]:
    """Return the secrets that are not among others. Cost: linear in their places."""
    known = {key for other in others for key in _keys_of(other)}
    return tuple(secret for secret in secrets if known.isdisjoint(_keys_of(secret)))


def missing_checks(
    checks: Iterable[Misconfiguration], others: Iterable[Misconfiguration]
) -> tuple[Misconfiguration, ...]:
    """Return the checks that do not fail among others, or not at all their places: then with those places alone.

    Of a check that fails at more places than a report lists, only its id is compared.
    Cost: linear in their places.
    """
    known = {other.id: other for other in others}
    found = []
    for check in checks:
        other = known.get(check.id)
        if other is None:
            found.append(check)
        elif _lists_all(check) and _lists_all(other):
            places = {_place_of(evidence) for evidence in other.evidence}
            new = tuple(evidence for evidence in check.evidence if _place_of(evidence) not in places)
            if new:
                found.append(replace(check, evidence=new, count=len(new)))
    return tuple(found)


def compare_packages(before: Iterable[Component], after: Iterable[Component]) -> tuple[PackageChange, ...]:
    """Say which packages came, went, or have other versions, ordered by kind and name. Cost: linear but for sorting."""
    sides = (_versions(before), _versions(after))
    changes = []
    for key in sorted({*sides[0], *sides[1]}):
        (name, old), (_, new) = (side.get(key, ("", frozenset())) for side in sides)
        name = name or sides[1][key][0]
        if old != new:
            ecosystem = Ecosystem(key[0])
            changes.append(
                PackageChange(ecosystem=ecosystem, name=name, before=tuple(sorted(old)), after=tuple(sorted(new)))
            )
    return tuple(changes)


def _keys_of(secret: Secret) -> set[_Key]:
    keys: set[_Key] = {(secret.rule_id, place.path, place.place) for place in secret.places}
    if secret.fingerprint:
        keys.add((secret.rule_id, secret.fingerprint, ""))
    return keys


def _lists_all(check: Misconfiguration) -> bool:
    return check.count <= len(check.evidence)


def _place_of(evidence: Evidence) -> tuple[bytes, str, str]:
    """Return where a check fails: the file, whatever its line; else what stands there, since steps of a build move."""
    if evidence.path:
        return evidence.path, "", ""
    return b"", evidence.place.partition("[")[0], evidence.detail


def _versions(components: Iterable[Component]) -> dict[tuple[str, str], tuple[str, frozenset[str]]]:
    """Return name and versions of each package, by its kind and the form of its name that tells packages apart."""
    found: dict[tuple[str, str], tuple[str, set[str]]] = {}
    for one in components:
        name = normal_name(one.name) if one.ecosystem is Ecosystem.PYPI else one.name
        found.setdefault((one.ecosystem, name), (one.name, set()))[1].add(one.version)
    return {key: (name, frozenset(versions)) for key, (name, versions) in found.items()}
