"""A whole scan: an image is found, its packages are listed, the advisory database is asked.

An image that was scanned before is not even opened. So what opens images and lists packages is imported when it is
needed. This module alone decides the order, and what a report is made of.
"""

import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rafsight.access.counting import Cost
from rafsight.access.finding import FoundImage, find_image
from rafsight.access.options import Options
from rafsight.access.results.contract import ResultStore
from rafsight.access.results.opening import open_results
from rafsight.analysis.inventory import Inventory
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.events import Listener, silent
from rafsight.matching.matcher import MatchResult, match
from rafsight.matching.store import AdvisoryDatabase, open_database
from rafsight.reports.document import DatabaseFacts, ScanReport
from rafsight.verbs.scan.known_images import (
    KnownImage,
    KnownPackages,
    PackageQuestion,
    keep_image,
    lacks_bytes,
    recall_image,
    recall_packages,
)
from rafsight.verbs.scan.terms import SECRET_BUDGET, VULNERABILITIES, ScanTerms

if TYPE_CHECKING:
    from rafsight.access.session import Image
    from rafsight.verbs.scan.looking import Looked, Looking

_BILL: Final = "sbom:"
_UNMATCHED: Final = MatchResult(findings=(), hidden=(), gaps=())


class NoBill(CallerError):
    """A bill of materials that shall be scanned cannot be read."""

    code = "no-sbom"
    template = "cannot read the bill of materials {path}: {why}"
    remedy = "Name a file in JSON, CycloneDX or SPDX 2: `rafsight scan sbom:FILE`."
    exit_status = ExitStatus.NOT_FOUND


def scan_reference(
    reference: str,
    *,
    database: Path | None,
    scanners: Sequence[str] = (VULNERABILITIES,),
    declared: bool = False,
    config: Path | None = None,
    secret_budget: int = SECRET_BUDGET,
    options: Options | None = None,
    listener: Listener = silent,
) -> ScanReport:
    """Scan an image by its reference, or what a bill of materials names.

    Args:
        reference: as `open_image` takes it, or `sbom:FILE`.
        database: the advisory database; None: packages are listed, and nothing is looked up.
        scanners: what is looked for: `vuln`, `secret`, `misconfig`.
        declared: read lock files, too: what a build was meant to have, not what is installed.
        config: rules and checks of one's own; None looks for `rafsight.yaml` in the working directory.
        secret_budget: [bytes] that the search for secrets fetches at most.
        options: how to reach the image.
        listener: told about long work.
    Raises: NoSuchScanner, NoDatabase, MalformedConfiguration: before anything is fetched; what `open_image` raises;
        NoBill, MalformedFile.
    Cost: what `open_image` costs, and one plan of reads for each wave of the analysis (two, mostly). With a cache:
        the manifest alone for an image that was scanned before, and only the new files of others.
    """
    started, options = time.monotonic(), options or Options()
    terms = ScanTerms(
        scanners=tuple(scanners),
        declared=declared,
        config=config,
        secret_budget=secret_budget,
        cache_dir=options.cache_dir,
    )
    if not terms.wants(VULNERABILITIES):
        database = None
    with open_database(database) if database is not None else nullcontext() as advisories:
        if reference.startswith(_BILL):
            return _scan_bill(reference, advisories, started)
        with (
            open_results(options, listener) as store,
            find_image(reference, options=options, listener=listener) as found,
        ):
            job = _Job(found=found, store=store, terms=terms, listener=listener)
            if terms.scanners == (VULNERABILITIES,):
                return _report(job.packages(), advisories, started, found.cost)
            known, looked = job.everything()
            report = _report(known, advisories, started, found.cost)
            return replace(
                report,
                scanners=terms.scanners,
                secrets=looked.secrets,
                misconfigurations=looked.misconfigurations,
                check_count=looked.check_count,
                gaps=(*report.gaps, *looked.gaps),
            )


def _scan_bill(reference: str, advisories: AdvisoryDatabase | None, started: float) -> ScanReport:
    from rafsight.analysis.extractor import MalformedFile
    from rafsight.analysis.sbom.document import BILL_SIZE, read_document
    from rafsight.reports.bill_facts import describe_bill

    path = Path(reference.removeprefix(_BILL))
    try:
        with path.open("rb") as file:
            content = file.read(BILL_SIZE + 1)
    except OSError as error:
        raise NoBill(path=str(path), why=error.strerror or str(error)) from error
    if len(content) > BILL_SIZE:
        raise NoBill(path=str(path), why=f"it has more than {BILL_SIZE} bytes")
    try:
        bill = read_document(content, os.fsencode(path.name))
    except MalformedFile as error:
        error.advise(NoBill.remedy)
        raise
    packages = KnownPackages(inventory=bill.inventory, unread=())
    known = KnownImage(facts=describe_bill(bill, reference), packages=packages)
    return _report(known, advisories, started, Cost())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One image, and what is asked about it."""

    found: FoundImage
    store: ResultStore
    terms: ScanTerms
    listener: Listener

    def packages(self) -> KnownImage:
        """Find the packages alone; an image that was scanned before is not opened."""
        return recall_image(self.found, self.store, self._question) or self._survey(self._open())

    def everything(self) -> tuple[KnownImage, "Looked"]:
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


def _report(known: KnownImage, advisories: AdvisoryDatabase | None, started: float, cost: Cost) -> ScanReport:
    """Ask the advisories, and put everything together."""
    packages = known.packages
    matched = match(packages.inventory, advisories) if advisories is not None else _UNMATCHED
    seconds = time.monotonic() - started
    return ScanReport(
        image=known.facts,
        inventory=packages.inventory,
        findings=matched.findings,
        gaps=(*packages.unread, *packages.inventory.gaps, *matched.gaps),
        unimportant=matched.hidden,
        cost=cost,
        database=database_facts(advisories) if advisories is not None else None,
        started=(datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=seconds,
    )


def database_facts(advisories: AdvisoryDatabase) -> DatabaseFacts:
    """Say which database was asked."""
    status = advisories.status()
    return DatabaseFacts(
        path=str(status.path),
        built=status.built,
        newest_record=status.newest_record,
        record_count=status.record_count,
        digest=status.digest,
        knows_exploited=status.exploited_count > 0,
        knows_likelihoods=status.likelihood_count > 0,
    )
