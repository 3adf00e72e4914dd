"""Files to a build of the database.

This module alone decides what a path means to an import: a zip of an ecosystem, a folder of zips or records, a single
record, CISA's catalogue, EPSS's scores (both known by their content). A malformed record is counted, named and left
out; it ends nothing. JSON beside the records that is no record at all is passed over.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.events import Advanced, Finished, Listener, Noticed, Started
from rafsight.base.units import MiB
from rafsight.matching.builder import DUMP, EPSS, KEV, RECORDS, DatabaseBuilder, SourceWriter
from rafsight.matching.feeds.archive import MEMBER_SIZE, Member, read_members
from rafsight.matching.feeds.epss import ScoreReader, looks_like_scores
from rafsight.matching.feeds.kev import looks_like_catalogue, parse_catalogue
from rafsight.matching.feeds.osv import MalformedRecord, RecordParser, is_foreign
from rafsight.matching.schema import SourceFacts
from rafsight.matching.versions import SCHEMES

KEV_SIZE: Final = 64 * MiB
"""[bytes] of CISA's catalogue."""
EPSS_SIZE: Final = 128 * MiB
"""[bytes] of EPSS's scores, compressed."""

_FILE_COUNT: Final = 2_000_000
_HEAD_SIZE: Final = 4096
_STEP: Final = 1000
_PROBLEMS_KEPT: Final = 10
"""Of one source; all are counted."""


