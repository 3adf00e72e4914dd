import json
import os
import sqlite3
import subprocess
import sys

import pytest
from tests.matching.support import NOW, make_database, record, write_dump, write_records

from rafsight.base.errors import ExitStatus
from rafsight.matching.builder import DUMP, RECORDS, DatabaseBuilder, DatabaseBusy, DatabaseNotWritten
from rafsight.matching.feeds.archive import DamagedArchive
from rafsight.matching.feeds.osv import MalformedRecord, RecordParser
from rafsight.matching.schema import (
    BODY_SIZE,
    DatabaseDamaged,
    DatabaseTooNew,
    DatabaseTooOld,
    NoDatabase,
    SourceFacts,
)
from rafsight.matching.store import Lookup, open_database
from rafsight.matching.versions import SCHEMES
from rafsight.verbs.advisories import Advisories


def ask(database, name, version, base="PyPI", release=""):
    key = SCHEMES[base].key(version)
    with open_database(database) as advisories:
        hits = advisories.find([Lookup(base=base, release=release, name=name, key=key)])
    return [(hit.advisory.id, hit.fixed) for hit in hits]


def leftovers(database):
    return sorted(path.name for path in database.parent.iterdir() if path.name.startswith("."))


def test_finds_what_was_imported_and_nothing_else(tmp_path):
    database = make_database(
        tmp_path,
        [
            record(
                "GHSA-2",
                package="Demo",
                events=[{"introduced": "1.0"}, {"fixed": "2.0"}, {"introduced": "3.0"}, {"fixed": "3.1"}],
            ),
            record("GHSA-1", package="demo", events=[{"introduced": "0"}]),
            record("GHSA-3", "npm", package="demo"),
            record("DEBIAN-CVE-2020-1", "Debian:12", package="demo", events=[{"introduced": "0"}, {"fixed": "1:2-3"}]),
        ],
    )
    assert ask(database, "demo", "0.9") == [("GHSA-1", "")]
    assert ask(database, "demo", "1.5") == [("GHSA-1", ""), ("GHSA-2", "2.0")]
    assert ask(database, "demo", "2.0") == [("GHSA-1", "")]
    assert ask(database, "demo", "3.0.1") == [("GHSA-1", ""), ("GHSA-2", "3.1")]
    assert ask(database, "other", "1.5") == []
    assert ask(database, "demo", "1:2-2", "Debian", "12") == [("DEBIAN-CVE-2020-1", "1:2-3")]
    assert ask(database, "demo", "1:2-2", "Debian", "11") == []
    assert ask(database, "demo", "1.0", "crates.io") == []


def test_answers_many_questions_in_their_order(tmp_path):
    database = make_database(tmp_path, [record(f"GHSA-{number:03}", package=f"p{number}") for number in range(200)])
    key = SCHEMES["PyPI"].key("1.0")
    lookups = [Lookup(base="PyPI", release="", name=f"p{number}", key=key) for number in reversed(range(250))]
    with open_database(database) as advisories:
        hits = advisories.find(lookups)
        assert advisories.find([]) == ()
    assert [(hit.lookup, hit.advisory.id) for hit in hits] == [
        (index, f"GHSA-{249 - index:03}") for index in range(50, 250)
    ]


def test_keeps_what_a_record_says(tmp_path):
    item = record(
        "GHSA-1",
        "Debian:12",
        aliases=["CVE-2020-1"],
        upstream=["CVE-2020-1"],
        related=["X"],
        summary="short",
        details="long ünïcode",
        published="2020-01-01T00:00:00Z",
        severity=[{"type": "CVSS_V3", "score": "v"}],
        references=[{"type": "WEB", "url": "https://a"}],
        database_specific={"severity": "LOW", "cwe_ids": ["CWE-1"]},
        entry={"ecosystem_specific": {"urgency": "low"}, "severity": [{"type": "CVSS_V2", "score": "w"}]},
    )
    database = make_database(tmp_path, [item])
    parsed = RecordParser(now=NOW).parse(json.dumps(item).encode(), "it")
    with open_database(database) as advisories:
        (hit,) = advisories.find([Lookup(base="Debian", release="12", name="demo", key=SCHEMES["Debian"].key("1"))])
        assert hit.advisory == parsed.advisory
        assert hit.facts == parsed.affected[0][1].facts
        assert advisories.advisory("Debian", "GHSA-1") == parsed.advisory
        assert advisories.advisory("Debian", "GHSA-2") is None
        assert advisories.advisory("npm", "GHSA-1") is None


