"""What is kept between scans on this machine, for the API and the pages.

This module alone decides how often that is counted: in a large cache it takes seconds.
"""

import time
from pathlib import Path
from typing import Final

import rafsight
from rafsight.interfaces.service.web.documents import CacheDocument, CachePartDocument

_REMEMBERED: Final = 60.0
"""[s]"""


class CacheWatch:
    """The cache folder of the settings. For one thread at a time; blocks, possibly for seconds."""

    def __init__(self, folder: Path | None) -> None:
        """Look at nothing yet.

        Args:
            folder: of the cache; None: nothing is kept.
        """
        self._folder = folder
        self._known: tuple[float, CacheDocument] | None = None

    def look(self) -> CacheDocument:
        """Say what the cache holds, as of the last minute."""
        if self._folder is None:
            return CacheDocument(size=0, parts=[])
        if self._known is None or time.monotonic() - self._known[0] > _REMEMBERED:
            status = rafsight.Caches(self._folder).status()
            parts = [CachePartDocument(name=part.name, title=part.title, size=part.size) for part in status.parts]
            self._known = (time.monotonic(), CacheDocument(size=status.size, parts=parts))
        return self._known[1]
