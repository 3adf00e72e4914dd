"""Many images are scanned: each distinct one once, and its report comes as soon as it is there.

What was scanned before is in the cache of results, which spares a state of its own. This module alone decides what a
report of one of many says about its names.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

from rafsight.hunt.corpus import Corpus
from rafsight.hunt.roll import NamedImage, Roll
from rafsight.hunt.scanning import SCAN
from rafsight.hunt.work import Crew
from rafsight.reports.hunting import HuntFailure, HuntTally
from rafsight.reports.scanned import ScannedImage, receive
from rafsight.reports.selection import is_complete


class ScanCampaign:
    """The scans of a corpus. `run` may be called once, from one thread."""

    def __init__(self, *, roll: Roll, crew: Crew) -> None:
        """Prepare; nothing is asked yet.

        Args:
            roll: finds the images.
            crew: scans them.
        """
        self._roll = roll
        self._crew = crew
        self._began = time.monotonic()
        self._images = self._matches = self._unseen = 0

    @property
    def failures(self) -> tuple[HuntFailure, ...]:
        """What could not be scanned so far, in the order of the corpus."""
        return self._roll.failures

    @property
    def tally(self) -> HuntTally:
        """What was done so far; images with findings are matches, those that were not looked at as a whole unseen."""
        spent = self._crew.spent
        return HuntTally(
            names=self._roll.name_count,
            images=self._images,
            remembered=0,
            matches=self._matches,
            unseen=self._unseen,
            passed_over=self._roll.passed_over,
            contents=0,
            requests=spent.requests,
            bytes_fetched=spent.bytes_fetched,
            seconds=time.monotonic() - self._began,
        )

    def run(self, corpus: Corpus) -> Iterator[ScannedImage]:
        """Scan all images.

        Raises: RegistryFault: a registry does not list its repositories; NoDatabase, DatabaseDamaged.
        Cost: a request for each name, and a scan of each distinct image.
        """
        try:
            images = {image.lead.digest: image for image in self._roll.call(corpus)}
            for done in self._crew.spread(SCAN, [image.lead for image in images.values()]):
                image = images[done.item.digest]
                if done.fault is not None:
                    self._roll.fail(image, done.fault)
                if done.result is not None:
                    yield self._counted(_named(image, done.result))
        except BaseException:  # whoever ends early does not wait for the threads
            self._crew.end()
            raise

    def _counted(self, scanned: ScannedImage) -> ScannedImage:
        report = scanned.report
        self._images += 1
        self._matches += bool(report.findings or report.secrets or report.misconfigurations)
        self._unseen += not is_complete(report)
        return scanned


def _named(image: NamedImage, sent: object) -> ScannedImage:
    report = receive(sent)
    return ScannedImage(names=image.names, report=replace(report, image=replace(report.image, name=image.names[0])))