def test_a_dump_replaces_its_ecosystem_and_keeps_the_others(tmp_path):
    database = tmp_path / "advisories.db"
    first = write_dump(tmp_path / "PyPI" / "all.zip", [record("P-1"), record("P-2", package="gone")])
    other = write_dump(tmp_path / "npm" / "all.zip", [record("N-1", "npm")])
    Advisories(database, now=NOW).take([first, other])
    assert (ask(database, "demo", "1.0"), ask(database, "gone", "1.0")) == ([("P-1", "2.0")], [("P-2", "2.0")])
    write_dump(first, [record("P-1", events=[{"introduced": "0"}, {"fixed": "1.5"}]), record("P-3")])
    Advisories(database, now=NOW).take([first])
    assert ask(database, "demo", "1.2") == [("P-1", "1.5"), ("P-3", "2.0")]
    assert ask(database, "gone", "1.0") == []
    assert ask(database, "demo", "1.0.0", "npm") == [("N-1", "2.0")]


def test_single_records_replace_those_of_their_id_only(tmp_path):
    database = tmp_path / "advisories.db"
    dump = write_dump(tmp_path / "PyPI" / "all.zip", [record("P-1"), record("P-2")])
    Advisories(database, now=NOW).take([dump])
    own = write_records(
        tmp_path / "own", [record("P-2", events=[{"introduced": "0"}, {"fixed": "9"}]), record("OWN-1")]
    )
    Advisories(database, now=NOW).take([own])
    assert ask(database, "demo", "1.0") == [("OWN-1", "2.0"), ("P-1", "2.0"), ("P-2", "9")]
    for path in own.iterdir():
        path.unlink()
    write_records(own, [record("P-1", withdrawn="2020-01-01T00:00:00Z"), record("OWN-2")])
    Advisories(database, now=NOW).take([own])
    assert ask(database, "demo", "1.0") == [("OWN-2", "2.0")]
    Advisories(database, now=NOW).take([dump])
    assert ask(database, "demo", "1.0") == [("OWN-2", "2.0"), ("P-1", "2.0"), ("P-2", "2.0")]


def test_a_record_about_several_ecosystems_comes_with_the_dump_of_each(tmp_path):
    database = tmp_path / "advisories.db"
    both = record("GHSA-1")
    both["affected"] += record("GHSA-1", "npm")["affected"]
    Advisories(database, now=NOW).take([write_dump(tmp_path / "PyPI" / "all.zip", [both, record("GHSA-2")])])
    with open_database(database) as advisories:
        assert [(item.base, item.record_count) for item in advisories.coverage()] == [("PyPI", 2)]
    Advisories(database, now=NOW).take([write_dump(tmp_path / "npm" / "all.zip", [both])])
    assert ask(database, "demo", "1.0.0", "npm") == [("GHSA-1", "2.0")]


def test_a_zip_whose_place_names_another_ecosystem_is_read_as_records(tmp_path):
    database = tmp_path / "advisories.db"
    Advisories(database, now=NOW).take([write_dump(tmp_path / "npm" / "all.zip", [record("N-1", "npm")])])
    Advisories(database, now=NOW).take([write_dump(tmp_path / "npm" / "all.zip", [record("P-1")])])
    assert ask(database, "demo", "1.0.0", "npm") == [("N-1", "2.0")]
    assert ask(database, "demo", "1.0") == [("P-1", "2.0")]


def test_large_sources_share_a_dictionary_and_keep_it_when_others_are_replaced(tmp_path):
    database = tmp_path / "advisories.db"
    words = [
        "the",
        "parser",
        "of",
        "the",
        "archive",
        "reads",
        "past",
        "the",
        "end",
        "of",
        "its",
        "buffer",
        "when",
        "a",
        "crafted",
        "header",
        "names",
        "a",
        "longer",
        "size",
    ]
    records = [
        record(
            f"P-{number}",
            package=f"p{number}",
            details=" ".join(words[(number * place) % 19] for place in range(1, 200)),
        )
        for number in range(900)
    ]
    Advisories(database, now=NOW).take([write_dump(tmp_path / "PyPI" / "all.zip", records)])
    plain = sum(len(json.dumps(item)) for item in records)
    assert database.stat().st_size < plain / 2
    Advisories(database, now=NOW).take([write_dump(tmp_path / "npm" / "all.zip", [record("N-1", "npm")])])
    with open_database(database) as advisories:
        for number in (0, 450, 899):
            found = advisories.advisory("PyPI", f"P-{number}")
            assert found is not None
            assert found.details == records[number]["details"]
        assert advisories.advisory("npm", "N-1") is not None
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM dictionary").fetchone() == (1,)
    connection.close()


