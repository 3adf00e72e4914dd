"""VEX in CSAF 2.0 and 2.1.

A product is known by the package URL that the tree gives it, or as a part of another product (`relationships`). This
module alone knows the members, and which products are believed: a part of something that has no package URL itself (a
distribution known by a CPE) counts only with its version, since other releases have other versions.
"""

from collections.abc import Iterator, Mapping
from typing import Final

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

_STATUSES: Final = {
    "known_not_affected": NOT_AFFECTED,
    "fixed": FIXED,
    "first_fixed": FIXED,
    "known_affected": AFFECTED,
    "first_affected": AFFECTED,
    "last_affected": AFFECTED,
    "under_investigation": UNDER_INVESTIGATION,
}


class _Helper(msgspec.Struct):
    purl: str = ""
    purls: list[str] = []


class _Product(msgspec.Struct):
    product_id: str = ""
    product_identification_helper: _Helper | None = None


class _Branch(msgspec.Struct):
    branches: list["_Branch"] = []
    product: _Product | None = None


class _Relationship(msgspec.Struct):
    product_reference: str = ""
    relates_to_product_reference: str = ""
    full_product_name: _Product | None = None


class _Tree(msgspec.Struct):
    branches: list[_Branch] = []
    full_product_names: list[_Product] = []
    relationships: list[_Relationship] = []


class _Flag(msgspec.Struct):
    label: str = ""
    product_ids: list[str] = []


class _Threat(msgspec.Struct):
    category: str = ""
    details: str = ""
    product_ids: list[str] = []


class _Id(msgspec.Struct):
    text: str = ""


class _Vulnerability(msgspec.Struct):
    cve: str = ""
    ids: list[_Id] = []
    product_status: dict[str, list[str]] = {}
    flags: list[_Flag] = []
    threats: list[_Threat] = []


class _Tracking(msgspec.Struct):
    current_release_date: str = ""


class _Document(msgspec.Struct):
    category: str = ""
    csaf_version: str = ""
    tracking: _Tracking | None = None


class Csaf(msgspec.Struct):
    """A document."""

    document: _Document
    product_tree: _Tree | None = None
    vulnerabilities: list[_Vulnerability] = []


def rules_of(csaf: Csaf, name: str) -> Iterator[Rule]:
    """Read the statuses of a document; a product that cannot be told is passed over.

    Args:
        csaf: as decoded.
        name: of the file, for the report.
    """
    tree = csaf.product_tree or _Tree()
    purls = _purls(tree)
    parts = {
        one.full_product_name.product_id: (one.product_reference, one.relates_to_product_reference)
        for one in tree.relationships
        if one.full_product_name is not None
    }
    tracking = csaf.document.tracking or _Tracking()
    said = moment_of(tracking.current_release_date)
    for flaw in csaf.vulnerabilities:
        names = frozenset(filter(None, map(fold, (flaw.cve, *(one.text for one in flaw.ids)))))
        for status, products in flaw.product_status.items():
            if status not in _STATUSES or not names:
                continue
            for product in products:
                targets = tuple(_targets(product, purls, parts))
                if targets:
                    yield Rule(
                        names=names,
                        kinds=frozenset({VULNERABILITIES}),
                        status=_STATUSES[status],
                        statement=_reason(flaw, product),
                        source=name,
                        targets=targets,
                        said=said,
                    )


def _purls(tree: _Tree) -> dict[str, tuple[str, ...]]:
    """Map the names of products to their package URLs, without recursion over the branches."""
    products = list(tree.full_product_names)
    products += [one.full_product_name for one in tree.relationships if one.full_product_name is not None]
    waiting = list(tree.branches)
    while waiting:
        branch = waiting.pop()
        waiting += branch.branches
        products += [branch.product] if branch.product is not None else []
    found = {}
    for product in products:
        helper = product.product_identification_helper
        if helper is not None and (helper.purl or helper.purls):
            found[product.product_id] = tuple(filter(None, dict.fromkeys((helper.purl, *helper.purls))))
    return found


def _targets(
    product: str, purls: Mapping[str, tuple[str, ...]], parts: Mapping[str, tuple[str, str]]
) -> Iterator[Target]:
    inner, outer = parts.get(product, (product, ""))
    for text in purls.get(product, purls.get(inner, ())):
        purl = parse_purl(text)
        if purl is None:
            continue
        if not outer:
            yield Target(image=text) if purl.type == "oci" else Target(package=purl)
            continue
        images = [one for one in purls.get(outer, ()) if one.startswith("pkg:oci/")]
        for image in images:
            yield Target(image=image, package=purl)
        if not images and not purls.get(outer) and purl.version and purl.type != "oci":
            yield Target(package=purl)


def _reason(flaw: _Vulnerability, product: str) -> str:
    labels = [flag.label for flag in flaw.flags if not flag.product_ids or product in flag.product_ids]
    impacts = [
        threat.details
        for threat in flaw.threats
        if threat.category == "impact" and (not threat.product_ids or product in threat.product_ids)
    ]
    return ": ".join(filter(None, (*labels[:1], *impacts[:1])))
