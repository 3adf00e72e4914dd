"""What a search for secrets found, and how much it looked at. Values only."""

from dataclasses import dataclass

from rafsight.analysis.inventory import Gap
from rafsight.analysis.secrets.finding import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """How much was looked at."""

    files: int = 0
    """Files whose content was read."""
    size: int = 0
    """[bytes] of them."""
    members: int = 0
    """Files inside archives."""
    hidden_files: int = 0
    """Files of lower layers that upper ones hide, of the `files`."""
    texts: int = 0
    """Values of the image config: environment, labels, steps of the history, ..."""
    names: int = 0
    """Files whose paths and sizes were looked at: all of the image."""
    packaged: int = 0
    """Files that were left alone because a distribution or package manager brought them, or for their kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretReport:
    """The result of a search for secrets."""

    secrets: tuple[Secret, ...]
    """The worst first."""
    gaps: tuple[Gap, ...]
    looked_at: LookedAt
    allowed: int
    """Secrets that a comment beside them or the configuration allows; they are not among the others."""
