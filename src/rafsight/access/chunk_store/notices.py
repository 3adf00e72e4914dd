"""What the store says to people: each reason once, and then now and then.

This module alone decides how often. Readers in a kernel get an error number; here is what stood behind it.
"""

import threading
from collections import Counter
from typing import Final

from rafsight.base.errors import RafsightError
from rafsight.base.events import Listener, Noticed

OFTEN: Final = 100
"""After the first, every such failure of one reason is said again."""


class Notices:
    """Counts failures by reason, and says them. Thread-safe."""

    def __init__(self, listener: Listener) -> None:
        """Count nothing yet."""
        self._listener = listener
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()

    def failed(self, blob_id: str, error: RafsightError) -> None:
        """Take note that a chunk could not be had."""
        count = self._count(f"{blob_id} {error.code}")
        if count == 1:
            self._listener(Noticed(message=f"content could not be had: {error}"))
        elif count % OFTEN == 0:
            self._listener(Noticed(message=f"content could not be had, {count} times by now: {error}"))

    def say_once(self, reason: str, message: str) -> None:
        """Say something that holds from now on."""
        if self._count(reason) == 1:
            self._listener(Noticed(message=message))

    def _count(self, reason: str) -> int:
        with self._lock:
            self._seen[reason] += 1
            return self._seen[reason]
