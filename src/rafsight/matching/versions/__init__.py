"""Version orders: one scheme a file, each made of order-preserving bytes keys."""

from typing import Final

from rafsight.matching.versions.apk import APK
from rafsight.matching.versions.composer import COMPOSER
from rafsight.matching.versions.dpkg import DPKG
from rafsight.matching.versions.gem import GEM
from rafsight.matching.versions.maven import MAVEN
from rafsight.matching.versions.numeric import NUMERIC
from rafsight.matching.versions.pypi import PYPI
from rafsight.matching.versions.rpm import RPM
from rafsight.matching.versions.scheme import HIGHEST, LOWEST, Scheme, UncomparableVersion
from rafsight.matching.versions.semver import BUILT, NUGET, SEMVER

__all__ = ["HIGHEST", "LOWEST", "SCHEMES", "Scheme", "UncomparableVersion", "scheme_for"]

SCHEMES: Final = {
    "AlmaLinux": RPM,
    "Alpaquita": APK,
    "Alpine": APK,
    "Azure Linux": RPM,
    "BellSoft Hardened Containers": APK,
    "Bitnami": SEMVER,
    "CRAN": NUMERIC,
    "Chainguard": APK,
    "ConanCenter": SEMVER,
    "Debian": DPKG,
    "Echo": DPKG,
    "Go": SEMVER,
    "Hackage": NUMERIC,
    "Hex": SEMVER,
    "Julia": BUILT,
    "Mageia": RPM,
    "Maven": MAVEN,
    "MinimOS": APK,
    "NuGet": NUGET,
    "Packagist": COMPOSER,
    "Photon OS": RPM,
    "Pub": BUILT,
    "PyPI": PYPI,
    "Red Hat": RPM,
    "Rocky Linux": RPM,
    "RubyGems": GEM,
    "SUSE": RPM,
    "SwiftURL": SEMVER,
    "Ubuntu": DPKG,
    "Wolfi": APK,
    "crates.io": SEMVER,
    "npm": SEMVER,
    "openEuler": RPM,
    "openSUSE": RPM,
    "opam": DPKG,
}
"""The scheme of each ecosystem whose advisories are kept, by OSV's name without suffix."""


def scheme_for(ecosystem_base: str) -> Scheme | None:
    """Return the scheme of an ecosystem, None if its versions cannot be compared here."""
    return SCHEMES.get(ecosystem_base)
