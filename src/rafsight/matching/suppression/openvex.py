"""OpenVEX 0.2 (and 0.0, whose products are plain texts).

This module alone knows its members, and what a statement means that leaves something out.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from rafsight.matching.suppression.purls import parse_purl
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

_STATUSES: Final = frozenset({NOT_AFFECTED, AFFECTED, FIXED, UNDER_INVESTIGATION})


class _Named(msgspec.Struct):
    id: str = msgspec.field(name="@id", default="")
    name: str = ""
    aliases: list[str] = []
    identifiers: dict[str, str] = {}
    subcomponents: list[Any] = []


class _Statement(msgspec.Struct):
    vulnerability: _Named | str = ""
    products: list[_Named | str] = []
    status: str = ""
    timestamp: str = ""
    last_updated: str = ""
    justification: str = ""
    impact_statement: str = ""
    action_statement: str = ""
    status_notes: str = ""
    subcomponents: list[Any] = []


class OpenVex(msgspec.Struct):
    """A document."""

    context: str = msgspec.field(name="@context", default="")
    timestamp: str = ""
    last_updated: str = ""
    statements: list[_Statement] = []


def rules_of(document: OpenVex, name: str) -> Iterator[Rule]:
    """Read the statements of a document; one without products says nothing about anything.

    Args:
        document: as decoded.
        name: of the file, for the report.
    """
    for statement in document.statements:
        targets = tuple(dict.fromkeys(_targets(statement)))
        names = _names(statement.vulnerability)
        if statement.status not in _STATUSES or not targets or not names:
            continue
        said = statement.last_updated or statement.timestamp or document.last_updated or document.timestamp
        told = (statement.justification, statement.impact_statement or statement.status_notes)
        yield Rule(
            names=names,
            kinds=frozenset({VULNERABILITIES}),
            status=statement.status,
            statement=": ".join(filter(None, told)),
            source=name,
            targets=targets,
            said=moment_of(said),
        )


def _names(vulnerability: _Named | str) -> frozenset[str]:
    if isinstance(vulnerability, str):
        return frozenset(filter(None, (fold(vulnerability),)))
    names = (vulnerability.name, vulnerability.id.rpartition("/")[2], *vulnerability.aliases)
    return frozenset(filter(None, map(fold, names)))


def _targets(statement: _Statement) -> Iterator[Target]:
    for product in statement.products:
        parts = [*statement.subcomponents, *(product.subcomponents if isinstance(product, _Named) else ())]
        for text in _ids(product):
            purl = parse_purl(text)
            if purl is not None and purl.type != "oci":
                # whether other packages bring the inner one, too, nobody here knows: that is no excuse
                if not parts:
                    yield Target(package=purl)
                continue
            if not parts:
                yield Target(image=text)
            for part in parts:
                inner = next((found for one in _ids(part) if (found := parse_purl(one))), None)
                if inner is not None:
                    yield Target(image=text, package=inner)


def _ids(product: object) -> list[str]:
    """Return the names of a product or of a part of one: its package URL if it has one, else what it is called."""
    if isinstance(product, str):
        return [product]
    if isinstance(product, dict):
        try:
            product = msgspec.convert(product, _Named)
        except msgspec.ValidationError:
            return []
    if not isinstance(product, _Named):
        return []
    return list(filter(None, dict.fromkeys((product.identifiers.get("purl", ""), product.id))))
