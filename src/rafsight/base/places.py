"""Where files of ours lie, as an environment says.

This module alone decides it. It looks into no environment by itself: who has one hands it over.
"""

from collections.abc import Mapping
from pathlib import Path


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the cache folder that an environment names: RAFSIGHT_CACHE_DIR, XDG_CACHE_HOME, HOME.

    Args:
        environment: of a process.
    """
    own = environment.get("RAFSIGHT_CACHE_DIR")
    if own:
        return Path(own)
    shared = environment.get("XDG_CACHE_HOME")
    if shared and Path(shared).is_absolute():
        return Path(shared) / "rafsight"
    return Path(environment.get("HOME") or Path.home()) / ".cache" / "rafsight"
