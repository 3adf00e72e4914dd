"""What the global options say; one value for a whole command line, filled while it is parsed."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True, kw_only=True)
class Settings:
    """The global options. Mutable: they may stand before and after the command's name."""

    quiet: bool = False
    debug: bool = False
    no_progress: bool = False
    cache_dir: Path | None = None
    """None: where the environment says."""
