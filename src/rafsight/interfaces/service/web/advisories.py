"""What is known about the advisory database, for metadata, readiness and pages.

This module alone decides how often the file is looked at: it may be replaced at any moment, and nobody needs to know
that within the second.
"""

import threading
import time
from pathlib import Path
from typing import Final

import rafsight
from rafsight.base.errors import RafsightError
from rafsight.interfaces.service.web.documents import DatabaseDocument

_REMEMBERED: Final = 5.0
"""[s]"""


class DatabaseWatch:
    """The database of the settings. Thread-safe; blocks for milliseconds."""

    def __init__(self, path: Path | None) -> None:
        """Look at nothing yet.

        Args:
            path: of the database; None: there is none, and packages are only listed.
        """
        self._path = path
        self._lock = threading.Lock()
        self._known: tuple[float, DatabaseDocument] | None = None

    @property
    def remembered(self) -> DatabaseDocument | None:
        """What was found a moment ago; None: it has to be looked at."""
        known = self._known
        return known[1] if known is not None and time.monotonic() - known[0] < _REMEMBERED else None

    def look(self, matched_digest: str = "") -> DatabaseDocument:
        """Look at the database.

        Args:
            matched_digest: what the store says about the last matching.
        """
        with self._lock:
            facts = self._look(matched_digest)
            self._known = (time.monotonic(), facts)
            return facts

    def _look(self, matched_digest: str) -> DatabaseDocument:
        if self._path is None:
            return _none("there is no database, so that packages are only listed", matched_digest)
        try:
            status = rafsight.Advisories(self._path).status()
        except RafsightError as error:
            return _none(error.code, matched_digest)
        return DatabaseDocument(
            available=True,
            error="",
            built=status.built,
            newest_record=status.newest_record,
            records=status.record_count,
            exploited=status.exploited_count,
            digest=status.digest,
            matched_digest=matched_digest,
        )


def _none(why: str, matched_digest: str) -> DatabaseDocument:
    return DatabaseDocument(
        available=False,
        error=why,
        built="",
        newest_record="",
        records=0,
        exploited=0,
        digest="",
        matched_digest=matched_digest,
    )
