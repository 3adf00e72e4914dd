"""Documents of engines to values, and what all adapters do with them.

This module alone decides how JSON of a foreign program is read (known fields only, bounded by the run, never another
error than `MalformedOutput`), which kind of package a purl names, and the order of what comes out.
"""

from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from rafsight.analysis.inventory import (
    OS_ECOSYSTEMS,
    Component,
    Distribution,
    Ecosystem,
    Gap,
    GapReason,
    Inventory,
)
from rafsight.base.text import escape
from rafsight.engines.engine import MalformedOutput
from rafsight.matching.finding import Finding

Shape = TypeVar("Shape")
Item = TypeVar("Item")

_ALIASES: Final = {
    "githubactions": Ecosystem.GITHUB,
    "otp": Ecosystem.HEX,
    "dart": Ecosystem.PUB,
    "oci": Ecosystem.GENERIC,
}
_DETAIL_LENGTH: Final = 300
"""[characters]"""
SYSTEM_KINDS: Final = {"deb": Ecosystem.DEB, "apk": Ecosystem.APK, "rpm": Ecosystem.RPM}
"""Syft's library gives packages of a distribution no purl where it does not know which: then their type says it."""
_KINDS: Final = {kind.value: kind for kind in Ecosystem} | _ALIASES


def decode(content: bytes, shape: type[Shape]) -> Shape:
    """Read a JSON document.

    Raises: MalformedOutput.
    """
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedOutput(str(error)) from error


def some(items: list[Item] | None) -> list[Item]:
    """Return a list; engines write `null` for an empty one."""
    return items or []


def kind_of(purl: str, otherwise: Ecosystem = Ecosystem.GENERIC) -> Ecosystem:
    """Return the kind of package that a purl names.

    Args:
        purl: may be empty.
        otherwise: for a purl without a known type.
    """
    scheme, _, rest = purl.partition(":")
    return _KINDS.get(rest.partition("/")[0].lower(), otherwise) if scheme == "pkg" else otherwise


def location_of(path: str) -> bytes:
    """Write a path as components have it: bytes, relative to the root."""
    return path.lstrip("/").encode("utf-8", "replace")


def take_stock(components: Iterable[Component], distribution: Distribution | None) -> Inventory:
    """Make an inventory, in the order that inventories have."""
    return Inventory(distribution=distribution, components=tuple(sorted(components, key=_order)), gaps=())


def sorted_findings(findings: Iterable[Finding], inventory: Inventory) -> tuple[Finding, ...]:
    """Order findings by component, then by severity (worst first), then by id."""
    places = {component: index for index, component in enumerate(inventory.components)}
    return tuple(sorted(findings, key=lambda one: (places[one.component], -one.severity, one.id)))


def gaps_of(inventory: Inventory, *, lists_only: bool) -> tuple[Gap, ...]:
    """Say what no report of an engine says by itself: that it found nothing to look at.

    Args:
        inventory: as the engine reports it.
        lists_only: the engine looks for no vulnerabilities, so that an unknown distribution costs nothing.
    """
    if not inventory.components:
        detail = "no package of any kind that the engine knows was found"
        return (Gap(reason=GapReason.NO_PACKAGES, subject="image", detail=detail),)
    system = sum(component.ecosystem in OS_ECOSYSTEMS for component in inventory.components)
    if system and inventory.distribution is None and not lists_only:
        detail = f"the engine does not know which distribution the {system} OS packages are from"
        return (Gap(reason=GapReason.UNKNOWN_DISTRIBUTION, subject="OS packages", detail=detail),)
    return ()


def unread(engine: str, path: str, reader: str, why: str) -> Gap:
    """Make a gap of a file that an engine says it could not read.

    Args:
        engine: by name.
        path: of the file.
        reader: the part of the engine that wanted to read it.
        why: as the engine says it.
    """
    detail = escape(f"{engine} ({reader}) could not read it: {why}")[:_DETAIL_LENGTH]
    return Gap(reason=GapReason.MALFORMED, subject=escape(path.lstrip("/")), detail=detail)


def _order(component: Component) -> tuple[str, str, str, tuple[bytes, ...], str]:
    return (component.ecosystem, component.name, component.version, component.locations, component.arch)
