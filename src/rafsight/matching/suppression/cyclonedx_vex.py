"""VEX in CycloneDX: the analysis of a bill's vulnerabilities.

This module alone knows its members, and what its states mean in the words of the others.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

import msgspec

from rafsight.matching.suppression.purls import Purl, parse_purl
from rafsight.matching.suppression.rule import (
    AFFECTED,
    FIXED,
    NOT_AFFECTED,
    UNDER_INVESTIGATION,
    VULNERABILITIES,
    Rule,
    Target,
    fold,
    moment_of,
)

_STATES: Final = {
    "not_affected": NOT_AFFECTED,
    "false_positive": NOT_AFFECTED,
    "resolved": FIXED,
    "resolved_with_pedigree": FIXED,
    "exploitable": AFFECTED,
    "in_triage": UNDER_INVESTIGATION,
}
_DEPTH: Final = 32


class _Component(msgspec.Struct):
    reference: str = msgspec.field(name="bom-ref", default="")
    purl: str = ""
    components: list["_Component"] = []


class _Metadata(msgspec.Struct):
    timestamp: str = ""
    component: _Component | None = None


class _Analysis(msgspec.Struct, rename="camel"):
    state: str = ""
    justification: str = ""
    detail: str = ""
    first_issued: str = ""
    last_updated: str = ""


class _Affected(msgspec.Struct):
    reference: str = msgspec.field(name="ref", default="")


class _Reference(msgspec.Struct):
    id: str = ""


class _Vulnerability(msgspec.Struct):
    id: str = ""
    references: list[_Reference] = []
    analysis: _Analysis | None = None
    affects: list[_Affected] = []


class CycloneDx(msgspec.Struct):
    """A document."""

    bom_format: str = msgspec.field(name="bomFormat", default="")
    metadata: _Metadata | None = None
    components: list[_Component] = []
    vulnerabilities: list[_Vulnerability] = []


def rules_of(document: CycloneDx, name: str) -> Iterator[Rule]:
    """Read the analyses of a document; one that names no component says nothing about anything.

    Args:
        document: as decoded.
        name: of the file, for the report.
    """
    metadata = document.metadata or _Metadata()
    known = _purls(document, metadata)
    for flaw in document.vulnerabilities:
        analysis = flaw.analysis
        status = _STATES.get(analysis.state) if analysis else None
        if analysis is None or status is None:
            continue
        targets = tuple(dict.fromkeys(_targets(flaw, known)))
        names = frozenset(filter(None, map(fold, (flaw.id, *(one.id for one in flaw.references)))))
        if targets and names:
            yield Rule(
                names=names,
                kinds=frozenset({VULNERABILITIES}),
                status=status,
                statement=": ".join(filter(None, (analysis.justification, analysis.detail))),
                source=name,
                targets=targets,
                said=moment_of(analysis.last_updated or analysis.first_issued or metadata.timestamp),
            )


def _purls(document: CycloneDx, metadata: _Metadata) -> dict[str, str]:
    """Map the references of all components, however deep, to their package URLs."""
    known: dict[str, str] = {}
    waiting = [*document.components, *([metadata.component] if metadata.component else [])]
    for _ in range(_DEPTH):
        known |= {one.reference: one.purl for one in waiting if one.reference and one.purl}
        waiting = [inner for one in waiting for inner in one.components]
    return known


def _targets(flaw: _Vulnerability, known: Mapping[str, str]) -> Iterator[Target]:
    for affected in flaw.affects:
        reference = affected.reference
        if reference.startswith("urn:cdx:"):  # a link into another bill: its own name stands behind the hash
            reference = unquote(reference.partition("#")[2])
        purl: Purl | None = parse_purl(known.get(reference, reference))
        if purl is None:
            continue
        yield Target(image=known.get(reference, reference)) if purl.type == "oci" else Target(package=purl)
