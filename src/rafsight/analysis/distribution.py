"""Which distribution an image is, from all that its release files say.

This module alone decides how they are weighed: the first file of the order in `os/release.py` names the distribution; a
later file of the same distribution may only say its version more exactly (`12` becomes `12.7`).
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from rafsight.analysis.inventory import Distribution
from rafsight.analysis.os.release import PRIORITY

_RANK: Final = {path: rank for rank, path in enumerate(PRIORITY)}
_NAME_RANK: Final = {path.rpartition(b"/")[2]: rank for path, rank in _RANK.items()}


def merge_distributions(found: Iterable[tuple[bytes, Distribution]]) -> Distribution | None:
    """Weigh what the files say.

    Args:
        found: (path, what the file there says), in any order.
    """
    ordered = sorted(found, key=lambda pair: (_rank(pair[0]), pair[0]))
    if not ordered:
        return None
    first = ordered[0][1]
    for _, other in ordered[1:]:
        if other.id == first.id:
            version = other.version if _refines(first, other) else first.version
            first = replace(first, version=version, codename=first.codename or other.codename)
    return first


def _rank(path: bytes) -> int:
    """Return the place of a file in the order; one that a link led to somewhere else counts by its name."""
    return _RANK.get(path, _NAME_RANK.get(path.rpartition(b"/")[2], len(_RANK)))


def _refines(first: Distribution, other: Distribution) -> bool:
    """Tell whether a version says more: `12.7` after `12`, or anything after nothing."""
    return other.version.startswith(f"{first.version}.") if first.version else bool(other.version)
