"""What a presenting registry did so far."""

from dataclasses import dataclass, field, replace
from threading import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentStatistics:
    """Numbers since it began."""

    requests: int = 0
    """Requests of clients."""
    failed: int = 0
    """Of them, those that were answered by a status of 500 and more, or broke off."""
    images_shown: int = 0
    """Manifests and indexes that were handed out in the place of Nydus ones, or told about."""
    images_made: int = 0
    """Plain images that were made for that."""
    layers_made: int = 0
    original_size: int = 0
    """[bytes] of the layers that the images which were made have in the registry."""
    made_size: int = 0
    """[bytes] of the layers that were made."""
    bytes_served: int = 0
    """[bytes] of bodies that went to clients."""
    bytes_fetched: int = 0
    """[bytes] of bodies that came from the registry."""
    bytes_passed: int = 0
    """[bytes] of them that went on to clients as they were."""
    registry_requests: int = 0
    """Requests to the registry."""


@dataclass(slots=True)
class Counter:
    """Counts. Thread-safe."""

    _numbers: PresentStatistics = field(default_factory=PresentStatistics)
    _lock: Lock = field(default_factory=Lock)

    def add(self, **more: int) -> None:
        """Add to some numbers, by their names."""
        with self._lock:
            changed = {name: getattr(self._numbers, name) + amount for name, amount in more.items()}
            self._numbers = replace(self._numbers, **changed)

    @property
    def numbers(self) -> PresentStatistics:
        """What was counted so far."""
        return self._numbers
