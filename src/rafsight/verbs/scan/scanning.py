"""A whole scan: an image is found, its packages are listed, the advisory database is asked.

The registry is asked before the most is imported, and answers meanwhile. This module alone decides the order.
"""

import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rafsight.access.counting import Cost
from rafsight.access.finding import find_image_ahead
from rafsight.access.options import Options
from rafsight.access.results.opening import open_results
from rafsight.access.settings_file import SettingsFile
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.events import Listener, silent
from rafsight.matching.store import AdvisoryDatabase, open_database
from rafsight.verbs.scan.terms import SECRET_BUDGET, VULNERABILITIES, ScanTerms

if TYPE_CHECKING:
    from rafsight.reports.document import ScanReport

_BILL: Final = "sbom:"


class NoBill(CallerError):
    """A bill of materials that shall be scanned cannot be read."""

    code = "no-sbom"
    template = "cannot read the bill of materials {path}: {why}"
    remedy = "Name a file in JSON, CycloneDX or SPDX 2: `rafsight scan sbom:FILE`."
    exit_status = ExitStatus.NOT_FOUND


class BillNamesPackages(CallerError):
    """Something is looked for in a bill of materials that no bill has."""

    code = "sbom-names-packages"
    template = "a bill of materials names packages only: {what} cannot be looked for in it"
    remedy = "Leave --scanners out, or scan the image that it is a bill of."
    exit_status = ExitStatus.USAGE


def scan_reference(
    reference: str,
    *,
    database: Path | None,
    scanners: Sequence[str] = (VULNERABILITIES,),
    declared: bool = False,
    licenses: bool = False,
    config: Path | SettingsFile | None = None,
    secret_budget: int = SECRET_BUDGET,
    options: Options | None = None,
    listener: Listener = silent,
) -> "ScanReport":
    """Scan an image by its reference, or what a bill of materials names.

    Args:
        reference: as `open_image` takes it, or `sbom:FILE`.
        database: the advisory database; None: packages are listed, and nothing is looked up.
        scanners: what is looked for: `vuln`, `secret`, `misconfig`.
        declared: read lock files, too: what a build was meant to have, not what is installed.
        licenses: read what only says licences, too: the copyright files of Debian's packages.
        config: rules and checks of one's own, in a file or read already; None looks for `rafsight.yaml` in the working
            directory.
        secret_budget: [bytes] that the search for secrets fetches at most.
        options: how to reach the image.
        listener: told about long work.
    Raises: NoSuchScanner, NoDatabase, MalformedConfiguration: before anything is fetched; what `open_image` raises;
        NoBill, BillNamesPackages, MalformedFile.
    Cost: what `open_image` costs, and one plan of reads for each wave of the analysis (two, mostly). With a cache:
        the manifest alone for an image that was scanned before, and only the new files of others.
    """
    started, options = time.monotonic(), options or Options()
    terms = ScanTerms(
        scanners=tuple(scanners),
        declared=declared,
        licenses=licenses,
        config=config,
        secret_budget=secret_budget,
        cache_dir=options.cache_dir,
    )
    is_bill = reference.startswith(_BILL)
    if is_bill and set(terms.scanners) != {VULNERABILITIES}:
        raise BillNamesPackages(what=" and ".join(sorted(set(terms.scanners) - {VULNERABILITIES})))
    if not terms.wants(VULNERABILITIES):
        database = None
    with open_database(database) if database is not None else nullcontext() as advisories:
        if is_bill:
            return _scan_bill(reference, advisories, started)
        with (
            open_results(options, listener) as store,
            find_image_ahead(reference, options=options, listener=listener) as find,
        ):
            from rafsight.verbs.scan.job import Job  # the registry answers meanwhile

            job = Job(found=find(), store=store, terms=terms, listener=listener)
            return job.report(advisories, started)


def _scan_bill(reference: str, advisories: AdvisoryDatabase | None, started: float) -> "ScanReport":
    from rafsight.analysis.extractor import MalformedFile
    from rafsight.analysis.sbom.document import BILL_SIZE, read_document
    from rafsight.reports.bill_facts import describe_bill
    from rafsight.verbs.scan.known_images import KnownImage, KnownPackages
    from rafsight.verbs.scan.report import make_report

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
        named = MalformedFile(what=f"{path}: {error.details['what']}", where=error.details["where"])
        named.advise(NoBill.remedy)
        raise named from error
    packages = KnownPackages(inventory=bill.inventory, unread=())
    known = KnownImage(facts=describe_bill(bill, reference), packages=packages)
    return make_report(known, advisories, started, Cost())
