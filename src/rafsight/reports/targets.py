"""The parts that a report is divided into, named and typed as Trivy does: the OS packages, then each language.

This module alone decides what a target is called.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rafsight.analysis.inventory import OS_ECOSYSTEMS, Component, Distribution, Ecosystem
from rafsight.matching.finding import Finding
from rafsight.reports.document import ScanReport, Suppressed

_FAMILIES: Final[Mapping[str, str]] = {
    "almalinux": "alma",
    "amzn": "amazon",
    "mariner": "cbl-mariner",
    "ol": "oracle",
    "opensuse": "opensuse",
    "rhel": "redhat",
    "sle-micro": "slem",
    "sles_sap": "sles",
}
"""os-release ID to Trivy's word where the two differ."""

_IDS: Final[Mapping[str, str]] = {family: identity for identity, family in _FAMILIES.items()}

_LANGUAGES: Final[Mapping[Ecosystem, tuple[str, str]]] = {
    Ecosystem.PYPI: ("Python", "python-pkg"),
    Ecosystem.NPM: ("Node.js", "node-pkg"),
    Ecosystem.BITNAMI: ("Bitnami", "bitnami"),
    Ecosystem.CARGO: ("Rust", "rustbinary"),
    Ecosystem.COCOAPODS: ("CocoaPods", "cocoapods"),
    Ecosystem.COMPOSER: ("PHP", "composer-vendor"),
    Ecosystem.CONAN: ("Conan", "conan"),
    Ecosystem.CONDA: ("Conda", "conda-pkg"),
    Ecosystem.CPAN: ("Perl", "cpan"),
    Ecosystem.CRAN: ("R", "cran"),
    Ecosystem.GEM: ("Ruby", "gemspec"),
    Ecosystem.GITHUB: ("GitHub Actions", "github"),
    Ecosystem.GOLANG: ("Go", "gobinary"),
    Ecosystem.HACKAGE: ("Haskell", "hackage"),
    Ecosystem.HEX: ("Erlang", "hex"),
    Ecosystem.JULIA: ("Julia", "julia"),
    Ecosystem.LUAROCKS: ("Lua", "luarocks"),
    Ecosystem.MAVEN: ("Java", "jar"),
    Ecosystem.NIX: ("Nix", "nix"),
    Ecosystem.NUGET: (".NET", "dotnet-core"),
    Ecosystem.OPAM: ("OCaml", "opam"),
    Ecosystem.OTP: ("Erlang/OTP", "otp"),
    Ecosystem.PEAR: ("PEAR", "pear"),
    Ecosystem.PECL: ("PECL", "pecl"),
    Ecosystem.PUB: ("Dart", "pub"),
    Ecosystem.SWIFT: ("Swift", "swift"),
    Ecosystem.WORDPRESS_PLUGIN: ("WordPress plugins", "wordpress-plugin"),
    Ecosystem.WORDPRESS_THEME: ("WordPress themes", "wordpress-theme"),
    Ecosystem.GENERIC: ("Other", "generic"),
}
"""Ecosystem to Trivy's title and type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One part of a report."""

    title: str
    """`REF (debian 12.7)`, `Python`: for Trivy's `Target`. Foreign text, not yet escaped."""
    label: str
    """`debian 12.7`, `Python`: where the reference is known."""
    result_class: str
    """`os-pkgs` or `lang-pkgs`."""
    type: str
    """Trivy's type: `debian`, `python-pkg`."""
    components: tuple[Component, ...]
    findings: tuple[Finding, ...]
    unimportant: tuple[Finding, ...] = ()
    """Those that the distribution calls unimportant, if they are to be listed."""
    suppressed: tuple[Suppressed, ...] = ()
    """Vulnerabilities that ignore files and VEX documents took out."""

    @property
    def is_os(self) -> bool:
        """True for the packages of the distribution."""
        return self.result_class == "os-pkgs"


def family_of(distribution: Distribution) -> str:
    """Return Trivy's word for a distribution."""
    return _FAMILIES.get(distribution.id, distribution.id)


def distribution_id_of(family: str) -> str:
    """Return the os-release ID of a distribution that Trivy calls by this word."""
    return _IDS.get(family, family)


def type_of(ecosystem: Ecosystem) -> str:
    """Return Trivy's word for a kind of packages; a distribution's packages have its own word there."""
    return _LANGUAGES[ecosystem][1] if ecosystem in _LANGUAGES else ecosystem.value


def targets_of(report: ScanReport) -> tuple[Target, ...]:
    """Divide a report: the distribution if there is one, then each language that has packages, in a fixed order.

    Cost: Linear in the components and findings.
    """
    found = []
    components = [component for component in report.inventory.components if component.ecosystem in OS_ECOSYSTEMS]
    if components or report.inventory.distribution is not None:
        found.append(_os_target(report, tuple(components)))
    for ecosystem in Ecosystem:
        own = tuple(component for component in report.inventory.components if component.ecosystem is ecosystem)
        if not own or ecosystem in OS_ECOSYSTEMS:
            continue
        title, kind = _LANGUAGES.get(ecosystem, (ecosystem.value, ecosystem.value))
        findings = tuple(finding for finding in report.findings if finding.component.ecosystem is ecosystem)
        suppressed = _suppressed_of(report, frozenset({ecosystem}))
        target = Target(
            title=title,
            label=title,
            result_class="lang-pkgs",
            type=kind,
            components=own,
            findings=findings,
            suppressed=suppressed,
        )
        found.append(target)
    return tuple(found)


def title_of(ecosystem: Ecosystem) -> str:
    """Name a kind of packages for people."""
    return _LANGUAGES[ecosystem][0] if ecosystem in _LANGUAGES else ecosystem.value


def _os_target(report: ScanReport, components: tuple[Component, ...]) -> Target:
    distribution = report.inventory.distribution
    unimportant = report.unimportant if report.lists_unimportant else ()
    if distribution is None:
        kind = components[0].ecosystem.value
        label = f"unknown distribution, {kind} packages"
    else:
        kind = family_of(distribution)
        label = f"{kind} {distribution.version}".rstrip()
    return Target(
        title=f"{report.image.name} ({label})",
        label=label,
        result_class="os-pkgs",
        type=kind,
        components=components,
        findings=tuple(finding for finding in report.findings if finding.component.ecosystem in OS_ECOSYSTEMS),
        unimportant=tuple(finding for finding in unimportant if finding.component.ecosystem in OS_ECOSYSTEMS),
        suppressed=_suppressed_of(report, OS_ECOSYSTEMS),
    )


def _suppressed_of(report: ScanReport, ecosystems: frozenset[Ecosystem]) -> tuple[Suppressed, ...]:
    return tuple(
        one
        for one in report.suppressed
        if isinstance(one.finding, Finding) and one.finding.component.ecosystem in ecosystems
    )
