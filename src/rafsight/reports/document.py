"""What a scan says, before any format: one value that every report is made from."""

from dataclasses import dataclass

from rafsight.access.counting import Cost
from rafsight.analysis.inventory import Gap, Inventory
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
    lists_unimportant: bool = False
    """Reports list `unimportant`, too, marked as such; they are counted nowhere else."""
