"""The scan of one image among many: here, or by the workers of a cluster.

Workers have the advisories under the path that the order names; rules and checks of one's own travel. This module alone
decides what a worker is told about a scan.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rafsight.access.fleet import Fleet, Lead
from rafsight.access.results.contract import ResultStore
from rafsight.access.results.opening import open_results
from rafsight.access.settings_file import SettingsFile, read_settings_file
from rafsight.base.events import Event, Listener, Noticed
from rafsight.hunt.advisories import check_advisories, digest_of_advisories
from rafsight.hunt.resolving import RESOLVE
from rafsight.hunt.site import Site
from rafsight.hunt.wire import Parcel, unpack
from rafsight.hunt.work import Spent, Work
from rafsight.matching.store import open_database
from rafsight.reports.scanned import send, travel_type
from rafsight.verbs.scan.job import Job
from rafsight.verbs.scan.terms import MISCONFIGURATION, SECRETS, VULNERABILITIES, ScanTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetScanTerms:
    """How every image is scanned."""

    scanners: tuple[str, ...]
    declared: bool
    licenses: bool
    secret_budget: int
    """[bytes] for each image."""
    database: Path | None
    """The advisory database, a whole path; None if none is asked."""
    advisories: str
    """The digest of its content; empty without it."""
    settings: SettingsFile = field(repr=False)
    """Rules and checks of one's own; without content: those of rafsight alone."""
    all_platforms: bool
    """Scan every image of an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScanner:
    """Scans images. Thread-safe."""

    terms: ScanTerms
    database: Path | None
    fleet: Fleet
    store: ResultStore
    all_platforms: bool
    """Scan every image of an index."""
    listener: Listener

    @property
    def spent(self) -> Spent:
        """What it cost so far."""
        cost = self.fleet.cost
        return Spent(requests=cost.requests, bytes_fetched=cost.bytes_fetched)

    def resolve(self, name: str) -> tuple[Lead, ...]:
        """Find the images that a name means; see `Fleet.resolve`."""
        return self.fleet.resolve(name, all_platforms=self.all_platforms, keep=True)

    def scan(self, lead: Lead) -> Any:
        """Scan an image.

        Returns: its report, as `send` makes it.
        Raises: as `scan_reference`.
        Cost: that, but for the manifest where the cache has it from `resolve`.
        """
        started = time.monotonic()
        with (
            open_database(self.database) if self.database is not None else nullcontext() as advisories,
            self.fleet.find(lead, self.listener) as found,
        ):
            job = Job(found=found, store=self.store, terms=self.terms, listener=self.listener)
            return send(job.report(advisories, started))

    def end(self) -> None:
        """Nobody waits for another here."""


SCAN: Final[Work[ImageScanner, Lead, Any]] = Work(
    name="scan",
    do=ImageScanner.scan,
    title="scanning images",
    unit="images",
    item=Lead,
    result=travel_type(),
    batch=8,
)
"""From an image to its report."""
WORKS: Final = (RESOLVE, SCAN)


def make_scan_terms(
    *,
    database: Path | None,
    scanners: tuple[str, ...],
    declared: bool,
    licenses: bool,
    config: Path | None,
    secret_budget: int,
    all_platforms: bool,
) -> FleetScanTerms:
    """Put the terms together, and see that they can be met.

    Args: as of `Hunts.scan`.
    Raises: NoSuchScanner, ConfigurationUnreadable, MalformedConfiguration; NoDatabase, DatabaseDamaged.
    """
    terms = ScanTerms(scanners=scanners, declared=declared, config=config, secret_budget=secret_budget)
    settings = SettingsFile(name="", content=b"")
    if terms.wants(SECRETS) or terms.wants(MISCONFIGURATION):
        from rafsight.verbs.scan.looking import Looking

        Looking(terms)  # raises what is wrong with the file, under its own name
        file = read_settings_file(config)
        settings = file or settings
    if not terms.wants(VULNERABILITIES):
        database = None
    return FleetScanTerms(
        scanners=scanners,
        declared=declared,
        licenses=licenses,
        secret_budget=secret_budget,
        database=database and database.absolute(),
        advisories="" if database is None else digest_of_advisories(database),
        settings=settings,
        all_platforms=all_platforms,
    )


@contextmanager
def open_scanner(terms: FleetScanTerms, site: Site) -> Iterator[ImageScanner]:
    """Make ready to scan.

    Args:
        terms: how.
        site: what the process has.
    Raises: NotACache, NoPostgresDriver.
    """

    def hear(event: Event) -> None:
        """Pass on what a person should know: how far one of many is, nobody wants to see."""
        if isinstance(event, Noticed):
            site.listener(event)

    with open_results(site.options, hear) as store:
        yield ImageScanner(
            terms=ScanTerms(
                scanners=terms.scanners,
                declared=terms.declared,
                licenses=terms.licenses,
                config=terms.settings,
                secret_budget=terms.secret_budget,
                cache_dir=site.options.cache_dir,
            ),
            database=terms.database,
            fleet=site.fleet,
            store=store,
            all_platforms=terms.all_platforms,
            listener=hear,
        )


@contextmanager
def join_scan(terms: bytes, site: Site) -> Iterator[ImageScanner]:
    """Make ready to scan, as the worker of a cluster.

    Args:
        terms: a FleetScanTerms, as `pack` writes it.
        site: what the process has.
    Raises: NoDatabase, DatabaseDamaged, OtherAdvisories.
    """
    told: FleetScanTerms = unpack(Parcel(terms), FleetScanTerms)
    check_advisories(told.database, told.advisories)
    with open_scanner(told, site) as scanner:
        yield scanner
