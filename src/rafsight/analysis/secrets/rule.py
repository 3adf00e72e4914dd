"""Rules: what a secret looks like, and which files are findings by their name. Values only.

This module alone decides what a rule consists of; `rule_file.py` reads them, `matching.py` applies them.
"""

from dataclasses import dataclass
from enum import StrEnum

from rafsight.analysis.secrets.finding import Confidence
from rafsight.base.severity import Severity


class RuleKind(StrEnum):
    """How much of a secret a rule knows; of two that claim the same bytes the more specific one counts."""

    TOKEN = "token"  # noqa: S105 - the name of a kind
    """The value is known by its own shape, anywhere: also in the raw bytes of binaries."""
    CONTEXT = "context"
    """The value is known by what stands beside it."""
    GENERIC = "generic"
    """Something that is called a secret is given a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleExample:
    """A text beside a rule that tests it."""

    text: str
    """May hold generators such as `{{alnum 36}}`."""
    path: str
    """The file that it stands in."""
    is_secret: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The shape of one kind of secret."""

    id: str
    category: str
    title: str
    severity: Severity
    confidence: Confidence
    kind: RuleKind
    keywords: tuple[bytes, ...]
    """Lower-case literals, one of which is in every match; empty: the rule is tried on each file of its paths."""
    pattern: bytes
    """Regular expression; its group `secret` is the value, else the whole match. The group `hidden` is what has to be
    masked of it, else all of it."""
    min_entropy: float
    """[bits] a byte, of the value."""
    checks: tuple[str, ...]
    """Names of functions in `checks.py`."""
    filters: tuple[str, ...]
    """Names of functions in `filters.py`."""
    paths: tuple[bytes, ...]
    """Patterns; empty: any file."""
    remedy: str
    examples: tuple[RuleExample, ...]
    source: str
    """Where it was written: `built in`, or a file and a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRule:
    """A file that is a finding by its name and size."""

    id: str
    category: str
    title: str
    severity: Severity
    confidence: Confidence
    paths: tuple[bytes, ...]
    exceptions: tuple[bytes, ...]
    """Patterns of paths that are none after all."""
    min_size: int
    """[bytes]"""
    is_confirmed_by_secret: bool
    """Once its content was read, it is a finding only if a rule found a secret there, and then that one's."""
    magic: tuple[str, ...]
    """Hex of how the content begins, `?` for any digit; once it was read, it has to begin like one of them."""
    remedy: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """All rules that apply."""

    rules: tuple[Rule, ...]
    """Specific ones first: of two of the same kind that claim the same bytes, the earlier counts."""
    file_rules: tuple[FileRule, ...]
