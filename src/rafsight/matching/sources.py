"""Who publishes a record: names, addresses, and whether its records bundle fixes.

This module alone decides what an id says about its origin. A *bundle* (an erratum) is about a package update and may
name many flaws, so it never says that two ids are the same flaw.
"""

import re
from dataclasses import dataclass
from typing import Final

from rafsight.matching.finding import DataSource

CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}\Z")

_OSV_PAGE: Final = "https://osv.dev/vulnerability/{id}"
_CVE_PAGE: Final = "https://nvd.nist.gov/vuln/detail/{id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """A database of advisories."""

    source: DataSource
    prefixes: tuple[str, ...] = ()
    """Beginnings of the ids of its records."""
    bundles: tuple[str, ...] = ()
    """Beginnings of the ids of its errata."""
    bases: tuple[str, ...] = ()
    """Ecosystems whose records with foreign ids are its own."""
    page: str = _OSV_PAGE
    """Address of a record, with `{id}`."""
    cve_page: str = ""
    """Address of what it says about a CVE, with `{id}`; empty if it has no such pages."""
    nested: str = ""
    """What its ids put before a CVE (`DEBIAN-`)."""


def _source(name: str, title: str, url: str) -> DataSource:
    return DataSource(id=name, name=title, url=url)


OSV: Final = Publisher(source=_source("osv", "OSV", "https://osv.dev"))
PUBLISHERS: Final[tuple[Publisher, ...]] = (
    Publisher(
        source=_source("ghsa", "GitHub Advisory Database", "https://github.com/advisories"),
        prefixes=("GHSA-",),
        page="https://github.com/advisories/{id}",
    ),
    Publisher(
        source=_source("pypa", "Python Packaging Advisory Database", "https://github.com/pypa/advisory-database"),
        prefixes=("PYSEC-",),
    ),
    Publisher(
        source=_source("go-vulndb", "Go Vulnerability Database", "https://pkg.go.dev/vuln"),
        prefixes=("GO-",),
        page="https://pkg.go.dev/vuln/{id}",
    ),
    Publisher(
        source=_source("rustsec", "RustSec Advisory Database", "https://rustsec.org"),
        prefixes=("RUSTSEC-",),
        page="https://rustsec.org/advisories/{id}.html",
    ),
    Publisher(
        source=_source(
            "ossf-malicious-packages", "OpenSSF Malicious Packages", "https://github.com/ossf/malicious-packages"
        ),
        prefixes=("MAL-",),
    ),
    Publisher(
        source=_source("debian", "Debian Security Tracker", "https://security-tracker.debian.org"),
        prefixes=("DEBIAN-",),
        bundles=("DSA-", "DLA-", "DTSA-", "ELA-"),
        bases=("Debian",),
        page="https://security-tracker.debian.org/tracker/{id}",
        cve_page="https://security-tracker.debian.org/tracker/{id}",
        nested="DEBIAN-",
    ),
    Publisher(
        source=_source("ubuntu", "Ubuntu CVE Tracker", "https://ubuntu.com/security"),
        prefixes=("UBUNTU-",),
        bundles=("USN-", "LSN-"),
        bases=("Ubuntu",),
        page="https://ubuntu.com/security/notices/{id}",
        cve_page="https://ubuntu.com/security/{id}",
        nested="UBUNTU-",
    ),
    Publisher(
        source=_source("alpine", "Alpine Security Database", "https://security.alpinelinux.org"),
        prefixes=("ALPINE-",),
        bases=("Alpine",),
        cve_page="https://security.alpinelinux.org/vuln/{id}",
        nested="ALPINE-",
    ),
    Publisher(
        source=_source("alma", "AlmaLinux Errata", "https://errata.almalinux.org"),
        bundles=("ALSA-", "ALBA-", "ALEA-"),
        bases=("AlmaLinux",),
    ),
    Publisher(
        source=_source("rocky", "Rocky Linux Errata", "https://errata.rockylinux.org"),
        bundles=("RLSA-", "RXSA-", "RLBA-", "RLEA-"),
        bases=("Rocky Linux",),
        page="https://errata.rockylinux.org/{id}",
    ),
    Publisher(
        source=_source("redhat", "Red Hat Security Data", "https://access.redhat.com/security"),
        bundles=("RHSA-", "RHBA-", "RHEA-"),
        bases=("Red Hat",),
        page="https://access.redhat.com/errata/{id}",
        cve_page="https://access.redhat.com/security/cve/{id}",
    ),
    Publisher(
        source=_source("suse", "SUSE Security Updates", "https://www.suse.com/support/update"),
        bundles=("SUSE-", "openSUSE-"),
        bases=("SUSE", "openSUSE"),
        cve_page="https://www.suse.com/security/cve/{id}.html",
    ),
    Publisher(
        source=_source("chainguard", "Chainguard Security Advisories", "https://images.chainguard.dev/security"),
        prefixes=("CGA-",),
        bases=("Chainguard",),
    ),
    Publisher(
        source=_source("wolfi", "Wolfi Security Advisories", "https://github.com/wolfi-dev/advisories"),
        bases=("Wolfi",),
    ),
    Publisher(
        source=_source("bitnami", "Bitnami Vulnerability Database", "https://github.com/bitnami/vulndb"),
        prefixes=("BIT-",),
        bases=("Bitnami",),
    ),
    Publisher(
        source=_source("openeuler", "openEuler Security Advisories", "https://www.openeuler.org/en/security"),
        bundles=("OESA-",),
        bases=("openEuler",),
    ),
    Publisher(
        source=_source("mageia", "Mageia Advisories", "https://advisories.mageia.org"),
        bundles=("MGASA-",),
        bases=("Mageia",),
        page="https://advisories.mageia.org/{id}.html",
    ),
    Publisher(
        source=_source(
            "photon", "Photon OS Security Advisories", "https://github.com/vmware/photon/wiki/Security-Advisories"
        ),
        bundles=("PHSA-", "PSEC-"),
        bases=("Photon OS",),
    ),
    Publisher(
        source=_source(
            "azure", "Azure Linux Vulnerability Data", "https://github.com/microsoft/AzureLinuxVulnerabilityData"
        ),
        prefixes=("AZL-",),
        bases=("Azure Linux",),
    ),
    Publisher(
        source=_source("echo", "Echo Advisories", "https://www.echohq.com"), prefixes=("ECHO-",), bases=("Echo",)
    ),
    Publisher(
        source=_source("minimos", "MinimOS Advisories", "https://www.minimus.io"),
        prefixes=("MINI-",),
        bases=("MinimOS",),
    ),
    Publisher(
        source=_source("drupal", "Drupal Security Advisories", "https://www.drupal.org/security"), prefixes=("DRUPAL-",)
    ),
    Publisher(
        source=_source("nodejs-security-wg", "Node.js Security Working Group", "https://github.com/nodejs/security-wg"),
        prefixes=("NSWG-",),
    ),
    Publisher(source=_source("eef", "Erlang Ecosystem Foundation", "https://cna.erlef.org"), prefixes=("EEF-",)),
)

_BUG_FIXES: Final = ("ALBA-", "ALEA-", "RLBA-", "RLEA-", "RHBA-", "RHEA-")


def publisher_of(name: str, base: str) -> Publisher:
    """Return who publishes a record.

    Args:
        name: its id.
        base: the ecosystem that it was found in.
    """
    for publisher in PUBLISHERS:
        if name.startswith(publisher.prefixes + publisher.bundles):
            return publisher
    return next((publisher for publisher in PUBLISHERS if base in publisher.bases), OSV)


def is_bundle(name: str) -> bool:
    """Tell whether an id is that of an erratum, which may name many flaws."""
    return any(name.startswith(publisher.bundles) for publisher in PUBLISHERS if publisher.bundles)


def is_bug_fix(name: str) -> bool:
    """Tell whether an id is that of an erratum that is about security only if it names a flaw."""
    return name.startswith(_BUG_FIXES)


def is_cve(name: str) -> bool:
    """Tell whether an id is a CVE."""
    return CVE.match(name) is not None


def page_of(name: str, publisher: Publisher) -> str:
    """Return the address of the page that explains an id best.

    Args:
        name: any id of a flaw.
        publisher: of the record that was matched.
    """
    if is_cve(name):
        return (publisher.cve_page or _CVE_PAGE).format(id=name)
    own = publisher_of(name, "")
    if own.nested and name.startswith(own.nested) and own.cve_page:
        return own.cve_page.format(id=name.removeprefix(own.nested))
    return own.page.format(id=name)
