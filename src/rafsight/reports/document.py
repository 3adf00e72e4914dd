"""What a scan says, before any format: one value that every report is made from."""

from dataclasses import dataclass
from enum import StrEnum

from rafsight.access.counting import Cost
from rafsight.analysis.inventory import Gap, Inventory
from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.secrets.finding import Secret
from rafsight.matching.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFacts:
    """One layer of the manifest."""

    digest: str
    size: int
    media_type: str
    diff_id: str = ""
    created_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFacts:
    """How much of an image one of its folders holds."""

    path: bytes
    """Relative to the root, without a leading slash; empty: files right in the root."""
    size: int
    """[bytes] of the regular files below it, without those below folders that are listed themselves."""
    file_count: int
    """Regular files, likewise."""


class ArtifactKind(StrEnum):
    """What was looked at, in Trivy's words."""

    IMAGE = "container_image"
    CYCLONEDX = "cyclonedx"
    SPDX = "spdx"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """The image that was looked at."""

    name: str
    """The reference as the user typed it."""
    format: str
    """`RAFS v6`, `RAFS v5`, `OCI layers`."""
    manifest_digest: str
    index_digest: str
    """Empty if the reference named a manifest."""
    bootstrap_digest: str
    """Digest of the bootstrap layer; empty for OCI layers."""
    config_digest: str
    config: bytes
    """The image config as JSON; empty if there is none."""
    layers: tuple[LayerFacts, ...]
    platform: str
    """`linux/amd64`; empty if unknown."""
    repo_tags: tuple[str, ...]
    repo_digests: tuple[str, ...]
    image_size: int
    """[bytes] of all layers as stored (for zran images the original layers too): what a pull would cost."""
    entry_count: int
    notes: tuple[str, ...] = ()
    """What a reader of the report should know, such as bytes that cannot be verified."""
    kind: ArtifactKind = ArtifactKind.IMAGE
    """An SBOM is reported like the image that it tells of, with the fields empty that only an image has."""
    folders: tuple[FolderFacts, ...] = ()
    """Where the bytes are: the folders of the first two levels that hold files, ordered by path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """The foreign engine that looked, instead of the own analysis."""

    name: str
    version: str
    view: str
    """How it was shown the image: `slim archive`, `mount`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """The advisory database that was asked."""

    path: str
    built: str
    """RFC 3339."""
    newest_record: str
    """RFC 3339 date of the latest `modified`."""
    record_count: int
    """0 where a foreign engine does not say."""
    digest: str
    knows_exploited: bool = False
    """It has a catalogue of the flaws that are known to be exploited, so that the others can be said not to be."""
    knows_likelihoods: bool = False
    """It has EPSS, so that flaws without a probability are such that nobody rates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAnswer:
    """What a policy of the user's says to this report."""

    expression: str
    """As the user wrote it."""
    holds: bool | None
    """True: the image fails the policy. None: it asks about something that was not looked for, or that nobody knows."""
    reasons: tuple[str, ...]
    """The facts that decide it: `critical is 2 (CVE-2024-5535 in libssl3, ...)`. Foreign text is not yet escaped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """Something that was found, and that somebody said need not be shown."""

    finding: Finding | Secret | Misconfiguration
    status: str
    """`ignored`, or what a VEX document says: `not_affected`, `fixed`, `under_investigation`."""
    statement: str
    """The reason that was given; empty if none was."""
    source: str
    """The file that says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    """All that a scan found, cost and left out."""

    image: ImageFacts
    inventory: Inventory
    findings: tuple[Finding, ...]
    """Ordered by component, then by severity (worst first), then by id."""
    gaps: tuple[Gap, ...]
    """Everything that was not looked at: the inventory's gaps and the matcher's."""
    cost: Cost
    database: DatabaseFacts | None
    """None if no database was asked: an engine that lists packages only."""
    started: str
    """RFC 3339."""
    seconds: float
    unimportant: tuple[Finding, ...] = ()
    """Flaws that the distribution itself calls without effect on security: counted, listed on demand only."""
    hidden_count: int = 0
    """Findings that filters took out of `findings`, so that a filtered report never looks like a clean one."""
    hidden_exploited: tuple[str, ...] = ()
    """Ids, ordered, of findings known to be exploited that filters took out: nobody should miss those unknowingly."""
    engine: EngineFacts | None = None
    """None for the own analysis."""
    scanners: tuple[str, ...] = ("vuln",)
    """What was looked for: `vuln`, `secret`, `misconfig`."""
    secrets: tuple[Secret, ...] = ()
    """Ordered by severity (worst first), then by place."""
    misconfigurations: tuple[Misconfiguration, ...] = ()
    """Checks that failed, ordered by severity (worst first), then by id."""
    check_count: int = 0
    """Checks of the configuration that were made."""
    suppressed: tuple[Suppressed, ...] = ()
    """What ignore files and VEX documents took out, with their reasons."""
    lists_unimportant: bool = False
    """Reports list `unimportant`, too, marked as such; they are counted nowhere else."""
    policies: tuple[PolicyAnswer, ...] = ()
    """What the user's policies say, in their order."""

    @property
    def names_packages(self) -> bool:
        """False for a scan that looked for no packages, so that "none" would say nothing."""
        return "vuln" in self.scanners or bool(self.inventory.components)
