"""What a caller may say about a search for secrets. Values only."""

from dataclasses import dataclass
from pathlib import Path

from rafsight.access.settings_file import SettingsFile
from rafsight.analysis.secrets.selection import MAX_SIZE
from rafsight.verbs.scan.terms import SECRET_BUDGET


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretTerms:
    """How secrets are searched. The defaults read `rafsight.yaml` in the working directory if it is there."""

    config: Path | SettingsFile | None = None
    """A configuration file, or one that was read already; None looks for one in the working directory."""
    budget: int = SECRET_BUDGET
    """[bytes] that may be fetched for it; the largest risk comes first, the rest is a gap."""
    max_size: int = MAX_SIZE
    """[bytes] of files that are searched; larger ones are a gap where they should be."""
    cache_dir: Path | None = None
    """Where the salt of this installation is kept; None: each run has its own, if the configuration has none."""
