"""What an answer cost: requests and bytes, counted where they happen."""

from dataclasses import dataclass, field
from threading import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What was paid so far."""

    requests: int = 0
    """HTTP requests (for local sources: reads)."""
    bytes_fetched: int = 0
    """[bytes] of bodies that came in."""
    bytes_needed: int = 0
    """[bytes] that could not be done without: documents, the bootstrap, the stored chunks of what was asked for."""
    bytes_sent: int = 0
    """[bytes] of bodies that went out."""


@dataclass(slots=True)
class Meter:
    """Adds up the cost; shared by the threads of one image."""

    whole: "Meter | None" = None
    """Of many images, where this one is of one of them: counts all of it, too."""
    _requests: int = 0
    _bytes: int = 0
    _needed: int = 0
    _sent: int = 0
    _lock: Lock = field(default_factory=Lock)

    def count(self, *, requests: int = 0, received: int = 0, needed: int = 0, sent: int = 0) -> None:
        """Add to the cost; `received`, `needed` and `sent` in bytes."""
        with self._lock:
            self._requests += requests
            self._bytes += received
            self._needed += needed
            self._sent += sent
        if self.whole is not None:
            self.whole.count(requests=requests, received=received, needed=needed, sent=sent)

    @property
    def cost(self) -> Cost:
        """What was paid so far."""
        with self._lock:
            return Cost(
                requests=self._requests,
                bytes_fetched=self._bytes,
                bytes_needed=self._needed,
                bytes_sent=self._sent,
            )
