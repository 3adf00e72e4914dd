"""The store on a server: what becomes of connections, clocks, passwords, and databases of others."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from tests.interfaces.service.orders import new_report, order
from tests.interfaces.service.postgres_server import empty

from rafsight.base.errors import Defect
from rafsight.interfaces.service.jobs.faults import StoreForeign, StoreUnreachable, UnknownStore
from rafsight.interfaces.service.jobs.model import JobState, Paging
from rafsight.interfaces.service.jobs.opening import open_store
from rafsight.interfaces.service.jobs.postgres import PostgresDatabase

ALL = Paging(limit=200)


@pytest.fixture
def url(postgres_url):
    empty(postgres_url)
    return postgres_url


@pytest.fixture
def store(url):
    opened = open_store(url)
    yield opened
    opened.close()


def accept(store, number, **more):
    return store.accept(order(number, **more), replica="a", queue_limit=1000)


def administer(url, *statements):
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_connections_that_were_cut_are_made_anew(store, url):
    accept(store, 1)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rafsight'"
    administer(url, cut)
    assert store.jobs(ALL).total == 1
    administer(url, cut)
    assert accept(store, 2).is_new
    assert store.jobs(ALL).total == 2
    store.check()


def test_many_threads_share_few_connections(store, url):
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rafsight'"
    gate = threading.Barrier(24)

    def write(number):
        gate.wait(60)
        return accept(store, number % 6)

    with ThreadPoolExecutor(24) as threads:
        found = list(threads.map(write, range(24)))
    assert sum(one.is_new for one in found) == 6
    with psycopg.connect(url) as connection:
        assert connection.execute(count).fetchone()[0] <= 8


def test_replicas_that_start_together_make_the_tables_once(url):
    gate = threading.Barrier(6)

    def start(_):
        gate.wait(60)
        return open_store(url)

    with ThreadPoolExecutor(6) as threads:
        stores = list(threads.map(start, range(6)))
    assert accept(stores[0], 1).is_new
    assert not accept(stores[5], 1).is_new
    for store in stores:
        store.close()


def test_a_schema_of_a_later_release_is_left_alone(url):
    open_store(url).close()
    administer(url, "UPDATE rafsight.mark SET value = '99' WHERE key = 'schema'")
    with pytest.raises(StoreForeign, match="version 99"):
        open_store(url)


def test_the_schema_may_be_made_by_somebody_else(url):
    """Where the service's user may not make schemas, but was given one."""
    administer(
        url,
        "DROP ROLE IF EXISTS modest",
        "CREATE ROLE modest LOGIN",
        "CREATE SCHEMA rafsight AUTHORIZATION modest",
    )
    other = url.replace("rafsight@", "modest@")
    store = open_store(other)
    try:
        assert accept(store, 1).is_new
    finally:
        store.close()
        empty(url)
        administer(url, "DROP ROLE modest")


def test_no_password_is_shown(url):
    secret = url.replace("rafsight@", "rafsight:s3cr%65t@").replace("postgres?", "nowhere?")
    with pytest.raises(StoreUnreachable) as raised:
        open_store(secret)
    assert "nowhere" in str(raised.value)
    told = f"{raised.value} {raised.value.advice} {raised.value.__cause__!r} {raised.value.details}"
    assert "s3cr" not in told
    assert not raised.value.permanent
    with pytest.raises(UnknownStore) as refused:
        open_store("postgresql://user:s3cret@host/db?nonsense=1")
    assert "s3cret" not in str(refused.value)
    with pytest.raises(StoreUnreachable) as away:
        open_store("postgresql://user:s3cret@127.0.0.1:1/db")
    assert "s3cret" not in str(away.value)


def test_a_wrong_statement_is_our_mistake(url):
    database = PostgresDatabase(url)
    try:
        with pytest.raises(Defect):
            database.write(lambda cursor: cursor.run("INSERT INTO nothing VALUES (1)"))
        with pytest.raises(ZeroDivisionError):
            database.write(lambda cursor: (cursor.run("DELETE FROM job"), 1 / 0))
        assert database.read(lambda cursor: cursor.row("SELECT ?", "a'b%s"))[0] == "a'b%s"
    finally:
        database.close()
    with pytest.raises(StoreUnreachable, match="closed"):
        database.check()


def test_times_are_those_of_the_server(store, url):
    with psycopg.connect(url) as connection:
        (now,) = connection.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").fetchone()
    assert 0 <= accept(store, 1).job.created - now < 5000


def test_large_reports_are_kept(store):
    accept(store, 1)
    claimed = store.claim(worker="w", replica="a", lease=60_000)
    content = bytes(range(256)) * 40_000
    head = store.finish(claimed.job.id, claimed.ticket, new_report(1, content=content))
    assert store.report(head.id).content == content
    assert store.counts().store_size > 0
    assert store.counts().jobs[JobState.DONE] == 1
