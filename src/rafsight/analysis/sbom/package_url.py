"""Package URLs of strangers to components: the way back from `analysis/purl.py`.

This module alone decides which parts of a foreign package URL are believed: type, namespace, name, version, and of the
qualifiers those that tell packages apart. Types that are not known here are generic.

Names of Go modules and npm packages have capitals that many writers of package URLs make small, and some take the end
of a module's path for a path inside of it (`validator@v10.4.1#v10`). Advisories know only the true name, so the name
that stands beside the URL counts where it is the same but for these.
"""

import re
from typing import Final
from urllib.parse import unquote

from rafsight.analysis.fields import NAME_LENGTH
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass

_TYPES: Final = {kind.value: kind for kind in Ecosystem} | {"ebuild": Ecosystem.PORTAGE, "dart": Ecosystem.PUB}
_JOINED_BY: Final = {
    Ecosystem.COMPOSER: "/",
    Ecosystem.GITHUB: "/",
    Ecosystem.GOLANG: "/",
    Ecosystem.MAVEN: ":",
    Ecosystem.NPM: "/",
    Ecosystem.PORTAGE: "/",
    Ecosystem.SWIFT: "/",
}
_MAJOR: Final = re.compile(r"v[0-9]+(?=/|\Z)", re.ASCII)
"""The end of a Go module's path from its second major version on."""
_QUALIFIERS: Final = {
    Ecosystem.BITNAMI: ("arch", "distro"),
    Ecosystem.CONAN: ("channel", "user"),
    Ecosystem.CONDA: ("build", "channel", "subdir"),
    Ecosystem.JULIA: ("uuid",),
    Ecosystem.NIX: ("output", "outputhash"),
}


def component_of(purl: str, licences: tuple[str, ...] = (), title: str = "") -> Component | None:
    """Make a component of a package URL; None if it is none, or has no name or no version.

    Args:
        purl: any text.
        licences: what the document says beside it.
        title: the name that stands beside it, with the group.
    """
    if not purl.startswith("pkg:") or len(purl) > 4 * NAME_LENGTH:
        return None
    whole, _, subpath = purl[4:].partition("#")
    rest, _, query = whole.partition("?")
    path, _, version = rest.rpartition("@") if "@" in rest.rpartition("/")[2] else (rest, "", "")
    parts = [text for part in path.split("/") if (text := _plain(part))]
    version = _plain(version)
    if len(parts) < 2 or not version:
        return None
    kind = _TYPES.get(parts[0].lower(), Ecosystem.GENERIC)
    qualifiers = dict(_qualifiers(query))
    source, source_version = _source(kind, qualifiers)
    return Component(
        ecosystem=kind,
        name=_name(parts[1:], kind, _plain(subpath).strip("/"), title),
        version=_whole_version(kind, version, qualifiers),
        arch=qualifiers.get("arch", "") if kind not in _QUALIFIERS else "",
        licenses=licences,
        modularity=qualifiers.get("modularitylabel", "") if kind is Ecosystem.RPM else "",
        evidence=EvidenceClass.DECLARED,
        qualifiers=tuple((key, qualifiers[key]) for key in _QUALIFIERS.get(kind, ()) if qualifiers.get(key)),
        source_name=source,
        source_version=source_version,
    )


def _name(parts: list[str], kind: Ecosystem, subpath: str, title: str) -> str:
    separator = _JOINED_BY.get(kind)
    name = separator.join(_tidy(parts, kind)) if separator else parts[-1]
    if kind not in (Ecosystem.GOLANG, Ecosystem.NPM):
        return name
    longer = f"{name}/{subpath}" if subpath and kind is Ecosystem.GOLANG else name
    if title.lower() in (name.lower(), longer.lower()):
        return title
    major = _MAJOR.match(subpath) if longer != name else None
    return f"{name}/{major[0]}" if major else name


def _plain(part: str) -> str:
    """Undo the percent-encoding; empty where it is longer than any name."""
    text = unquote(part, errors="replace").strip()
    return text.encode("utf-8", "replace").decode("utf-8") if len(text) <= NAME_LENGTH else ""


def _tidy(parts: list[str], kind: Ecosystem) -> list[str]:
    """Leave one namespace where a kind has one: Maven's groups have dots, not slashes."""
    return [".".join(parts[:-1]), parts[-1]] if kind is Ecosystem.MAVEN and len(parts) > 1 else parts


def _qualifiers(query: str) -> list[tuple[str, str]]:
    pairs = (item.partition("=") for item in query.split("&", 64)[:64])
    return [(key.lower(), _plain(value)) for key, _, value in pairs]


def _whole_version(kind: Ecosystem, version: str, qualifiers: dict[str, str]) -> str:
    """Put an epoch back to its version."""
    is_apart = kind in (Ecosystem.RPM, Ecosystem.DEB) and ":" not in version
    epoch = qualifiers.get("epoch", "") if is_apart else ""
    return f"{epoch}:{version}" if epoch.isdigit() and int(epoch[:9]) else version


def _source(kind: Ecosystem, qualifiers: dict[str, str]) -> tuple[str, str]:
    """Read `upstream`: the source package, with its version where that differs."""
    name, _, version = qualifiers.get("upstream", "").partition("@")
    if not name or kind not in (Ecosystem.DEB, Ecosystem.APK):
        return "", ""
    return name, version
