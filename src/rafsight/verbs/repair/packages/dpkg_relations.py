"""Whether packages get on with each other: what one needs, and what it does not bear.

This module alone decides that, by dpkg's order of versions, virtual packages included. Architectures in relations are
not looked at.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from rafsight.matching.versions import UncomparableVersion
from rafsight.matching.versions.dpkg import DPKG
from rafsight.verbs.repair.packages.dpkg_database import Record
from rafsight.verbs.repair.packages.dpkg_stanza import Relation, parse_relations

_NEEDS: Final = (b"pre-depends", b"depends")
_FOES: Final = (b"breaks", b"conflicts")


class Installed:
    """The versions under which everything can be had, real and virtual."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = list(records)
        self._versions: dict[str, list[tuple[str, str]]] = {}
        """Package and version (empty for any) by the name under which it is to be had."""
        for record in self.records:
            self._versions.setdefault(record.name, []).append((record.name, record.version))
            for alternatives in _relations(record, b"provides"):
                for one in alternatives:
                    self._versions.setdefault(one.name, []).append((record.name, one.version))

    def meets(self, alternatives: Iterable[Relation]) -> bool:
        """Tell whether one of some alternatives is installed."""
        return any(self.which(one) for one in alternatives)

    def which(self, relation: Relation, but: str = "") -> list[str]:
        """Return the packages, except one, that a relation means; a virtual one has a version only if it says so."""
        there = self._versions.get(relation.name, [])
        return [name for name, version in there if name != but and matches(version, relation)]


def unmet(installed: Installed, names: Iterable[str]) -> list[str]:
    """Say what some packages need or do not bear, and what others need or do not bear of them.

    Cost: no I/O; one pass over the relations of all packages.
    """
    ours = set(names)
    notes: dict[str, None] = {}
    for record in installed.records:
        for field in _NEEDS:
            notes |= dict.fromkeys(_missing(installed, record, field, ours))
        for field in _FOES:
            notes |= dict.fromkeys(_quarrels(installed, record, field, ours))
    return list(notes)


def _missing(installed: Installed, record: Record, field: bytes, ours: set[str]) -> Iterator[str]:
    for alternatives in _relations(record, field, ours):
        concerns = record.name in ours or any(one.name in ours for one in alternatives)
        if concerns and not installed.meets(alternatives):
            wanted = " | ".join(map(str, alternatives))
            yield f"{record.name} depends on {wanted}, which is not installed in that version"


def _quarrels(installed: Installed, record: Record, field: bytes, ours: set[str]) -> Iterator[str]:
    for alternatives in _relations(record, field, ours):
        for one in alternatives:
            concerns = record.name in ours or one.name in ours
            for foe in installed.which(one, but=record.name) if concerns else ():
                yield f"{record.name} {field.decode()} {one}, and {foe} is installed"


def matches(version: str, relation: Relation) -> bool:
    """Tell whether a version is one that a relation means."""
    if not relation.operator:
        return True
    if not version:
        return False
    try:
        own, wanted = DPKG.key(version), DPKG.key(relation.version)
    except UncomparableVersion:
        return False
    return {
        "<<": own < wanted,
        "<=": own <= wanted,
        "=": own == wanted,
        ">=": own >= wanted,
        ">>": own > wanted,
    }[relation.operator]


def _relations(record: Record, field: bytes, ours: Iterable[str] = ()) -> list[list[Relation]]:
    """Read a field; where only some names matter, not if it has none of them and is of another package."""
    value = record.stanza.get(field, (b"", b""))[1]
    names = set(ours)
    if not value or (names and record.name not in names and not any(name.encode() in value for name in names)):
        return []
    return parse_relations(value) or []
