"""What was found in an image, and what was not looked at. Values only.

This module alone decides what a component is. Names and versions are text (undecodable bytes as surrogate escapes never
occur: extractors replace them); paths are bytes relative to the root, without a leading slash.
"""

from dataclasses import dataclass
from enum import StrEnum


class Ecosystem(StrEnum):
    """Kinds of packages, by their purl type."""

    DEB = "deb"
    APK = "apk"
    RPM = "rpm"
    PYPI = "pypi"
    NPM = "npm"
    ALPM = "alpm"
    BITNAMI = "bitnami"
    CARGO = "cargo"
    COCOAPODS = "cocoapods"
    COMPOSER = "composer"
    CONAN = "conan"
    CONDA = "conda"
    CRAN = "cran"
    GEM = "gem"
    GITHUB = "github"
    GOLANG = "golang"
    HACKAGE = "hackage"
    HEX = "hex"
    JULIA = "julia"
    LUAROCKS = "luarocks"
    MAVEN = "maven"
    NIX = "nix"
    NUGET = "nuget"
    OPAM = "opam"
    PORTAGE = "portage"
    PUB = "pub"
    SWIFT = "swift"
    CPAN = "cpan"
    OTP = "otp"
    PEAR = "pear"
    PECL = "pecl"
    WORDPRESS_PLUGIN = "wordpress-plugin"
    WORDPRESS_THEME = "wordpress-theme"
    GENERIC = "generic"
    """Whatever has no kind of its own here, such as the kernel, or a program known by its file alone."""


READ_ECOSYSTEMS = frozenset(Ecosystem) - {Ecosystem.GITHUB}
"""Kinds that the analysis here reads; the others are named by foreign engines alone."""

OS_ECOSYSTEMS = frozenset({Ecosystem.DEB, Ecosystem.APK, Ecosystem.RPM, Ecosystem.ALPM, Ecosystem.PORTAGE})


class EvidenceClass(StrEnum):
    """How sure it is that a package is there, the surest first."""

    INSTALLED = "installed"
    """The database of a package manager says so."""
    ARTIFACT = "artifact"
    """The package itself, or what its installer leaves beside it."""
    DECLARED = "declared"
    """A file says so that need not be about this image: a lock file, an SBOM."""
    HEURISTIC = "heuristic"
    """A file looks like it: by its name, or by strings in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """An operating system release, as its release files say."""

    id: str
    """`debian`, `ubuntu`, `alpine`, `almalinux`, ...: os-release ID, lower case."""
    version: str
    """VERSION_ID refined by the family's own file (`12.7`, `3.20.3`); empty for rolling releases."""
    name: str
    """PRETTY_NAME or what comes closest."""
    codename: str = ""
    id_like: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One installed package."""

    ecosystem: Ecosystem
    name: str
    """As the package calls itself; Maven's is `group:artifact`, or the artifact alone where nobody says the group."""
    version: str
    """Whole: deb `epoch:upstream-revision`, rpm `epoch:version-release` (no epoch where it is 0), apk `version-rN`.
    Empty where nobody says it: a Java archive of an unknown version."""
    purl: str = ""
    """Package URL with the distribution's namespace and qualifiers; the engine fills it in."""
    arch: str = ""
    source_name: str = ""
    """Source package (deb, rpm) or origin (apk); empty for languages."""
    source_version: str = ""
    licenses: tuple[str, ...] = ()
    maintainer: str = ""
    """deb Maintainer, rpm Vendor, apk maintainer."""
    modularity: str = ""
    """rpm modularity label."""
    locations: tuple[bytes, ...] = ()
    """Files that say so, ordered; a place inside one stands behind it and a colon: `app.war:WEB-INF/lib/x.jar`."""
    member: bytes = b""
    """Where inside its file an extractor found it; joining puts it into the locations and leaves this empty."""
    found_by: str = ""
    """Name of the extractor."""
    owned_by: str = ""
    """Name of the OS package that installed this language package; empty if none did."""
    evidence: EvidenceClass = EvidenceClass.ARTIFACT
    qualifiers: tuple[tuple[str, str], ...] = ()
    """Of the package URL, beside those that the engine knows, ordered by key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """The files that one OS package installed."""

    package: str
    official: bool
    """True if the distribution itself made the package, so that its advisories cover the content."""
    paths: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Licensed:
    """The licences of the package that a file is about, where the database of its package manager says none."""

    licenses: tuple[str, ...]


class GapReason(StrEnum):
    """Why something was not looked at."""

    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    UNREADABLE = "unreadable"
    """The bytes could not be had or did not verify."""
    UNKNOWN_DISTRIBUTION = "unknown-distribution"
    NO_ADVISORIES = "no-advisories"
    """The database has nothing about this ecosystem or release."""
    UNCOMPARABLE_VERSION = "uncomparable-version"
    NO_PACKAGES = "no-packages"
    NO_FEED = "no-feed"
    """Nobody publishes advisories about packages of this kind: they are listed, and cannot be looked up anywhere."""
    OUT_OF_SIGHT = "out-of-sight"
    """The image's form does not show it: what lower layers of a Nydus image had."""


LASTING_REASONS = frozenset({GapReason.NO_FEED, GapReason.OUT_OF_SIGHT})
"""Gaps that every scan of such an image has: they are said, and do not make a scan incomplete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that was not looked at."""

    reason: GapReason
    subject: str
    """A path (escaped), an ecosystem, a component: what the gap is about."""
    detail: str
    """One sentence for people."""
    extractor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All that an analysis found."""

    distribution: Distribution | None
    components: tuple[Component, ...]
    """Ordered by ecosystem, name, version, first location."""
    gaps: tuple[Gap, ...]
