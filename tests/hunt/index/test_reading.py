"""What can be read through an index, and what becomes of damaged ones."""

import pytest
from tests.hunt.fleets import make_layout, named

from rafsight.access.options import Options
from rafsight.base.events import Noticed
from rafsight.hunt.index.fleet_index import FleetIndex, NotInIndex
from rafsight.hunt.index.manifest import DamagedIndex
from rafsight.hunt.index.reading import BadQuery


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    return [make_layout(folder / name, {name: {b"etc/name": name.encode()}}) for name in ("one", "two")]


@pytest.fixture
def index(layouts, tmp_path):
    """Two images, each in a part of its own."""
    index = FleetIndex(str(tmp_path / "index"))
    index.build(named(f"oci:{layouts[0]}"))
    index.update(named(f"oci:{layouts[1]}"))
    return FleetIndex(str(tmp_path / "index"))


def ask(index, sql):
    with index.query(sql) as result:
        return sorted(result.rows), result.unanswered


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "SELECT",
        "SELECT 1; SELECT 2",
        "CREATE TABLE x AS SELECT 1",
        "DROP TABLE images",
        "UPDATE images SET tag = ''",
        "COPY (SELECT 1) TO 'x.csv'",
        "COPY images TO 'x.parquet' (USE_TMP_FILE false)",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA enable_profiling",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'",
        "SELECT * FROM read_text('/etc/hosts')",
        "SELECT * FROM read_csv('/etc/hosts')",
        "SELECT * FROM '/etc/hosts'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('https://registry.example/x.parquet')",
        "SELECT * FROM sql",
        "SELECT nosuch FROM files",
    ],
)
def test_nothing_but_the_index_can_be_reached(index, sql):
    before = sorted(path.name for path in index._place._folder.rglob("*"))
    with pytest.raises(BadQuery), index.query(sql) as result:
        list(result.rows)
    assert sorted(path.name for path in index._place._folder.rglob("*")) == before


def test_what_sql_sees(index):
    rows, unanswered = ask(index, "SELECT path, kind, permissions, size FROM files WHERE name = 'name' ORDER BY 1")
    assert (rows, unanswered) == ([("/etc/name", "file", "0644", 3)] * 2, 0)
    ((first, second), *_), _ = ask(index, "SELECT count(DISTINCT content), count(*) FROM files WHERE kind = 'file'")
    assert (first, second) == (2, 2)
    rows, _ = ask(index, "SELECT count(*) FROM entries WHERE path = '/etc'")
    assert rows == [(2,)]  # each part stands for itself


@pytest.mark.parametrize("table", ["entries", "spans", "trees"])
@pytest.mark.parametrize("harm", ["missing", "shorter", "flipped"])
def test_a_lost_part_is_said_and_the_others_are_answered(index, layouts, table, harm):
    (path, *_) = sorted(index._place._folder.glob(f"parts/*-{table}.parquet"), key=lambda path: path.stat().st_mtime_ns)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if harm != "missing":
        path.write_bytes(bytes(content[: -1 if harm == "shorter" else None]))
    heard = []
    index._listener = heard.append
    assert ask(index, "SELECT reference, path FROM files WHERE name = 'name'") == (
        [(f"oci:{layouts[1]}:two", "/etc/name")],
        1,
    )
    assert [path.name in event.message for event in heard if isinstance(event, Noticed)] == [True]
    assert [answer.names for answer in index.ask(names=[b"name"])] == [(f"oci:{layouts[1]}:two",)]
    assert [(failure.names, failure.code) for failure in index.failures] == [((f"oci:{layouts[0]}:one",), "lost-tree")]
    assert index.update(named(), verify=True).trees == 1
    assert len(ask(index, "SELECT path FROM files WHERE name = 'name'")[0]) == 2
    assert not next(index.ask(names=[b"none"])).files
    assert index.failures == ()


def test_without_images_there_is_nothing_to_ask(index):
    for path in index._place._folder.glob("images/*.parquet"):
        path.write_bytes(b"PAR1")
    with pytest.raises(DamagedIndex, match="images/"), index.query("SELECT 1"):
        pass


def test_questions_about_content_are_refused(index):
    for question in (
        {"content": "x"},
        {"yara": "rule x {}"},
        {"package": "pkg:deb/x"},
        {"advisories": ["CVE-2024-1"]},
    ):
        with pytest.raises(NotInIndex):
            index.ask(names=[b"x"], **question)
    assert list(index.ask(names=[b"name"], content="", sha256=(), database=None))


def test_copies_of_a_distant_index_are_kept_and_checked(layouts, tmp_path):
    fsspec = pytest.importorskip("fsspec", reason="needs the extra `fsspec`")
    index = FleetIndex("memory://copies/index", options=Options(cache_dir=tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    try:
        index.build(named(f"oci:{layouts[0]}"))
        expected = ask(index, "SELECT path FROM files")
        copies = sorted((tmp_path / "cache/index").iterdir())
        assert len(copies) == 4
        copies[0].write_bytes(b"damaged")
        assert ask(index, "SELECT path FROM files") == expected
        for name in memory.find("/copies/index/parts"):
            memory.rm_file(name)
        assert ask(index, "SELECT path FROM files") == expected  # the copies are at hand
    finally:
        memory.rm("/copies", recursive=True)
