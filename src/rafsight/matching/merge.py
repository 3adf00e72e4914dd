"""The last step of a build: staged records and kept ones, in order, into the tables of the new database.

Rows are inserted in the order of their keys, so that the file grows without a page being split. Bodies are compressed
with a dictionary trained on their source, since one alone is too short to compress well.

This module alone decides which of two records with the same id is kept: the one that was modified later, wherever it
came from; of two that are equally old the one that came later.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Final

from rafsight.base.units import KiB
from rafsight.matching.schema import COUNTS, INDEX, SCHEMA_VERSION, SourceFacts

STAGING: Final = """
CREATE TEMP TABLE staged_record (
    number INTEGER PRIMARY KEY, source INTEGER NOT NULL, ecosystem INTEGER NOT NULL, id TEXT NOT NULL,
    modified INTEGER NOT NULL, body BLOB);
CREATE TEMP TABLE staged_affected (
    record INTEGER NOT NULL, release TEXT NOT NULL, name TEXT NOT NULL, low BLOB NOT NULL, high BLOB NOT NULL,
    facts INTEGER NOT NULL, fixed TEXT NOT NULL);
CREATE TEMP TABLE staged_rating (record INTEGER NOT NULL, cve TEXT NOT NULL);
CREATE TEMP TABLE staged_exploited (id TEXT, date_added TEXT, due_date TEXT, ransomware INTEGER);
CREATE TEMP TABLE staged_likelihood (cve TEXT, epss REAL, percentile REAL);
CREATE TEMP TABLE chosen (
    number INTEGER PRIMARY KEY, ecosystem INTEGER NOT NULL, id TEXT NOT NULL, source INTEGER NOT NULL,
    dictionary INTEGER NOT NULL, staged INTEGER, kept INTEGER);
CREATE TEMP TABLE kept_source (number INTEGER PRIMARY KEY, renumbered INTEGER NOT NULL);
"""
"""A row of staged_record without body says that the record is withdrawn. `modified` is in [µs] since 1970."""

LISTS: Final = {"kev": "exploited", "epss": "likelihood"}
"""Kinds of sources that are no records but a list, and the table that it fills: a new one replaces the old."""

_DICTIONARY_SIZE: Final = 64 * KiB
_SAMPLES_SIZE: Final = 1536 * KiB
_WORTH_TRAINING: Final = 256 * KiB
_LEVEL: Final = 9

_LATEST: Final = (
    """
    CREATE TEMP TABLE latest AS SELECT number, ecosystem, id, source, modified, present FROM (
        SELECT number, ecosystem, id, source, modified, body IS NOT NULL AS present,
            row_number() OVER (PARTITION BY ecosystem, id ORDER BY modified DESC, number DESC) AS place
        FROM temp.staged_record)
    WHERE place = 1
    """,
    "CREATE UNIQUE INDEX temp.latest_by_id ON latest (ecosystem, id)",
)
_OUTDATED: Final = """
DELETE FROM temp.latest WHERE EXISTS (
    SELECT 1 FROM main.ecosystem AS here JOIN kept.ecosystem AS old ON old.base = here.base
    JOIN kept.record AS there ON there.ecosystem = old.number AND there.id = latest.id
    JOIN temp.kept_source ON kept_source.number = there.source
    WHERE here.number = latest.ecosystem AND there.modified > latest.modified)
