"""Which of the database's ecosystems and releases are about a distribution, and by which names its packages go there.

This module alone decides that. The table has one line a family, keyed by os-release's ID.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from rafsight.analysis.inventory import Distribution, Ecosystem


class NamedBy(Enum):
    """The name under which a distribution's advisories file a package."""

    SOURCE = "source"
    BINARY = "binary"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Distributions that share a database of advisories."""

    base: str
    """OSV's ecosystem."""
    packages: Ecosystem
    """The kind of packages whose versions that ecosystem compares."""
    named_by: NamedBy
    releases: Callable[[Distribution, Sequence[str]], Iterable[str]]
    """From the distribution and the releases that the database knows, those to look into."""


def family_of(distribution: Distribution) -> Family | None:
    """Return the family of a distribution; None if no advisories are known to be about it."""
    if distribution.id == "centos" and "stream" in distribution.name.lower():
        return None
    return FAMILIES.get(distribution.id)


def _major(distribution: Distribution, known: Sequence[str]) -> Iterable[str]:  # noqa: ARG001
    return (distribution.version.partition(".")[0],)


def _minor(distribution: Distribution, known: Sequence[str]) -> Iterable[str]:  # noqa: ARG001
    return (".".join(distribution.version.split(".")[:2]),)


def _rolling(distribution: Distribution, known: Sequence[str]) -> Iterable[str]:  # noqa: ARG001
    return ("",)


_DEBIAN_NUMBERS: Final = {
    "jessie": "8",
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
    "duke": "15",
}


def _debian(distribution: Distribution, known: Sequence[str]) -> Iterable[str]:
    version = distribution.version.partition(".")[0]
    if version.isdigit():
        return (version,)
    codename = (distribution.codename or version).partition("/")[0]
    if codename in _DEBIAN_NUMBERS:
        return (_DEBIAN_NUMBERS[codename],)
    return (max((release for release in known if release.isdigit()), key=int, default=""),)  # sid


def _ubuntu(distribution: Distribution, known: Sequence[str]) -> Iterable[str]:
    release = ".".join(distribution.version.split(".")[:2])
    return (release, f"{UBUNTU_PRO}{release}") if release in known or f"{UBUNTU_PRO}{release}" in known else (release,)


def _alpine(distribution: Distribution, known: Sequence[str]) -> Iterable[str]:  # noqa: ARG001
    if not distribution.version[:1].isdigit() or "_" in distribution.version:
        return ("edge",)
    return ("v" + ".".join(distribution.version.split(".")[:2]),)


def _red_hat(distribution: Distribution, known: Sequence[str]) -> Iterable[str]:
    """Take all repositories of a major release: what was installed from where is not known."""
    form = re.compile(rf"enterprise_linux:{re.escape(distribution.version.partition('.')[0])}(?:\.[0-9]+)?(?:::.*)?\Z")
    return (release for release in known if form.match(release))


def _suse(distribution: Distribution, known: Sequence[str]) -> Iterable[str]:
    """Take all products of a service pack, those for longer support too: what `15 SP3-LTSS` mends is open elsewhere."""
    major, _, service_pack = distribution.version.partition(".")
    pack = f" SP{service_pack}" if service_pack.strip("0") else ""
    form = re.compile(rf"Linux Enterprise .* {re.escape(major + pack)}(?:-.*)?\Z")
    return (release for release in known if form.match(release))


def _suse_micro(distribution: Distribution, known: Sequence[str]) -> Iterable[str]:
    form = re.compile(rf"Linux (?:Enterprise )?Micro(?: for Rancher)? {re.escape(distribution.version)}(?:-.*)?\Z")
    return (release for release in known if form.match(release))


def _leap(distribution: Distribution, known: Sequence[str]) -> Iterable[str]:  # noqa: ARG001
    return (f"Leap {distribution.version}",)


def _tumbleweed(distribution: Distribution, known: Sequence[str]) -> Iterable[str]:  # noqa: ARG001
    return ("Tumbleweed",)


