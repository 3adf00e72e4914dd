"""What is asked about one image: answers of earlier scans are taken, the image is opened for all others.

An image that was scanned before is not even opened. So what opens images and lists packages is imported when it is
needed. This module alone decides when that is.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rafsight.access.finding import FoundImage
from rafsight.access.results.contract import ResultStore
from rafsight.analysis.inventory import Inventory
from rafsight.base.events import Listener
from rafsight.matching.store import AdvisoryDatabase
from rafsight.reports.document import ScanReport
from rafsight.verbs.scan.known_images import (
    KnownImage,
    KnownPackages,
    PackageQuestion,
    keep_image,
    lacks_bytes,
    recall_image,
    recall_packages,
)
from rafsight.verbs.scan.report import make_report
from rafsight.verbs.scan.terms import VULNERABILITIES, ScanTerms

if TYPE_CHECKING:
    from rafsight.access.session import Image
    from rafsight.verbs.scan.looking import Looked, Looking


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One image, and what is asked about it."""

    found: FoundImage
    store: ResultStore
    terms: ScanTerms
    listener: Listener

    def report(self, advisories: AdvisoryDatabase | None, started: float) -> ScanReport:
        """Do all that is asked.

        Args:
            advisories: None: packages are listed, and nothing is looked up.
            started: when the scan began, by `time.monotonic`.
        Raises: RegistryFault, ImageFault; MalformedConfiguration.
        """
        if self.terms.scanners == (VULNERABILITIES,):
            return make_report(self._packages(), advisories, started, self.found.cost)
        known, looked = self._everything()
        report = make_report(known, advisories, started, self.found.cost)
        return replace(
            report,
            scanners=self.terms.scanners,
            secrets=looked.secrets,
            misconfigurations=looked.misconfigurations,
            check_count=looked.check_count,
            gaps=(*report.gaps, *looked.gaps),
        )

    def _packages(self) -> KnownImage:
        """Find the packages alone; an image that was scanned before is not opened."""
        return recall_image(self.found, self.store, self._question) or self._survey(self._open())

    def _everything(self) -> tuple[KnownImage, "Looked"]:
        """Find all that is asked for; an image that was scanned before, with the same rules today, is not opened."""
        from rafsight.verbs.scan.looked_before import keep_looked, recall_looked
        from rafsight.verbs.scan.looking import Looking

        looking = Looking(self.terms)
        known = recall_image(self.found, self.store, self._question)
        looked = recall_looked(self.found, looking, self.store)
        if known is not None and looked is not None:
            return known, looked
        image = self._open(looking)
        known = known or self._survey(image)
        if looked is None:
            looked = looking.look(image, self.listener)
            if not lacks_bytes(known.packages.unread):  # such as a config, which may have secrets
                keep_looked(self.found, looking, looked, self.store)
        return known, looked

    @property
    def _question(self) -> PackageQuestion:
        if not self.terms.wants(VULNERABILITIES):
            return PackageQuestion.NONE
        return PackageQuestion.DECLARED if self.terms.declared else PackageQuestion.INSTALLED

    def _open(self, looking: "Looking | None" = None) -> "Image":
        self.found.fetch_ahead()  # what is imported now takes as long as a bootstrap is on its way
        from rafsight.analysis.engine import Analysis
        from rafsight.verbs.scan.inventory import keep_wanted

        patterns = tuple(looking.wants()) if looking is not None else ()
        if self._question is not PackageQuestion.NONE:
            patterns += Analysis(declared=self.terms.declared).wanted_patterns()
        keep = keep_wanted(patterns)
        return self.found.open(looking.keep(keep) if looking is not None else keep)

    def _survey(self, image: "Image") -> KnownImage:
        from rafsight.reports.facts import describe_image, unread_gaps
        from rafsight.verbs.scan.inventory import survey_image

        inventory, is_lasting = Inventory(distribution=None, components=(), gaps=()), True
        hunted = recall_packages(self.found.digest, self.store, self._question)
        if hunted is not None:
            inventory = hunted.inventory
        elif self._question is not PackageQuestion.NONE:
            survey = survey_image(image, self.store, self.listener, declared=self.terms.declared)
            inventory, is_lasting = survey.inventory, survey.is_lasting
        packages = KnownPackages(inventory=inventory, unread=tuple(unread_gaps(image)))
        known = KnownImage(facts=describe_image(image), packages=packages)
        if is_lasting:
            keep_image(self.found, known, self.store, self._question)
        return known
