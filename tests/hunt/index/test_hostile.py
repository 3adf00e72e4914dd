"""Tables that are what their document says, and not what rafsight writes: an index from a stranger."""

from contextlib import suppress
from dataclasses import replace

import pytest
from tests.hunt.fleets import make_layout, named

from rafsight.hunt.index.duck import open_duck
from rafsight.hunt.index.fleet_index import FleetIndex
from rafsight.hunt.index.generations import commit
from rafsight.hunt.index.manifest import DamagedIndex
from rafsight.hunt.index.snapshot import digest_file


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    return make_layout(tmp_path_factory.mktemp("fleet") / "one", {"v1": {b"etc/name": b"one", b"a": b""}})


@pytest.fixture
def index(layout, tmp_path):
    index = FleetIndex(str(tmp_path / "index"))
    index.build(named(f"oci:{layout}"))
    return index


def rewrite(index, table, select):
    """Write a table of the only part anew, and a document that vouches for it."""
    manifest = index._newest()
    file = getattr(manifest.parts[0], table)
    path = index._place.path(file.name)
    with open_duck() as connection:
        connection.execute(f"CREATE TABLE t AS SELECT * FROM read_parquet('{path}')")
        connection.execute(f"COPY (SELECT {select} FROM t) TO '{path}' (FORMAT parquet)")
    changed = replace(file, size=path.stat().st_size, digest=digest_file(path))
    part = replace(manifest.parts[0], **{table: changed})
    commit(index._place, lambda newest: replace(newest, parts=(part,)))


@pytest.mark.parametrize(
    ("table", "select"),
    [
        ("spans", "* REPLACE (last + 5 AS last)"),
        ("spans", "* REPLACE (first + 1 AS first)"),
        ("spans", '"group"'),
        ("spans", "* REPLACE ('x' AS first)"),
        ("entries", "* EXCLUDE (name_raw)"),
        ("entries", "* REPLACE ('x' AS mode)"),
        ("entries", "* REPLACE ([1] AS xattrs)"),
        ("entries", "* REPLACE (NULL AS mode, NULL AS name, NULL AS directory, NULL AS size, NULL AS mtime)"),
        ("entries", '* REPLACE (NULL AS "group")'),
        (
            "entries",
            "* REPLACE ([NULL, {'name': NULL, 'value': NULL}]::STRUCT(name BLOB, value BLOB)[] AS xattrs, NULL AS content, NULL AS uid)",
        ),
        ("trees", "* EXCLUDE (tree)"),
        ("trees", "* REPLACE (NULL AS tree)"),
    ],
)
def test_strange_tables_are_damage_and_never_a_traceback(index, table, select):
    rewrite(index, table, select)
    for ask in (
        lambda: list(index.ask(names=[b"name"], mode="/0777", xattr=b"*")),
        lambda: list(index.ask(paths=[b"/etc/*"], size="0..5")),
    ):
        try:
            answers = ask()
        except DamagedIndex:
            continue
        assert answers == [] or not any(answer.files for answer in answers) or table == "entries"
    with suppress(DamagedIndex):
        index.compact()
