"""What a check says, before any format: one value that text, JSON and JUnit are made from."""

from dataclasses import dataclass
from enum import Enum

from rafsight.access.counting import Cost
from rafsight.formats.judge import Fault


class Verdict(Enum):
    """What a check concludes about an image."""

    SOUND = "sound"
    """All that was to be looked at was looked at, and no rule is broken (warnings may be there)."""
    UNSOUND = "unsound"
    """At least one rule is broken."""
    UNKNOWN = "could not check"
    """No rule was seen broken, but something could not be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """Something that could not be looked at."""

    subject: str
    """`blob sha256:...`, `image config`, `chunks of blob 3`."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part of a check: a test case of the JUnit form."""

    name: str
    """Stable name for programs: `manifest`, `config`, `bootstrap`, `metadata`, `blobs`, `chunk-info`, `chunks`,
    `source`."""
    title: str
    """For people: `metadata of the bootstrap`."""
    faults: tuple[Fault, ...] = ()
    """In the order found; of a rule that is broken in very many places the first ones."""
    counts: tuple[tuple[str, int], ...] = ()
    """(rule code, places that break it), also those that `faults` leaves out."""
    unchecked: tuple[Unchecked, ...] = ()
    facts: tuple[tuple[str, int], ...] = ()
    """What was looked at, for people: (`inodes`, 215), (`chunks`, 83), (`bytes`, 39492)."""
    skipped: str = ""
    """Why the step was not done at all though nothing failed: not asked for, nothing of the kind in this image."""
    remark: str = ""
    """What many of the faults have in common, as a sentence for people."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One image (one manifest) that was checked."""

    title: str
    """`Nydus image`, `OCI half`."""
    format: str
    """`RAFS v6`, `RAFS v5`, `OCI layers`; empty if it could not be told."""
    manifest_digest: str
    platform: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """All that a check found, cost and left out."""

    reference: str
    index_digest: str
    """Empty if the reference named a manifest or a bare bootstrap."""
    images: tuple[Checked, ...]
    """The Nydus image first; for a merged index the OCI half, too."""
    verdict: Verdict
    cost: Cost
    started: str
    """RFC 3339."""
    seconds: float
