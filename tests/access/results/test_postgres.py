"""Results in PostgreSQL: the same contract, a server that fails, and no password in any message."""

import random
import subprocess
import sys
import textwrap

import pytest
from tests.access.results.postgres_server import running_server
from tests.access.results.test_sqlite import DAY, VALUES, Notes, key_of

import rafsight
from rafsight.access.options import Options
from rafsight.access.results.contract import NoResults
from rafsight.access.results.opening import open_results
from rafsight.access.results.postgres import TABLE, NotACache, PostgresResults
from rafsight.access.results.sqlite import SqliteResults
from rafsight.testing.registry import PLANTED, serve_layout

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server():
    with running_server() as address:
        yield address


@pytest.fixture
def address(server):
    import psycopg

    yield server
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {TABLE}")


def ask(address, statement):
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else None


def filled(address, values=VALUES, **more):
    store = PostgresResults(address, **more)
    store.keep(values)
    store.close()


def fetched(address, keys=VALUES, **more):
    store = PostgresResults(address, **more)
    found = store.fetch(keys)
    store.close()
    return found


def test_what_is_kept_is_there_for_others(address):
    notes = Notes()
    assert fetched(address, listener=notes) == {}
    filled(address)
    assert fetched(address, listener=notes) == VALUES
    filled(address, {key_of(3): b"new", key_of(2000): b""})
    assert fetched(address, [key_of(3), key_of(2000), key_of(9999)]) == {key_of(3): b"new", key_of(2000): b""}
    many = {key_of(f"many {number}"): str(number).encode() for number in range(1300)}
    filled(address, many)
    assert fetched(address, many) == many
    assert notes == []


def test_a_closed_store_keeps_nothing(address):
    store = PostgresResults(address)
    store.close()
    store.keep(VALUES)
    assert store.fetch(VALUES) == {}
    assert fetched(address) == {}


WRITE = """
    import sys
    from tests.access.results.test_sqlite import VALUES
    from rafsight.access.results.postgres import PostgresResults
    notes = []
    store = PostgresResults(sys.argv[1], listener=notes.append)
    for _ in range(5):
        store.keep(VALUES)
        assert store.fetch(VALUES) == VALUES
    store.close()
    print(notes)
"""


def test_many_processes_begin_at_once(address):
    command = [sys.executable, "-c", textwrap.dedent(WRITE), address]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    for process in running:
        assert process.communicate(timeout=60) == ("[]\n", "")
    assert fetched(address) == VALUES


def test_what_was_used_longest_ago_goes_first(address):
    now = [1_000_000]
    noise = random.Random(1)
    store = PostgresResults(address, clock=lambda: now[0])
    for number in range(40):
        now[0] += 2 * DAY
        store.keep({key_of(number): noise.randbytes(10_000)})
    store.fetch([key_of(0)])
    store.close()
    store = PostgresResults(address, clock=lambda: now[0])
    assert store.make_room(1 << 20) == 0
    assert store.make_room(200_000) in range(20, 27)
    left = store.fetch([key_of(number) for number in range(40)])
    assert key_of(0) in left, "it was used at last"
    assert key_of(39) in left
    assert key_of(1) not in left
    store.close()


def test_rooms_are_kept_by_those_who_write(address):
    store = PostgresResults(address, limit=100_000)
    noise = random.Random(1)
    for number in range(200):
        store.keep({key_of(number): noise.randbytes(5000)})
    store.close()
    ((size,),) = ask(address, f"SELECT sum(octet_length(value)) FROM {TABLE}")
    assert size < 200 * 5000, "one of many writers looked"


def test_damage_is_no_answer_and_goes(address):
    filled(address)
    ask(
        address,
        f"UPDATE {TABLE} SET value = set_byte(value, 0, 255 - get_byte(value, 0)) WHERE octet_length(value) % 2 = 0",
    )
    notes = Notes()
    found = fetched(address, listener=notes)
    assert 0 < len(found) < len(VALUES)
    assert found.items() <= VALUES.items()
    assert [note.partition(" ")[2] for note in notes] == ["results of earlier scans were damaged: left out"]
    notes.clear()
    assert fetched(address, listener=notes) == found
    assert notes == []


@pytest.mark.parametrize(
    "statement",
    [f"CREATE TABLE {TABLE} (key integer)", f"CREATE TABLE {TABLE} (key text, used text, value text)"],
)
def test_a_table_of_others_is_no_place(address, statement):
    ask(address, statement)
    notes = Notes()
    store = PostgresResults(address, listener=notes)
    store.keep(VALUES)
    assert store.fetch(VALUES) == {}
    store.close()
    assert len(notes) == 1


def test_a_server_that_ends_in_the_middle(address):
    notes = Notes()
    store = PostgresResults(address, listener=notes)
    store.keep(VALUES)
    ask(address, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rafsight'")
    assert store.fetch(VALUES) == {}
    store.keep({key_of(70): b"x"})
    store.close()
    assert len(notes) == 1
    assert fetched(address) == VALUES


def test_nobody_there(tmp_path):
    pytest.importorskip("psycopg")
    notes = Notes()
    store = PostgresResults(f"postgresql://me:sesame@/db?host={tmp_path}", listener=notes)
    assert store.fetch(VALUES) == {}
    store.keep(VALUES)
    store.close()
    assert len(notes) == 1
    assert notes[0].startswith("results of scans are not shared by the local server/db: ")
    assert "sesame" not in notes[0]


@pytest.mark.parametrize("address", ["mysql://me:sesame@host/db", "host/db", "", "postgresql://[::1", "redis://h:x/"])
def test_what_is_no_address(address):
    with pytest.raises(NotACache) as caught:
        PostgresResults(address)
    assert "sesame" not in str(caught.value)


def test_which_store_serves(address, tmp_path):
    with open_results(Options()) as store:
        assert isinstance(store, NoResults)
    with open_results(Options(cache_dir=tmp_path)) as store:
        assert isinstance(store, SqliteResults)
    options = Options(cache_dir=tmp_path, shared_cache="postgresql://me:sesame@host/db")
    assert "sesame" not in repr(options)
    with open_results(options) as store:
        assert isinstance(store, PostgresResults)


def test_machines_share_what_they_found(address, tmp_path):
    with serve_layout(PLANTED) as registry:
        reports = []
        for machine in ("one", "two"):
            registry.forget()
            options = Options(cache_dir=tmp_path / machine, shared_cache=address, platform="linux/amd64")
            notes = Notes()
            reports.append(
                rafsight.scan_reference(
                    registry.reference("v6"), database=None, options=options, listener=lambda event: None
                )
            )
            assert notes == []
        assert [served.call.path for served in registry.log] == ["/v2/app/manifests/v6"]
    assert reports[0].inventory == reports[1].inventory
    assert not (tmp_path / "one" / "results").exists()