"""
_STAGED: Final = "SELECT ecosystem, id, source, source AS dictionary, number AS staged, NULL AS kept FROM temp.latest"
_KEPT: Final = """
SELECT here.number, there.id, renumbered, there.dictionary + :shift, NULL, there.number
FROM kept.record AS there JOIN kept.ecosystem AS old ON old.number = there.ecosystem
JOIN main.ecosystem AS here ON here.base = old.base JOIN temp.kept_source ON kept_source.number = there.source
WHERE NOT EXISTS (SELECT 1 FROM temp.latest WHERE latest.ecosystem = here.number AND latest.id = there.id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What takes the place of what."""

    sources: Mapping[int, SourceFacts]
    """The staged ones, by number."""
    ecosystems: Mapping[str, int]
    """Numbers of ecosystems, by base."""
    kept: bool
    """True if the present database is attached as `kept`."""
    now: str


def merge(connection: sqlite3.Connection, replacement: Replacement) -> None:
    """Fill the tables of the new database."""
    connection.executemany(
        "INSERT INTO ecosystem VALUES (?, ?)", ((number, base) for base, number in replacement.ecosystems.items())
    )
    for statement in _LATEST:
        connection.execute(statement)
    shift = max(replacement.sources, default=0)
    sources = dict(replacement.sources)
    if replacement.kept:
        sources |= _kept_sources(connection, replacement.sources, shift)
        connection.execute(_OUTDATED)
    query = f"{_STAGED} WHERE present" + (f" UNION ALL {_KEPT}" if replacement.kept else "")
    connection.execute(
        f"INSERT INTO temp.chosen (ecosystem, id, source, dictionary, staged, kept) {query} ORDER BY 1, 2",
        {"shift": shift} if replacement.kept else {},
    )
    _write_records(connection, kept=replacement.kept, shift=shift)
    _write_affected(connection, kept=replacement.kept)
    _write_ratings(connection, kept=replacement.kept)
    _write_lists(connection, replacement)
    sources = _owners(connection, sources, shift)
    _write_sources(connection, sources)
    _write_metadata(connection, sources, replacement.now)
    connection.execute(INDEX)


def _kept_sources(
    connection: sqlite3.Connection, staged: Mapping[int, SourceFacts], shift: int
) -> dict[int, SourceFacts]:
    """Return the sources of the present database that no staged one replaces, with their new numbers."""
    replaced = {(facts.kind, facts.name) for facts in staged.values()}
    names = [item.name for item in fields(SourceFacts)]
    kept: dict[int, SourceFacts] = {}
    for row in connection.execute(f"SELECT number, {', '.join(names)} FROM kept.source ORDER BY number").fetchall():  # noqa: S608
        facts = SourceFacts(**dict(zip(names, row[1:], strict=True)))
        if (facts.kind, facts.name) not in replaced:
            kept[row[0] + shift] = facts
            connection.execute("INSERT INTO temp.kept_source VALUES (?, ?)", (row[0], row[0] + shift))
    return kept


def _write_records(connection: sqlite3.Connection, *, kept: bool, shift: int) -> None:
    import zstandard

    trained = {number: _train(connection, number) for number in range(1, shift + 1)}
    compressors = {
        number: zstandard.ZstdCompressor(
            level=_LEVEL, dict_data=zstandard.ZstdCompressionDict(content) if content else None, write_dict_id=False
        )
        for number, content in trained.items()
    }
    rows = connection.execute(
        "SELECT chosen.number, chosen.ecosystem, chosen.id, chosen.source, chosen.dictionary, modified, "
        "body "
        "FROM temp.chosen JOIN temp.staged_record ON staged_record.number = chosen.staged ORDER BY chosen.number"
    )
    insert = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)"
    writer = connection.cursor()
    for *row, dictionary, modified, body in rows:
        used = dictionary if trained[dictionary] else 0
        writer.execute(insert, (*row, used, modified, compressors[dictionary].compress(body)))
    connection.executemany(
        "INSERT INTO dictionary VALUES (?, ?)", ((number, content) for number, content in trained.items() if content)
    )
    if kept:
        connection.execute(
            "INSERT INTO record SELECT chosen.number, chosen.ecosystem, chosen.id, chosen.source, "
            "iif(old.dictionary = 0, 0, chosen.dictionary), old.modified, old.body "
            "FROM temp.chosen JOIN kept.record AS old ON old.number = chosen.kept ORDER BY chosen.number"
        )
        connection.execute(
            "INSERT INTO dictionary SELECT number + ?, content FROM kept.dictionary "
            "WHERE number + ? IN (SELECT DISTINCT dictionary FROM main.record)",
            (shift, shift),
        )


def _train(connection: sqlite3.Connection, source: int) -> bytes:
    """Make a dictionary for the bodies of a source; empty if it is too small to need one."""
    import zstandard

    size, count = connection.execute(
        "SELECT total(length(body)), count(body) FROM temp.staged_record WHERE source = ?", (source,)
    ).fetchone()
    if size < _WORTH_TRAINING:
        return b""
    samples = list(_samples(connection, source, step=max(1, round(size / _SAMPLES_SIZE)), size=size / count))
    try:
        return zstandard.train_dictionary(_DICTIONARY_SIZE, samples, k=512, d=8).as_bytes()
    except zstandard.ZstdError:  # too little variety: the bodies do without
        return b""


def _samples(
    connection: sqlite3.Connection, source: int, *, step: int, size: float
) -> Iterator[bytes | bytearray | memoryview]:
    limit = max(1, int(8 * size))
    rows = connection.execute(
        "SELECT substr(body, 1, ?) FROM temp.staged_record WHERE source = ? AND number % ? = 0 AND body IS NOT NULL",
        (limit, source, step),
    )
    for (body,) in rows:
        yield body


def _write_affected(connection: sqlite3.Connection, *, kept: bool) -> None:
    staged = (
        "SELECT chosen.ecosystem, name, release, high, low, chosen.number, facts, fixed "
        "FROM temp.chosen JOIN temp.staged_affected ON staged_affected.record = chosen.staged"
    )
    old = (
        " UNION ALL SELECT chosen.ecosystem, name, release, high, low, chosen.number, facts, fixed "
        "FROM temp.chosen JOIN kept.affected ON affected.record = chosen.kept"
    )
    connection.execute("CREATE INDEX temp.chosen_staged ON chosen (staged) WHERE staged IS NOT NULL")
    connection.execute("CREATE INDEX temp.chosen_kept ON chosen (kept) WHERE kept IS NOT NULL")
    connection.execute(f"INSERT OR IGNORE INTO affected {staged}{old if kept else ''} ORDER BY 1, 2, 3, 4, 5, 6, 7")
    connection.execute(
        "INSERT INTO coverage SELECT ecosystem, release, count(DISTINCT record) FROM affected "
        "GROUP BY ecosystem, release ORDER BY ecosystem, release"
    )


def _write_ratings(connection: sqlite3.Connection, *, kept: bool) -> None:
    staged = (
        "SELECT cve, chosen.number FROM temp.chosen JOIN temp.staged_rating ON staged_rating.record = chosen.staged"
    )
    old = " UNION ALL SELECT cve, chosen.number FROM temp.chosen JOIN kept.rating ON rating.record = chosen.kept"
    connection.execute(f"INSERT OR IGNORE INTO rating {staged}{old if kept else ''} ORDER BY 1, 2")


def _write_lists(connection: sqlite3.Connection, replacement: Replacement) -> None:
    staged = {facts.kind for facts in replacement.sources.values()}
    for kind, table in LISTS.items():
        if kind in staged:
            connection.execute(f"INSERT OR IGNORE INTO {table} SELECT * FROM temp.staged_{table} ORDER BY 1")  # noqa: S608
        elif replacement.kept:
            connection.execute(f"INSERT INTO {table} SELECT * FROM kept.{table} ORDER BY 1")  # noqa: S608


def _owners(connection: sqlite3.Connection, sources: Mapping[int, SourceFacts], shift: int) -> dict[int, SourceFacts]:
    """Count what each source has in the new database; single records that all came from elsewhere are no source.

    A kept dump that lost records is asked for again as a whole: they may leave with the source that has them now.
    """
    owned = dict(connection.execute("SELECT source, count(DISTINCT id) FROM main.record GROUP BY source"))
    settled: dict[int, SourceFacts] = {}
    for number, facts in sources.items():
        count = owned.get(number, 0)
        if facts.kind == "records" and not (count or facts.withdrawn_count or facts.malformed_count):
            continue
        if facts.kind == "dump" and number > shift and count < facts.record_count:
            settled[number] = replace(facts, record_count=count, etag="", last_modified="")
        else:
            settled[number] = facts if facts.kind in LISTS else replace(facts, record_count=count)
    return settled


def _write_sources(connection: sqlite3.Connection, sources: Mapping[int, SourceFacts]) -> None:
    names = [item.name for item in fields(SourceFacts)]
    marks = ", ".join("?" * (len(names) + 1))
    connection.executemany(
        f"INSERT INTO source (number, {', '.join(names)}) VALUES ({marks})",  # noqa: S608
        ((number, *(getattr(facts, name) for name in names)) for number, facts in sorted(sources.items())),
    )


def _write_metadata(connection: sqlite3.Connection, sources: Mapping[int, SourceFacts], now: str) -> None:
    state = hashlib.sha256(f"layout {SCHEMA_VERSION}\n".encode())
    for facts in sorted(sources.values(), key=lambda facts: (facts.kind, facts.name)):
        state.update(f"{facts.kind}\0{facts.name}\0{facts.sha256}\n".encode())
    newest = max((facts.newest for facts in sources.values() if facts.kind not in LISTS), default="")
    connection.executemany(
        "INSERT INTO metadata VALUES (?, ?)",
        [("built", now), ("digest", "sha256:" + state.hexdigest()), ("newest", newest)],
    )
    for name, query in COUNTS.items():
        connection.execute(f"INSERT INTO metadata SELECT ?, CAST(({query}) AS TEXT)", (name,))
