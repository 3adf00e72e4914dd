"""A check that failed. Values only."""

from dataclasses import dataclass

from rafsight.base.severity import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One place where a check failed."""

    path: bytes = b""
    """Relative to the root, without a leading slash; empty: not a file."""
    place: str = ""
    """Where outside files: `config.User`, `history[3]`; empty: it is the file, or a line of it."""
    line: int = 0
    """In the file, from 1; 0: the file as such."""
    detail: str = ""
    """What was met there: `mode 4755, owner 0:0`, `PermitRootLogin yes`. Never a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misconfiguration:
    """One check that failed, with all places where it did."""

    id: str
    """`RS-CFG-001`: stable, for ignore files."""
    aliases: tuple[str, ...]
    """Ids that other scanners have for the same check: `DS-0002`, `AVD-DS-0002`, `CIS-DI-0001`."""
    category: str
    """`image config`, `history`, `permissions`, `accounts`, `services`, `distribution`, ..."""
    title: str
    severity: Severity
    description: str
    """Why it matters, in a sentence or two."""
    message: str
    """What is wrong here, in one sentence."""
    resolution: str
    references: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    """Ordered; of very many the first."""
    count: int
    """Places altogether."""
