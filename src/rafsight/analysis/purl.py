"""Package URLs: one text that names a package everywhere.

Written here rather than with packageurl-python, which takes five times as long for the tens of thousands of components
of a large image; tests hold both together. This module alone decides namespaces and qualifiers.
"""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from rafsight.analysis.inventory import Component, Distribution, Ecosystem

_PLAIN: Final = re.compile(r"[A-Za-z0-9._~:-]*")
_SEPARATORS: Final = re.compile(r"[-_.]+")
_NAMESPACES: Final = {
    Ecosystem.COMPOSER: "/",
    Ecosystem.GITHUB: "/",
    Ecosystem.GOLANG: "/",
    Ecosystem.MAVEN: ":",
    Ecosystem.NPM: "/",
    Ecosystem.PORTAGE: "/",
    Ecosystem.SWIFT: "/",
}
"""What stands between namespace and name, for the kinds that have namespaces."""
_LOWER: Final = frozenset(
    {Ecosystem.BITNAMI, Ecosystem.COMPOSER, Ecosystem.GITHUB, Ecosystem.HEX, Ecosystem.LUAROCKS, Ecosystem.PUB}
)
"""Kinds whose package URLs know no capital letters."""
_TYPES: Final = {Ecosystem.PORTAGE: "ebuild"}
"""Types that differ from the word for the kind."""


def normal_name(name: str) -> str:
    """Write the name of a Python distribution as PyPI compares it (PEP 503)."""
    return _SEPARATORS.sub("-", name).lower()


def purl_of(component: Component, distribution: Distribution | None) -> str:
    """Name a component.

    OS packages get the distribution as namespace and qualifier (if it is known), their architecture, and the source
    package where it differs. An rpm's epoch is a qualifier, a deb's is part of its version. Names of npm and Go keep
    their case: packages differ by nothing else. A Java package whose group nobody says has no namespace.
    """
    match component.ecosystem:
        case Ecosystem.RPM:
            return _os_purl(component, distribution, *_without_epoch(component.version))
        case Ecosystem.DEB | Ecosystem.APK | Ecosystem.ALPM:
            return _os_purl(component, distribution, component.version, "")
        case _:
            return _language_purl(component)


def _language_purl(component: Component) -> str:
    kind = component.ecosystem
    name = component.name.lower() if kind in _LOWER else component.name
    if kind is Ecosystem.PYPI:
        name = normal_name(name)
    parts = name.split(_NAMESPACES[kind]) if kind in _NAMESPACES else (name,)
    tail = "&".join(f"{key}={_encode(value)}" for key, value in component.qualifiers if value)
    path = "/".join(map(_encode, parts))
    return f"pkg:{_TYPES.get(kind, kind)}/{path}{_at(component.version)}{'?' if tail else ''}{tail}"


def _at(version: str) -> str:
    """Write a version with its mark; nothing where it is unknown."""
    return f"@{_encode(version)}" if version else ""


def _os_purl(component: Component, distribution: Distribution | None, version: str, epoch: str) -> str:
    namespace, release = _names_of(distribution) if distribution else ("", "")
    if component.ecosystem is Ecosystem.APK and distribution and distribution.version:
        release = _encode(distribution.version)  # as Trivy writes it: the namespace says the rest
    qualifiers = (
        ("arch", _encode(component.arch)),
        ("distro", release),
        ("epoch", epoch),
        ("modularitylabel", _encode(component.modularity)),
        ("upstream", _encode(_upstream(component))),
    )
    tail = "&".join(f"{key}={value}" for key, value in qualifiers if value)
    name = component.name.lower() if component.ecosystem is Ecosystem.APK else component.name
    return f"pkg:{component.ecosystem}/{namespace}{_encode(name)}@{_encode(version)}{'?' if tail else ''}{tail}"


def _without_epoch(version: str) -> tuple[str, str]:
    epoch, colon, rest = version.partition(":")
    return (rest, epoch if epoch != "0" else "") if colon else (version, "")


def _upstream(component: Component) -> str:
    """Write the source package as Syft and Grype do; nothing where it is the package itself."""
    if not component.source_name:
        return ""
    if component.ecosystem is Ecosystem.RPM:
        return f"{component.source_name}-{_without_epoch(component.source_version)[0]}.src.rpm"
    if component.source_version not in ("", component.version):
        return f"{component.source_name}@{component.source_version}"
    return component.source_name if component.source_name != component.name else ""


@lru_cache(maxsize=64)
def _names_of(distribution: Distribution) -> tuple[str, str]:
    """Return the namespace (with its slash) and the qualifier `distro` of a distribution."""
    identity = "redhat" if distribution.id == "rhel" else distribution.id
    namespace = "opensuse" if identity.startswith("opensuse") else identity
    release = f"{identity}-{distribution.version}" if distribution.version else identity
    return f"{_encode(namespace)}/", _encode(release)


def _encode(text: str) -> str:
    """Percent-encode everything but unreserved characters and the colon."""
    if _PLAIN.fullmatch(text):
        return text
    return quote(text, safe=":")