def _openeuler(distribution: Distribution, known: Sequence[str]) -> Iterable[str]:  # noqa: ARG001
    variant = re.search(r"\(([A-Za-z0-9-]+)\)", distribution.name)
    return (f"{distribution.version}-{variant[1]}" if variant else distribution.version,)


UBUNTU_PRO: Final = "Pro:"
"""What stands before the releases that are maintained for subscribers only."""

_DEB, _APK, _RPM = Ecosystem.DEB, Ecosystem.APK, Ecosystem.RPM
_SUSE: Final = Family(base="SUSE", packages=_RPM, named_by=NamedBy.SOURCE, releases=_suse)
_SUSE_MICRO: Final = Family(base="SUSE", packages=_RPM, named_by=NamedBy.SOURCE, releases=_suse_micro)
_LEAP: Final = Family(base="openSUSE", packages=_RPM, named_by=NamedBy.SOURCE, releases=_leap)
_RED_HAT: Final = Family(base="Red Hat", packages=_RPM, named_by=NamedBy.BINARY, releases=_red_hat)
_AZURE: Final = Family(base="Azure Linux", packages=_RPM, named_by=NamedBy.BOTH, releases=_major)

FAMILIES: Final = {
    "almalinux": Family(base="AlmaLinux", packages=_RPM, named_by=NamedBy.BINARY, releases=_major),
    "alpaquita": Family(base="Alpaquita", packages=_APK, named_by=NamedBy.SOURCE, releases=_major),
    "alpine": Family(base="Alpine", packages=_APK, named_by=NamedBy.SOURCE, releases=_alpine),
    "azurelinux": _AZURE,
    "bellsoft-hardened-containers": Family(
        base="BellSoft Hardened Containers", packages=_APK, named_by=NamedBy.SOURCE, releases=_major
    ),
    "centos": _RED_HAT,
    "chainguard": Family(base="Chainguard", packages=_APK, named_by=NamedBy.BOTH, releases=_rolling),
    "debian": Family(base="Debian", packages=_DEB, named_by=NamedBy.SOURCE, releases=_debian),
    "echo": Family(base="Echo", packages=_DEB, named_by=NamedBy.SOURCE, releases=_rolling),
    "mageia": Family(base="Mageia", packages=_RPM, named_by=NamedBy.SOURCE, releases=_major),
    "mariner": _AZURE,
    "minimos": Family(base="MinimOS", packages=_APK, named_by=NamedBy.BOTH, releases=_rolling),
    "openeuler": Family(base="openEuler", packages=_RPM, named_by=NamedBy.BOTH, releases=_openeuler),
    "opensuse": _LEAP,
    "opensuse-leap": _LEAP,
    "opensuse-tumbleweed": Family(base="openSUSE", packages=_RPM, named_by=NamedBy.SOURCE, releases=_tumbleweed),
    "photon": Family(base="Photon OS", packages=_RPM, named_by=NamedBy.BINARY, releases=_minor),
    "rhel": _RED_HAT,
    "rocky": Family(base="Rocky Linux", packages=_RPM, named_by=NamedBy.BINARY, releases=_major),
    "sl-micro": _SUSE_MICRO,
    "sle-micro": _SUSE_MICRO,
    "sle-micro-rancher": _SUSE_MICRO,
    "sled": _SUSE,
    "sles": _SUSE,
    "sles_sap": _SUSE,
    "ubuntu": Family(base="Ubuntu", packages=_DEB, named_by=NamedBy.SOURCE, releases=_ubuntu),
    "wolfi": Family(base="Wolfi", packages=_APK, named_by=NamedBy.BOTH, releases=_rolling),
}

LANGUAGES: Final = {
    "bitnami": "Bitnami",
    "cargo": "crates.io",
    "composer": "Packagist",
    "conan": "ConanCenter",
    "cran": "CRAN",
    "gem": "RubyGems",
    "golang": "Go",
    "hackage": "Hackage",
    "hex": "Hex",
    "julia": "Julia",
    "maven": "Maven",
    "npm": "npm",
    "nuget": "NuGet",
    "opam": "opam",
    "pub": "Pub",
    "pypi": "PyPI",
    "swift": "SwiftURL",
}
"""OSV's ecosystem of each kind of language package, by purl type."""
