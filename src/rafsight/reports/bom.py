"""What SBOMs of both kinds share: which components there are, and what each is called in the document.

This module alone decides the references: the package URL where one component has it, else the URL and a hash.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from rafsight.analysis.inventory import OS_ECOSYSTEMS, Component, Ecosystem
from rafsight.matching.finding import Finding
from rafsight.reports.document import ScanReport
from rafsight.reports.identity import component_uid

_GROUPED = {Ecosystem.MAVEN: ":", Ecosystem.NPM: "/", Ecosystem.COMPOSER: "/"}
"""Ecosystems whose names have a group, and what stands behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The components of a document, in the order of the inventory, each once."""

    references: Mapping[Component, str]
    """What each is called: its package URL if it alone has that, else the URL and its name."""
    names: Mapping[Component, str]
    """Letters, digits and hyphens: no two have the same."""


def list_components(report: ScanReport) -> Listing:
    """Name all components of a report; what only a finding has comes last.

    Cost: linear in components and findings.
    """
    flawed = chain(report.findings, (one.finding for one in report.suppressed if isinstance(one.finding, Finding)))
    components = dict.fromkeys((*report.inventory.components, *(finding.component for finding in flawed)))
    purls = Counter(component.purl for component in components)
    seen: Counter[str] = Counter()
    names, references = {}, {}
    for component in components:
        name = component_uid(component)
        seen[name] += 1
        names[component] = name if seen[name] == 1 else f"{name}-{seen[name]}"
        is_alone = component.purl and purls[component.purl] == 1
        references[component] = component.purl if is_alone else f"{component.purl or 'component'}#{names[component]}"
    return Listing(references=references, names=names)


def is_of_the_system(component: Component) -> bool:
    """Tell whether the distribution's package manager installed a component as a package of its own."""
    return component.ecosystem in OS_ECOSYSTEMS


def split_name(component: Component) -> tuple[str, str]:
    """Return the group and the name of a component; most have no group."""
    mark = _GROUPED.get(component.ecosystem)
    if mark is None or (component.ecosystem is Ecosystem.NPM and not component.name.startswith("@")):
        return "", component.name
    group, found, name = component.name.partition(mark)
    return (group, name) if found and group and name else ("", component.name)
