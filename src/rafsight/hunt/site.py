"""What a process that takes part in work has: the way to images, and who hears what happens."""

from dataclasses import dataclass

from rafsight.access.fleet import Fleet
from rafsight.access.options import Options
from rafsight.base.events import Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One process. Thread-safe."""

    options: Options
    fleet: Fleet
    jobs: int
    """Images at the same time."""
    listener: Listener
