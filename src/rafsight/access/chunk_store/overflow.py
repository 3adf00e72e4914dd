"""Chunks that cannot be on disk: in memory, the least recently used go first.

This module alone decides how much memory that is.
"""

import threading
from collections import OrderedDict
from typing import Final

from rafsight.base.units import MiB

OVERFLOW_SIZE: Final = 64 * MiB
"""[bytes]"""

Key = tuple[int, int]
"""Blob, and number of the chunk in the store's order."""


class Overflow:
    """Verified chunks in memory. Thread-safe."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._chunks: OrderedDict[Key, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """True if no chunk is here."""
        return not self._chunks

    def get(self, key: Key) -> bytes | None:
        """Return a chunk if it is here."""
        if not self._chunks:
            return None
        with self._lock:
            content = self._chunks.get(key)
            if content is not None:
                self._chunks.move_to_end(key)
            return content

    def put(self, key: Key, content: bytes) -> None:
        """Hold a chunk, unless it alone would take half of the place."""
        if len(content) > OVERFLOW_SIZE // 2:
            return
        with self._lock:
            self._size += len(content) - len(self._chunks.pop(key, b""))
            self._chunks[key] = content
            while self._size > OVERFLOW_SIZE:
                self._size -= len(self._chunks.popitem(last=False)[1])