class NothingToImport(CallerError):
    """A path holds no advisories."""

    code = "nothing-to-import"
    template = "{path} holds no advisories"
    remedy = "Name an OSV zip, a folder of them (ECOSYSTEM/all.zip), OSV records, CISA's catalogue, or EPSS scores."
    exit_status = ExitStatus.NOT_FOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSource:
    """What came out of one place."""

    source: SourceFacts
    problems: tuple[str, ...]
    """The first few of what was wrong with its records; `source.malformed_count` counts all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisoryFile:
    """A file that holds advisories."""

    path: Path
    kind: str
    ecosystem: str = ""
    """Of a dump: what its place says."""
    location: str = ""
    """Where it is really from; empty: its path."""
    sha256: str = ""
    """Empty if it was not computed yet."""
    etag: str = ""
    last_modified: str = ""


class Importer:
    """Reads files into a builder."""

    def __init__(self, moment: datetime, listener: Listener) -> None:
        """Prepare to read.

        Args:
            moment: of the import, aware.
            listener: told about records and problems.
        """
        self._parser = RecordParser(now=moment)
        self._listener = listener
        self.imported: list[ImportedSource] = []

    def take(self, builder: DatabaseBuilder, path: Path, files: Sequence[AdvisoryFile]) -> list[ImportedSource]:
        """Take all files that a path led to; single records among them are one source."""
        count = len(self.imported)
        for file in files:
            if file.kind == KEV:
                self._take_catalogue(builder, file)
            elif file.kind == EPSS:
                self._take_scores(builder, file)
            elif file.kind == DUMP:
                source = _facts(file, name=file.ecosystem or str(file.path))
                with file.path.open("rb") as stream:
                    self._take_members(builder, source, read_members(stream, str(file.path)))
        records = [file for file in files if file.kind == RECORDS]
        if records:
            source = _records_facts(path, records)
            self._take_members(builder, source, (_read_member(file.path) for file in records))
        return self.imported[count:]

    def _take_catalogue(self, builder: DatabaseBuilder, file: AdvisoryFile) -> None:
        catalogue = parse_catalogue(_read_bounded(file.path, KEV_SIZE), str(file.path))
        settled = builder.set_catalogue(catalogue, _facts(file, name="cisa"))
        self.imported.append(ImportedSource(source=settled, problems=()))

    def _take_scores(self, builder: DatabaseBuilder, file: AdvisoryFile) -> None:
        with file.path.open("rb") as stream:
            settled = builder.set_likelihoods(ScoreReader(stream, str(file.path)), _facts(file, name="first"))
        self.imported.append(ImportedSource(source=settled, problems=()))

    def _take_members(self, builder: DatabaseBuilder, source: SourceFacts, members: Iterator[Member]) -> None:
        operation = f"import {source.location}"
        foreign: list[str] = []
        self._listener(Started(operation=operation, title=f"importing {source.location}", unit="records"))
        try:
            with builder.source(source) as writer:
                for count, member in enumerate(members, 1):
                    if not self._take_member(writer, member, lenient=source.kind == RECORDS):
                        foreign.append(member.name)
                    if count % _STEP == 0:
                        self._listener(Advanced(operation=operation, amount=_STEP))
        finally:
            self._listener(Finished(operation=operation))
        settled = writer.settled or source
        problems = tuple(writer.tally.problems)
        if problems:
            left_out = _counted(settled.malformed_count, "record of", "records of")
            verb = "was" if settled.malformed_count == 1 else "were"
            self._notice(f"{left_out} {source.location} {verb} left out", problems[0], settled.malformed_count)
        if foreign:
            skipped = _counted(len(foreign), "file in", "files in")
            verb = "is no advisory and was" if len(foreign) == 1 else "are no advisories and were"
            self._notice(f"{skipped} {source.location} {verb} skipped", foreign[0], len(foreign))
        self.imported.append(ImportedSource(source=settled, problems=problems))

    def _notice(self, what: str, first: str, count: int) -> None:
        self._listener(Noticed(message=f"{what}: {first}" if count == 1 else f"{what}; the first: {first}"))

    def _take_member(self, writer: SourceWriter, member: Member, *, lenient: bool) -> bool:
        """Take one file; False if it is to be passed over: lenient, and no record at all."""
        problem = member.problem and f"{member.name}: {member.problem}"
        if not problem:
            try:
                if not writer.add(self._parser.parse(member.content, member.name)):
                    problem = f"{member.name}: it says more than a record can"
            except MalformedRecord as error:
                if lenient and is_foreign(member.content):
                    return False
                problem = str(error)
        if problem:
            writer.tally.malformed_count += 1
            if len(writer.tally.problems) < _PROBLEMS_KEPT:
                writer.tally.problems.append(problem)
        return True


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _facts(file: AdvisoryFile, *, name: str) -> SourceFacts:
    return SourceFacts(
        kind=file.kind,
        name=name,
        location=file.location or str(file.path.absolute()),
        sha256=file.sha256 or _sha256(file.path),
        imported="",
        newest="",
        record_count=0,
        etag=file.etag,
        last_modified=file.last_modified,
    )


def _records_facts(path: Path, files: Sequence[AdvisoryFile]) -> SourceFacts:
    state = hashlib.sha256()
    for file in files:
        state.update(f"{file.path.relative_to(path) if file.path != path else ''}\0{_sha256(file.path)}\n".encode())
    facts = _facts(AdvisoryFile(path=path, kind=RECORDS, sha256=state.hexdigest()), name="")
    return replace(facts, name=facts.location)


def survey(path: Path) -> list[AdvisoryFile]:
    """Find the files with advisories that a path leads to, in order.

    Raises: NothingToImport.
    """
    candidates = (path,) if path.is_file() else _walk(path)
    found = [file for file in map(_recognise, candidates) if file is not None]
    if not found:
        raise NothingToImport(path=str(path))
    return found


def _walk(directory: Path) -> Iterator[Path]:
    count = 0
    for place, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            if name.endswith((".json", ".zip", ".csv", ".csv.gz")):
                count += 1
                if count > _FILE_COUNT:
                    return
                yield Path(place) / name


def _recognise(path: Path) -> AdvisoryFile | None:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_SIZE)
    except OSError:
        return None
    if head.startswith(b"PK"):
        named = next((name for name in (path.parent.name, path.stem) if name in SCHEMES), "")
        return AdvisoryFile(path=path, kind=DUMP, ecosystem=named)
    if looks_like_scores(head):
        return AdvisoryFile(path=path, kind=EPSS)
    if looks_like_catalogue(head):
        return AdvisoryFile(path=path, kind=KEV)
    return AdvisoryFile(path=path, kind=RECORDS) if head.lstrip()[:1] == b"{" else None


def _read_member(path: Path) -> Member:
    content = _read_bounded(path, MEMBER_SIZE + 1)
    if len(content) > MEMBER_SIZE:
        return Member(name=path.name, content=b"", problem="it is too large")
    return Member(name=path.name, content=content)


def _read_bounded(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