def test_status_says_what_the_database_is_made_of(tmp_path):
    database = tmp_path / "advisories.db"
    dump = write_dump(
        tmp_path / "Debian" / "all.zip",
        [
            record("D-1", "Debian:12"),
            record("D-2", "Debian:11"),
            record("D-3", "Debian:12", withdrawn="2020-01-01T00:00:00Z"),
        ],
    )
    first = Advisories(database, now=NOW).take([dump]).status
    (source,) = first.sources
    assert (source.kind, source.name, source.location) == (DUMP, "Debian", str(dump))
    assert (source.record_count, source.withdrawn_count, source.malformed_count) == (2, 1, 0)
    assert (first.built, first.newest_record, source.imported) == (
        "2026-11-23T00:00:00Z",
        "2026-01-02T00:00:00Z",
        "2026-11-23T00:00:00Z",
    )
    assert [(item.release, item.record_count) for item in first.coverage] == [("11", 1), ("12", 1)]
    assert (first.record_count, first.size) == (2, database.stat().st_size)
    again = Advisories(database, now=NOW).take([dump]).status
    assert again.digest == first.digest
    write_dump(dump, [record("D-1", "Debian:12")])
    assert Advisories(database, now=NOW).take([dump]).status.digest != first.digest


def test_there_is_no_database(tmp_path):
    with pytest.raises(NoDatabase) as caught:
        open_database(tmp_path / "missing.db")
    assert "rafsight db update" in caught.value.advice
    with pytest.raises(NoDatabase):
        open_database(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_damaged(tmp_path, content):
    path = tmp_path / "advisories.db"
    path.write_bytes(content)
    with pytest.raises(DatabaseDamaged):
        open_database(path)
    with pytest.raises(DatabaseDamaged):
        Advisories(path, now=NOW).take([write_records(tmp_path / "r", [record("P-1")])])
    assert path.read_bytes() == content
    assert leftovers(path) == []


@pytest.mark.parametrize(("version", "error"), [(0, DatabaseTooOld), (99, DatabaseTooNew)])
def test_another_layout_is_refused(tmp_path, version, error):
    path = make_database(tmp_path, [record("P-1")])
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(error) as caught:
        open_database(path)
    assert str(version) in str(caught.value)


def test_a_database_of_an_older_layout_is_built_anew(tmp_path):
    path = make_database(tmp_path, [record("P-1")])
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 0")
    connection.close()
    Advisories(path, now=NOW).take([write_records(tmp_path / "r", [record("P-2")])])
    assert ask(path, "demo", "1.0") == [("P-2", "2.0")]


def test_damage_anywhere_in_the_file_is_reported_as_damage(tmp_path):
    whole = make_database(tmp_path, [record(f"P-{number}", details="x" * number) for number in range(300)]).read_bytes()
    path = tmp_path / "damaged.db"
    errors = 0
    for place in range(120, len(whole), 997):
        path.write_bytes(whole[:place] + bytes(64) + whole[place + 64 :])
        try:
            ask(path, "demo", "1.0")
        except DatabaseDamaged:
            errors += 1
    for end in range(0, len(whole), len(whole) // 9):
        path.write_bytes(whole[:end])
        with pytest.raises(DatabaseDamaged):
            ask(path, "demo", "1.0")
    assert errors > 10


def test_a_body_that_claims_to_be_huge_is_not_unpacked(tmp_path):
    import zstandard

    path = make_database(tmp_path, [record("P-1")])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE record SET body = ?", (zstandard.compress(bytes(BODY_SIZE + 1)),))
    connection.close()
    with pytest.raises(DatabaseDamaged, match="no legal size"):
        ask(path, "demo", "1.0")


def test_a_record_too_large_to_keep_is_left_out(tmp_path):
    huge = record(
        "P-1", references=[{"type": "WEB", "url": f"https://example.org/{number:060}"} for number in range(70_000)]
    )
    path = tmp_path / "advisories.db"
    result = Advisories(path, now=NOW).take([write_records(tmp_path / "r", [huge, record("P-2")])])
    assert result.imported[0].source.malformed_count == 1
    assert ask(path, "demo", "1.0") == [("P-2", "2.0")]


def test_a_record_is_there_once_and_the_newest_one_stays_wherever_it_came_from(tmp_path):
    database = tmp_path / "advisories.db"

    def changed(moment, fixed):
        return record("P-1", modified=moment, events=[{"introduced": "0"}, {"fixed": fixed}])

    newer = write_dump(tmp_path / "PyPI" / "all.zip", [changed("2026-03-01T00:00:00.5Z", "3"), record("P-2")])
    older = write_records(tmp_path / "own", [changed("2026-03-01T00:00:00Z", "2")])
    Advisories(database, now=NOW).take([newer])
    Advisories(database, now=NOW).take([older])
    assert ask(database, "demo", "1.0") == [("P-1", "3"), ("P-2", "2.0")]
    Advisories(database, now=NOW).take([newer, older])
    assert ask(database, "demo", "1.0") == [("P-1", "3"), ("P-2", "2.0")]
    for path in older.iterdir():
        path.unlink()
    write_records(older, [changed("2026-04-01T02:00:00+02:00", "4")])
    Advisories(database, now=NOW).take([older])
    Advisories(database, now=NOW).take([newer])
    assert ask(database, "demo", "1.0") == [("P-1", "4"), ("P-2", "2.0")]
    write_dump(newer, [record("P-1", modified="2026-03-31T00:00:00Z", withdrawn="2026-03-31T00:00:00Z"), record("P-2")])
    Advisories(database, now=NOW).take([newer])
    assert ask(database, "demo", "1.0") == [("P-1", "4"), ("P-2", "2.0")]
    write_dump(newer, [record("P-1", modified="2026-04-02T00:00:00Z", withdrawn="2026-04-02T00:00:00Z"), record("P-2")])
    Advisories(database, now=NOW).take([newer])
    assert ask(database, "demo", "1.0") == [("P-2", "2.0")]


def test_the_same_records_under_another_name_count_once(tmp_path):
    database = tmp_path / "advisories.db"
    both = record("GHSA-1", "npm")
    both["affected"] += record("GHSA-1", "PyPI")["affected"]
    records = [both, record("N-2", "npm")]
    dump = write_dump(tmp_path / "npm" / "all.zip", records)
    assert Advisories(database, now=NOW).take([dump]).status.record_count == 2
    copies = [write_dump(tmp_path / "download.zip", records), write_records(tmp_path / "folder", records)]
    for copy in copies:
        assert Advisories(database, now=NOW).take([copy]).status.record_count == 2
    status = Advisories(database, now=NOW).take([dump]).status
    assert status.record_count == 2
    assert [(item.name, item.record_count) for item in status.sources] == [("npm", 2), (str(copies[1]), 1)]


def test_a_dump_that_lost_records_to_another_source_is_asked_for_as_a_whole_again(tmp_path):
    database = tmp_path / "advisories.db"
    source = SourceFacts(
        kind=DUMP, name="PyPI", location="x", sha256="", imported="", newest="", record_count=0, etag="7"
    )
    with DatabaseBuilder(database, now="2026-01-01T00:00:00Z") as builder:
        with builder.source(source) as writer:
            for name in ("P-1", "P-2"):
                writer.add(RecordParser(now=NOW).parse(json.dumps(record(name)).encode(), "it"))
        builder.finish()
    other = Advisories(database, now=NOW).take([write_records(tmp_path / "r", [record("P-3")])]).status
    assert [(item.record_count, item.etag) for item in other.sources] == [(2, "7"), (1, "")]
    taken = Advisories(database, now=NOW).take([write_records(tmp_path / "s", [record("P-1")])]).status
    assert [(item.record_count, item.etag) for item in taken.sources] == [(1, ""), (1, ""), (1, "")]


FULL = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from rafsight.interfaces.cli import run
sys.exit(run(["db", "import", sys.argv[2], "--db", sys.argv[3]]))
"""


@pytest.mark.parametrize("room", [0, 10_000, 100_000, 2_000_000])
def test_a_disk_that_is_full_at_any_time_is_no_defect(tmp_path, room):
    """The bound on the size of a file makes SQLite see what it sees on a full disk."""
    import random

    random.seed(1)
    records = [record(f"P-{number}", details=random.randbytes(8000).hex()) for number in range(400)]
    dump = write_dump(tmp_path / "PyPI" / "all.zip", records)
    database = tmp_path / "db" / "advisories.db"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(room), str(dump), str(database)], capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitStatus.HOST, done.stderr
    assert f"the advisory database {database} cannot be written: " in " ".join(done.stderr.split())
    assert list(database.parent.iterdir()) == []


class Stopped(KeyboardInterrupt):
    pass


@pytest.mark.parametrize("error", [Stopped, DamagedArchive])
def test_an_unfinished_build_leaves_the_old_database_and_nothing_else(tmp_path, error):
    path = make_database(tmp_path, [record("P-1")])
    before = path.read_bytes()
    source = SourceFacts(kind=RECORDS, name="x", location="x", sha256="", imported="", newest="", record_count=0)
    with (  # noqa: PT012
        pytest.raises(error),
        DatabaseBuilder(path, now="2026-01-01T00:00:00Z") as builder,
        builder.source(source) as writer,
    ):
        writer.add(RecordParser(now=NOW).parse(json.dumps(record("P-2")).encode(), "it"))
        raise error(**({} if error is Stopped else {"name": "x", "reason": "y"}))
    assert path.read_bytes() == before
    assert leftovers(path) == []


def stage(builder, name, *contents):
    source = SourceFacts(kind=RECORDS, name=name, location=name, sha256=name, imported="", newest="", record_count=0)
    with builder.source(source) as writer:
        for member in contents:
            writer.add(RecordParser(now=NOW).parse(member, "it"))


def test_a_source_that_fails_takes_only_itself_back(tmp_path):
    path = tmp_path / "advisories.db"
    good = {name: json.dumps(record(f"P-{name}")).encode() for name in "abc"}
    with DatabaseBuilder(path, now="2026-01-01T00:00:00Z") as builder:
        stage(builder, "a", good["a"])
        with pytest.raises(MalformedRecord):
            stage(builder, "b", good["b"], b"{")
        stage(builder, "c", good["c"])
        builder.finish()
    assert ask(path, "demo", "1.0") == [("P-a", "2.0"), ("P-c", "2.0")]


def test_one_build_at_a_time(tmp_path):
    path = tmp_path / "advisories.db"
    with DatabaseBuilder(path, now="x"), pytest.raises(DatabaseBusy), DatabaseBuilder(path, now="x"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_build_left_is_cleared_away(tmp_path):
    path = make_database(tmp_path, [record("P-1")])
    (tmp_path / ".advisories.db.0123456789ab.part").write_text("half")
    (tmp_path / ".other.db.0123456789ab.part").write_text("somebody else's")
    Advisories(path, now=NOW).take([write_records(tmp_path / "r", [record("P-2")])])
    assert leftovers(path) == [".other.db.0123456789ab.part"]


def test_a_link_to_a_database_stays_a_link(tmp_path):
    path = make_database(tmp_path / "real", [record("P-1")])
    (tmp_path / "link.db").symlink_to(path)
    Advisories(tmp_path / "link.db", now=NOW).take([write_records(tmp_path / "r", [record("P-2")])])
    assert (tmp_path / "link.db").is_symlink()
    assert ask(path, "demo", "1.0") == [("P-1", "2.0"), ("P-2", "2.0")]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a place where even root cannot write, such as /proc")
def test_a_place_that_cannot_be_written_is_said():
    from pathlib import Path

    with pytest.raises(DatabaseNotWritten), DatabaseBuilder(Path("/proc/self/advisories.db"), now="x"):
        pass


def test_a_database_in_the_place_of_a_directory_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatabaseNotWritten), DatabaseBuilder(tmp_path / "file" / "advisories.db", now="x"):
        pass


READER = """
import sys, time
from pathlib import Path
from rafsight.matching.store import Lookup, open_database
from rafsight.matching.versions import SCHEMES
path, stop = Path(sys.argv[1]), Path(sys.argv[2])
lookups = [Lookup(base="PyPI", release="", name=f"p{n}", key=SCHEMES["PyPI"].key("1.0")) for n in range(300)]
first = open_database(path)
want = [hit.advisory.id for hit in first.find(lookups)]
while not stop.exists():
    assert [hit.advisory.id for hit in first.find(lookups)] == want
    with open_database(path) as fresh:
        print(len(fresh.find(lookups)), flush=True)
"""


def test_a_reader_keeps_reading_while_the_file_is_replaced(tmp_path):
    database = tmp_path / "advisories.db"
    dump = tmp_path / "PyPI" / "all.zip"
    Advisories(database, now=NOW).take([write_dump(dump, [record(f"P-{n}", package=f"p{n}") for n in range(100)])])
    stop = tmp_path / "stop"
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(database), str(stop)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert reader.stdout is not None
        seen = [reader.stdout.readline()]
        for count in (150, 200, 250, 300):
            Advisories(database, now=NOW).take(
                [write_dump(dump, [record(f"P-{n}", package=f"p{n}") for n in range(count)])]
            )
            while seen[-1] and seen[-1] != f"{count}\n":
                seen.append(reader.stdout.readline())
    finally:
        stop.touch()
        output, errors = reader.communicate(timeout=60)
    assert reader.returncode == 0, errors
    counts = [int(line) for line in [*seen, *output.splitlines()]]
    assert set(counts) == {100, 150, 200, 250, 300}
    assert counts == sorted(counts)
    assert leftovers(database) == []
