"""A secret that was found. Values only; the secret itself is in none of them."""

from dataclasses import dataclass
from enum import StrEnum

from rafsight.base.severity import Severity


class Confidence(StrEnum):
    """How sure it is that a value is a secret, and not something that looks like one."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretPlace:
    """Where a secret was found."""

    path: bytes = b""
    """Relative to the root, without a leading slash; a member of an archive is `outer!inner`. Empty: not in a file."""
    place: str = ""
    """Where outside files: `config.Env[1]`, `history[6]`, `config.Labels[NAME]`; empty: in the file."""
    start_line: int = 1
    end_line: int = 1
    offset: int = 0
    """[bytes] in the file."""
    layer: str = ""
    """Digest of the layer that has it, where an upper layer hides it; empty: it is visible in the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLine:
    """A line around a secret, cut to what fits a report, the secret masked."""

    number: int
    content: str
    is_cause: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One secret value, or one file that is a secret as a whole, with all places where it lies."""

    rule_id: str
    category: str
    """`AWS`, `GitHub`, `private key`, ...: for grouping."""
    title: str
    severity: Severity
    confidence: Confidence
    places: tuple[SecretPlace, ...]
    """Ordered; the first speaks for all."""
    match: str
    """The line, or a piece of it, with every character of the secret replaced by `*`; empty for whole files."""
    lines: tuple[CodeLine, ...] = ()
    fingerprint: str = ""
    """Hex of a salted hash of the value, the same at all places; empty for findings by name alone."""
    remedy: str = ""
    """One sentence: what to do now."""
