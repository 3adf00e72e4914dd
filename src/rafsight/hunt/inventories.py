"""The packages of many images: a file that several have is read once, though they are looked at side by side.

This module alone decides who reads first. What an image has is kept by the digest of its manifest, as scans keep it,
and what analyzers say about a file by its content (`access/results`); whoever wants an answer that another is about to
get waits for it, holding nothing meanwhile.
"""

import threading
from collections.abc import Collection, Mapping

from rafsight.access.layers import Keep
from rafsight.access.results.contract import ResultStore
from rafsight.access.session import Image
from rafsight.analysis.engine import Analysis
from rafsight.reports.facts import unread_gaps
from rafsight.verbs.scan.inventory import Survey, keep_wanted, survey_image
from rafsight.verbs.scan.known_images import KnownPackages, PackageQuestion, keep_packages, recall_packages


class Inventories:
    """Takes the inventories of images. Thread-safe."""

    def __init__(self, store: ResultStore) -> None:
        """Begin.

        Args:
            store: where answers are kept.
        """
        self._store = store
        self._readers = _Readers()

    def recall(self, digest: str) -> KnownPackages | None:
        """Return what an earlier scan or hunt found in an image.

        Args:
            digest: of its manifest.
        Cost: no request.
        """
        return recall_packages(digest, self._store, PackageQuestion.INSTALLED)

    def take(self, image: Image, digest: str) -> Survey:
        """Find the installed packages of an image.

        Args:
            image: open.
            digest: of its manifest.
        Cost: one plan of reads for each wave of the analysis, of the files that no earlier image had; none for an image
            that was scanned or hunted before.
        """
        known = self.recall(digest)
        if known is not None:
            return Survey(inventory=known.inventory, is_lasting=True)
        turn = _Turn(self._store, self._readers)
        try:
            survey = survey_image(image, turn)
        finally:
            turn.close()
        if survey.is_lasting:
            packages = KnownPackages(inventory=survey.inventory, unread=tuple(unread_gaps(image)))
            keep_packages(digest, packages, self._store, PackageQuestion.INSTALLED)
        return survey

    @staticmethod
    def keep() -> Keep:
        """Tell what of plain layers is wanted, for one image."""
        return keep_wanted(Analysis().wanted_patterns())


class _Readers:
    """Who reads what at the moment."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._claimed: set[bytes] = set()

    def claim(self, keys: set[bytes]) -> bool:
        """Take all of some answers; if another is about to get one of them, wait for that and take none."""
        with self._moved:
            if self._claimed.isdisjoint(keys):
                self._claimed |= keys
                return True
            self._moved.wait_for(lambda: self._claimed.isdisjoint(keys))
            return False

    def release(self, keys: Collection[bytes]) -> None:
        """Give some answers back, got or not."""
        with self._moved:
            self._claimed.difference_update(keys)
            self._moved.notify_all()


class _Turn:
    """The store as one image sees it: asked once a wave, told what the wave has found before it is asked again."""

    def __init__(self, store: ResultStore, readers: _Readers) -> None:
        self._store = store
        self._readers = readers
        self._mine: set[bytes] = set()

    def fetch(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """See ResultStore; what is not there is for the caller to get, and for no other."""
        self.close()
        wanted = set(keys)
        while True:  # ends: each round waits until somebody has got what was missing, or given up
            known = self._store.fetch(wanted)
            missing = wanted - known.keys()
            if not missing:
                return known
            if self._readers.claim(missing):
                break
        late = self._store.fetch(missing)  # kept between the look and the claim
        self._readers.release(late.keys())
        self._mine = missing - late.keys()
        return known | late

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        """See ResultStore."""
        self._store.keep(values)
        self.close()

    def close(self) -> None:
        """Let others get what was not got here."""
        mine, self._mine = self._mine, set()
        self._readers.release(mine)
