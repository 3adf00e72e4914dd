"""Which packages of an image a question means.

An image says which packages it has as in a scan. This module alone decides which of them are meant: by package URL (of
a package of the distribution also by the name and version of its source package; without a namespace that of any
distribution), by a range of versions, and by what the advisory database says.
"""

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rafsight.analysis.inventory import OS_ECOSYSTEMS, Component, Inventory
from rafsight.base.text import printable
from rafsight.hunt.question import PackageQuestion
from rafsight.matching.matcher import match
from rafsight.matching.store import AdvisoryDatabase, open_database
from rafsight.matching.suppression.purls import Purl, parse_purl
from rafsight.matching.versions import UncomparableVersion
from rafsight.reports.hunting import PackageMatch, Unseen

_KNOWN: Final = 200_000
"""Components whose advisories are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageAnswer:
    """What an inventory has of what is asked for."""

    matches: tuple[PackageMatch, ...]
    unseen: tuple[Unseen, ...]


class PackageAsker:
    """A question about packages, ready for many inventories. Thread-safe."""

    def __init__(self, question: PackageQuestion, database: Path | None) -> None:
        """Prepare.

        Args:
            question: not empty.
            database: with advisories, if the question is about some.
        """
        self._question = question
        self._database = database
        self._names = frozenset(question.advisories)
        self._known: dict[tuple[object, ...], tuple[str, ...]] = {}

    def ask(self, inventory: Inventory) -> PackageAnswer:
        """Find the packages that are meant.

        Raises: NoDatabase, DatabaseDamaged.
        Cost: without advisories none; else one look-up for each component that was in no inventory before.
        """
        unseen = [Unseen(subject=gap.subject, why=gap.detail) for gap in inventory.gaps]
        meant = []
        for component in inventory.components:
            try:
                if self._means(component):
                    meant.append(component)
            except UncomparableVersion as error:
                subject = printable(f"{component.name}@{component.version}")
                unseen.append(Unseen(subject=subject, why=f"{error}."))
        affected: Iterable[tuple[Component, tuple[str, ...]]] = ((component, ()) for component in meant)
        if self._names:
            affected, more = self._affected(inventory, meant)
            unseen += more
        return PackageAnswer(
            matches=tuple(_match(component, advisories) for component, advisories in affected), unseen=tuple(unseen)
        )

    def _means(self, component: Component) -> bool:
        """Tell whether URL and versions mean a component.

        Raises: UncomparableVersion.
        """
        pattern, versions = self._question.purl, self._question.versions
        if pattern is None:
            return True
        purl = parse_purl(component.purl)
        if purl is None or purl.type != pattern.type or not _in_namespace(pattern, purl, component):
            return False
        has = dict(purl.qualifiers)
        if any(has.get(key) != value for key, value in pattern.qualifiers):
            return False
        candidates = [(purl.name, component.version)]
        if component.source_name:
            candidates.append((component.source_name, component.source_version or component.version))
        for name, version in candidates:
            if not fnmatch.fnmatchcase(name, pattern.name):
                continue
            if (not pattern.version or pattern.version == version) and (versions is None or versions.holds(version)):
                return True
        return False

    def _affected(
        self, inventory: Inventory, meant: list[Component]
    ) -> tuple[list[tuple[Component, tuple[str, ...]]], list[Unseen]]:
        """Ask the advisories about components; what was asked before, in whatever image, is remembered."""
        keys = [_key(inventory, component) for component in meant]
        fresh = {key: component for key, component in zip(keys, meant, strict=True) if key not in self._known}
        unseen: list[Unseen] = []
        answers = {key: self._known[key] for key in keys if key in self._known}
        if fresh:
            assert self._database is not None  # or the question could not have been asked
            with open_database(self._database) as database:
                new, unseen = self._look_up(inventory, fresh, database)
            answers |= new
            if len(self._known) < _KNOWN and not unseen:  # what cannot be looked up is said of each image
                self._known |= new
        pairs = [(component, answers[key]) for key, component in zip(keys, meant, strict=True) if answers[key]]
        return pairs, unseen

    def _look_up(
        self, inventory: Inventory, fresh: dict[tuple[object, ...], Component], database: AdvisoryDatabase
    ) -> tuple[dict[tuple[object, ...], tuple[str, ...]], list[Unseen]]:
        asked = replace(inventory, components=tuple(fresh.values()), gaps=())
        result = match(asked, database)
        found: dict[int, set[str]] = {}
        for finding in (*result.findings, *result.hidden):
            named = self._names & {finding.id, *finding.aliases, *finding.advisories}
            if named:
                found.setdefault(id(finding.component), set()).update(named)
        answers = {key: tuple(sorted(found.get(id(component), ()))) for key, component in fresh.items()}
        return answers, [Unseen(subject=gap.subject, why=gap.detail) for gap in result.gaps]


def _in_namespace(pattern: Purl, purl: Purl, component: Component) -> bool:
    any_distribution = component.ecosystem in OS_ECOSYSTEMS and not pattern.namespace
    return any_distribution or fnmatch.fnmatchcase(purl.namespace, pattern.namespace)


def _key(inventory: Inventory, component: Component) -> tuple[object, ...]:
    """Return all that advisories go by."""
    return (
        inventory.distribution,
        component.purl,
        component.source_name,
        component.source_version,
        component.modularity,
        bool(component.owned_by),
    )


def _match(component: Component, advisories: tuple[str, ...]) -> PackageMatch:
    return PackageMatch(
        purl=component.purl,
        name=component.name,
        version=component.version,
        source=component.source_name if component.source_name != component.name else "",
        locations=component.locations,
        advisories=advisories,
    )
