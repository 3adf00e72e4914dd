"""A vulnerability in a component. Values only."""

from dataclasses import dataclass
from enum import StrEnum

from rafsight.analysis.inventory import Component
from rafsight.base.severity import Severity


class Status(StrEnum):
    """What is known about a fix, in Trivy's words."""

    FIXED = "fixed"
    AFFECTED = "affected"
    WILL_NOT_FIX = "will_not_fix"
    FIX_DEFERRED = "fix_deferred"
    END_OF_LIFE = "end_of_life"
    UNDER_INVESTIGATION = "under_investigation"


@dataclass(frozen=True, slots=True, kw_only=True)
class CvssRating:
    """One CVSS vector with its base score."""

    source: str
    """`ghsa`, `debian`, `nvd`, `osv`, ...: who says so."""
    version: str
    """`2`, `3.0`, `3.1`, `4.0`."""
    vector: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """Where an advisory comes from."""

    id: str
    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One vulnerability in one component; ids joined by aliases are one finding."""

    id: str
    """CVE if there is one, else GHSA, else the ecosystem's own id."""
    aliases: tuple[str, ...]
    """All other ids of the same flaw, ordered."""
    advisories: tuple[str, ...]
    """Ids of the records that matched, vendor ids such as DSA included."""
    component: Component
    status: Status
    fixed_versions: tuple[str, ...]
    severity: Severity
    severity_source: str
    ratings: tuple[CvssRating, ...]
    vendor_severities: tuple[tuple[str, Severity], ...]
    title: str
    description: str
    references: tuple[str, ...]
    primary_url: str
    cwe_ids: tuple[str, ...]
    published: str
    """RFC 3339, empty if unknown."""
    modified: str
    data_source: DataSource
    known_exploited: bool
    """Listed in CISA's catalogue."""
    malware: bool = False
    """The package itself is malicious (MAL- records)."""
    kernel_headers: bool = False
    """The component is headers of a kernel that does not run in the image; the severity is capped."""
    fix_channel: str = ""
    """Where the fix is to be had, if not in the release's ordinary repositories: `Ubuntu Pro`."""
    epss: float | None = None
    """Probability that it is exploited within 30 days, as FIRST's EPSS says; None where nothing is known."""
    epss_percentile: float | None = None
    """Share of all rated flaws that are at most as likely."""
