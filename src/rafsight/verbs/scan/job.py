"""What is asked about one image: answers of earlier scans are taken, the image is opened for all others.

An image that was scanned before is not even opened. So what opens images and lists packages is imported when it is
needed. This module alone decides when that is.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rafsight.access.finding import FoundImage
from rafsight.access.results.contract import ResultStore
from rafsight.analysis.inventory import Component, Ecosystem, Inventory
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


_LICENSED: Final = {
    PackageQuestion.INSTALLED: PackageQuestion.LICENSED,
    PackageQuestion.DECLARED: PackageQuestion.DECLARED_LICENSED,
}
"""Questions for packages, and the same ones for their licences, too."""


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
        return self._recall() or self._survey(self._open())

    def _everything(self) -> tuple[KnownImage, "Looked"]:
        """Find all that is asked for; an image that was scanned before, with the same rules today, is not opened."""
        from rafsight.verbs.scan.looked_before import keep_looked, recall_looked
        from rafsight.verbs.scan.looking import Looking

        looking = Looking(self.terms)
        known = self._recall()
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

    def _recall(self) -> KnownImage | None:
        """Return what an earlier scan found; one without licences will do where there are none to be read."""
        known = recall_image(self.found, self.store, self._question)
        if known is None and self.terms.licenses:
            without = recall_image(self.found, self.store, self._plain_question)
            if without is not None and not any(map(_lacks_licenses, without.packages.inventory.components)):
                return without
        return known

    @property
    def _question(self) -> PackageQuestion:
        plain = self._plain_question
        return _LICENSED.get(plain, plain) if self.terms.licenses else plain

    @property
    def _plain_question(self) -> PackageQuestion:
        if not self.terms.wants(VULNERABILITIES):
            return PackageQuestion.NONE
        return PackageQuestion.DECLARED if self.terms.declared else PackageQuestion.INSTALLED

    def _open(self, looking: "Looking | None" = None) -> "Image":
        self.found.fetch_ahead()  # what is imported now takes as long as a bootstrap is on its way
        from rafsight.analysis.engine import Analysis
        from rafsight.verbs.scan.inventory import keep_wanted

        patterns = tuple(looking.wants()) if looking is not None else ()
        if self._question is not PackageQuestion.NONE:
            analysis = Analysis(declared=self.terms.declared, licenses=self.terms.licenses)
            patterns += analysis.wanted_patterns()
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
            survey = survey_image(
                image, self.store, self.listener, declared=self.terms.declared, licenses=self.terms.licenses
            )
            inventory, is_lasting = survey.inventory, survey.is_lasting
        packages = KnownPackages(inventory=inventory, unread=tuple(unread_gaps(image)))
        known = KnownImage(facts=describe_image(image), packages=packages)
        if is_lasting:
            keep_image(self.found, known, self.store, self._question)
        return known


def _lacks_licenses(component: Component) -> bool:
    """Tell whether there may be a file that says a package's licences: those of Debian's packages alone have one."""
    return component.ecosystem is Ecosystem.DEB and not component.licenses
