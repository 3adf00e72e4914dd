"""The advisory database: fill it from files, bring it up to date from the network, tell what it holds.

Only `Advisories.update` uses the network; this module alone decides which addresses it asks. An address that fails
costs the others nothing, and the database keeps what it had from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from rafsight.access.download import DownloadMissing, DownloadTerms, Unchanged, Version, download
from rafsight.access.retry import Retrier
from rafsight.analysis.inventory import READ_ECOSYSTEMS
from rafsight.base.errors import CallerError, RegistryFault
from rafsight.base.events import Listener, Noticed, silent
from rafsight.base.units import GiB
from rafsight.matching.builder import DUMP, EPSS, KEV, DatabaseBuilder
from rafsight.matching.distributions import FAMILIES, LANGUAGES
from rafsight.matching.feeds.archive import DamagedArchive
from rafsight.matching.feeds.epss import MalformedScores
from rafsight.matching.feeds.kev import MalformedCatalogue
from rafsight.matching.importer import (
    EPSS_SIZE,
    KEV_SIZE,
    AdvisoryFile,
    ImportedSource,
    Importer,
    NothingToImport,
    survey,
)
from rafsight.matching.schema import DatabaseTooOld, NoDatabase, SourceFacts
from rafsight.matching.store import DatabaseStatus, open_database

OSV_URL: Final = "https://osv-vulnerabilities.storage.googleapis.com"
KEV_URL: Final = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"
EPSS_URL: Final = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"
DEFAULT_ECOSYSTEMS: Final = tuple(
    sorted(
        {family.base for family in FAMILIES.values()}
        | {LANGUAGES[kind] for kind in READ_ECOSYSTEMS if kind in LANGUAGES}
    )
)
"""Those that components of an image are looked up in."""

_DUMP_SIZE: Final = 8 * GiB
_LISTS: Final = {KEV: ("kev.json", KEV_SIZE), EPSS: ("epss.csv.gz", EPSS_SIZE)}
"""Where they are kept on their way, and how large they may be [bytes]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What an import did."""

    imported: tuple[ImportedSource, ...]
    status: DatabaseStatus


class UpdateState(StrEnum):
    """What became of one address."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    MISSING = "missing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateOutcome:
    """What became of one ecosystem, of CISA's catalogue, or of EPSS's scores."""

    name: str
    url: str
    state: UpdateState
    detail: str = ""
    """Why it is missing or failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """What an update did."""

    outcomes: tuple[UpdateOutcome, ...]
    imported: tuple[ImportedSource, ...]
    status: DatabaseStatus


class Advisories:
    """One advisory database."""

    def __init__(self, path: Path, *, listener: Listener = silent, now: datetime | None = None) -> None:
        """Open nothing yet.

        Args:
            path: of the database; made if it is not there. It is replaced as a whole when something new is in it.
            listener: told about bytes, records and problems.
            now: date of what is done, aware.
        """
        self._path = path
        self._listener = listener
        self._now = now

    def status(self) -> DatabaseStatus:
        """Tell what the database is made of.

        Raises: NoDatabase, DatabaseDamaged, DatabaseTooOld, DatabaseTooNew.
        """
        with open_database(self._path) as database:
            return database.status()

    def take(self, paths: Sequence[Path]) -> ImportResult:
        """Take advisories from files; what they do not replace is kept.

        Args:
            paths: zips, folders and JSON files.
        Raises: NothingToImport, DamagedArchive, MalformedCatalogue, MalformedScores, DatabaseBusy, DatabaseNotWritten,
            DatabaseDamaged, DatabaseTooNew; the database stays as it was.
        """
        moment = self._now or datetime.now(UTC)
        groups = [(path, survey(path)) for path in paths]
        importer = Importer(moment, self._listener)
        with DatabaseBuilder(self._path, now=_timestamp(moment)) as builder:
            for path, files in groups:
                imported = importer.take(builder, path, files)
                if not any(item.source.record_count or item.source.withdrawn_count for item in imported):
                    raise NothingToImport(path=str(path))
            builder.finish()
            kept = tuple(item for item in importer.imported if item.source.record_count or item.source.malformed_count)
        return ImportResult(imported=kept, status=self.status())

    def update(
        self,
        *,
        cache_directory: Path,
        ecosystems: Sequence[str] = DEFAULT_ECOSYSTEMS,
        base_url: str = OSV_URL,
        kev_url: str = KEV_URL,
        epss_url: str = EPSS_URL,
        ca_files: Sequence[Path] = (),
        timeout: float | None = None,
        retrier: Retrier | None = None,
    ) -> UpdateResult:
        """Bring the database up to date with what OSV, CISA and FIRST publish.

        Args:
            cache_directory: for files on their way; what broke off goes on from there.
            ecosystems: OSV's names without release.
            base_url: of OSV's dumps, or of a mirror: `BASE/ECOSYSTEM/all.zip`.
            kev_url: of CISA's catalogue; empty to leave it out.
            epss_url: of EPSS's scores; likewise.
            ca_files: PEM files, trusted beside the system's own.
            timeout: [s] without an answer; None takes what is usual.
            retrier: how often, and after how long, an address is asked again; None takes what is usual.
        Raises: UnusableUrl, UnusableEndpoint, DatabaseBusy, DatabaseNotWritten, DatabaseTooNew; the fault of the first
            address if all of them failed. One that failed among others is an outcome, and the database keeps what it
            had from there.
        Cost: one request an address, and the files that have changed.
        """
        moment = self._now or datetime.now(UTC)
        wanted = _addresses(ecosystems, base_url, kev_url, epss_url)
        terms = DownloadTerms(ca_files=tuple(ca_files), retrier=retrier or Retrier())
        if timeout is not None:
            terms = replace(terms, connect_timeout=timeout, read_timeout=timeout)
        fetcher = _Fetcher(_present_sources(self._path), cache_directory, terms, self._listener)
        outcomes: list[UpdateOutcome] = []
        files: list[AdvisoryFile] = []
        faults: list[RegistryFault] = []
        for address in wanted:
            try:
                file = fetcher.fetch(address)
            except RegistryFault as error:
                faults.append(error)
                missing = isinstance(error, DownloadMissing)
                outcomes.append(address.came_to(UpdateState.MISSING if missing else UpdateState.FAILED, str(error)))
                continue
            outcomes.append(address.came_to(UpdateState.UPDATED if file else UpdateState.UNCHANGED))
            files += [file] if file else []
        if faults and len(faults) == len(wanted):
            raise faults[0]
        imported, refused = _import_downloads(self._path, files, moment, self._listener)
        settled = tuple(
            address.came_to(UpdateState.FAILED, str(refused[address.name])) if address.name in refused else outcome
            for address, outcome in zip(wanted, outcomes, strict=True)
        )
        return UpdateResult(outcomes=settled, imported=imported, status=self.status())


def _addresses(ecosystems: Sequence[str], base_url: str, kev_url: str, epss_url: str) -> "list[_Address]":
    names = dict.fromkeys(ecosystems)
    wanted = [_Address(DUMP, name, f"{base_url.rstrip('/')}/{quote(name)}/all.zip") for name in names]
    wanted += [_Address(KEV, "cisa", kev_url)] if kev_url else []
    wanted += [_Address(EPSS, "first", epss_url)] if epss_url else []
    return wanted


class _Address(NamedTuple):
    """Something to download."""

    kind: str
    name: str
    url: str

    def came_to(self, state: UpdateState, detail: str = "") -> UpdateOutcome:
        return UpdateOutcome(name=self.name, url=self.url, state=state, detail=detail)


@dataclass(frozen=True, slots=True)
class _Fetcher:
    """Downloads what the present database has not."""

    present: tuple[SourceFacts, ...]
    cache_directory: Path
    terms: DownloadTerms
    listener: Listener

    def fetch(self, address: _Address) -> AdvisoryFile | None:
        """Download one file; None if the database has its version already."""
        known = next((one for one in self.present if (one.kind, one.name, one.location) == address), None)
        name, limit = _LISTS.get(address.kind, (f"{quote(address.name, safe='')}.zip", _DUMP_SIZE))
        result = download(
            address.url,
            self.cache_directory / name,
            known=Version(etag=known.etag, last_modified=known.last_modified) if known else None,
            terms=replace(self.terms, size_limit=min(limit, self.terms.size_limit)),
            listener=self.listener,
        )
        if isinstance(result, Unchanged):
            return None
        return AdvisoryFile(
            path=result.path,
            kind=address.kind,
            ecosystem=address.name,
            location=address.url,
            sha256=result.sha256,
            etag=result.version.etag,
            last_modified=result.version.last_modified,
        )


def _present_sources(database_path: Path) -> tuple[SourceFacts, ...]:
    """Return the sources of the present database; none if there is none that can be built upon."""
    try:
        return Advisories(database_path).status().sources
    except (NoDatabase, DatabaseTooOld):
        return ()


def _import_downloads(
    database_path: Path, files: Sequence[AdvisoryFile], moment: datetime, listener: Listener
) -> tuple[tuple[ImportedSource, ...], dict[str, CallerError]]:
    """Import what was downloaded; return what came of it, and by name what was wrong with the damaged ones.

    Raises: DamagedArchive, MalformedCatalogue, MalformedScores: nothing was intact, and there is no older database.
    """
    importer = Importer(moment, listener)
    refused: dict[str, CallerError] = {}
    if not files:
        return (), refused
    try:
        with DatabaseBuilder(database_path, now=_timestamp(moment)) as builder:
            for file in files:
                try:
                    importer.take(builder, file.path, [file])
                except (DamagedArchive, MalformedCatalogue, MalformedScores) as error:
                    refused[file.ecosystem] = error
                    listener(Noticed(message=str(error)))
            if len(refused) < len(files):
                builder.finish()
            elif not database_path.is_file():
                raise next(iter(refused.values()))
    finally:
        for file in files:
            file.path.unlink(missing_ok=True)
    return tuple(importer.imported), refused


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
