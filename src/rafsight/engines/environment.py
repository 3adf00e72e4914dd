"""What a foreign program gets to see of the user's environment.

This module alone decides that: where it finds programs, its home and its cache, and what an adapter names of the
engine's own variables. No proxy, no credential, nothing of other programs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rafsight.engines.engine import Traits

_SHARED: Final = frozenset({"HOME", "PATH", "XDG_CACHE_HOME"})


def environment_for(traits: Traits, environment: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """Choose the environment of an engine.

    Args:
        traits: of the engine.
        environment: of the user.
        scratch: for its temporary files.
    """
    seen = {name: value for name, value in environment.items() if name in _SHARED or name in traits.passed}
    return {**seen, "TMPDIR": str(scratch), **traits.forced}
