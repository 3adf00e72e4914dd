"""The store in a file: what a full disk, a damaged or a foreign file, and other processes do to it."""

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.interfaces.service.orders import new_report, order
from tests.interfaces.service.workers.support import until

from rafsight.base.errors import Defect, RafsightError
from rafsight.interfaces.service.jobs.contract import QueueFull
from rafsight.interfaces.service.jobs.faults import (
    StoreBusy,
    StoreDamaged,
    StoreForeign,
    StoreFull,
    StoreUnreachable,
    UnknownStore,
)
from rafsight.interfaces.service.jobs.model import JobState, Paging
from rafsight.interfaces.service.jobs.opening import open_store
from rafsight.interfaces.service.jobs.sqlite import SqliteDatabase
from rafsight.interfaces.service.jobs.store import SqlJobStore

ALL = Paging(limit=200)
HOUR = 3600_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "jobs.sqlite"


def opened(path, **more):
    return SqlJobStore(SqliteDatabase(path, **more))


def accept(store, number, limit=10_000, **more):
    return store.accept(order(number, **more), replica="a", queue_limit=limit)


def finish(store, number, size=100):
    accept(store, number)
    claimed = store.claim(worker="w", replica="a", lease=HOUR)
    return store.finish(claimed.job.id, claimed.ticket, new_report(number, content=os.urandom(size)))


def test_nobody_else_can_read_the_file(path):
    opened(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["jobs.sqlite"]


@pytest.mark.parametrize("where", ["jobs.sqlite", "sqlite:jobs.sqlite", "sqlite://jobs.sqlite"])
def test_a_file_is_named_in_several_ways(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    open_store(where).close()
    assert (tmp_path / "jobs.sqlite").is_file()


@pytest.mark.parametrize("where", ["", "sqlite:", "mysql://u:secret@h/d", "a\0b"])
def test_other_names_are_refused_and_no_password_is_shown(where):
    with pytest.raises(UnknownStore) as raised:
        open_store(where)
    assert "secret" not in str(raised.value)


def test_a_full_disk_is_said_and_undoes_only_what_did_not_fit(path):
    """Pages run out as room on a disk does: SQLite says the same."""
    store = opened(path, page_limit=120)
    try:
        heads = []
        with pytest.raises(StoreFull) as raised:
            heads.extend(finish(store, number, size=20_000) for number in range(100))
        assert not raised.value.permanent
        assert len(heads) >= 5
        assert all(store.report(head.id).content for head in heads)
        (running,) = store.jobs(ALL, states=[JobState.RUNNING]).items
        assert store.jobs(ALL).total == len(heads) + 1
        removed = store.prune(older_than=None, size_limit=40_000, keep_requests=HOUR)
        assert removed.reports == len(heads) - 2
        assert store.cancel(running.id)
        assert finish(store, 1000, size=20_000) is not None
    finally:
        store.close()


def test_what_is_too_much_does_not_fail_what_is_written_with_it(path):
    """Writers share a transaction; one of them has more than there is room for."""
    store = opened(path, page_limit=200)
    try:
        accept(store, 0)
        claimed = store.claim(worker="w", replica="a", lease=HOUR)
        results = {}
        gate = threading.Barrier(9)

        def write(number):
            gate.wait(60)
            try:
                if number:
                    results[number] = accept(store, number)
                else:
                    results[number] = store.finish(
                        claimed.job.id, claimed.ticket, new_report(0, content=os.urandom(4_000_000))
                    )
            except RafsightError as error:
                results[number] = error

        with ThreadPoolExecutor(9) as threads:
            list(threads.map(write, range(9)))
        assert isinstance(results[0], StoreFull)
        assert all(results[number].is_new for number in range(1, 9)), results
        assert store.jobs(ALL).total == 9
    finally:
        store.close()


def test_one_that_is_refused_does_not_undo_the_others(path):
    store = opened(path)
    try:
        gate = threading.Barrier(16)

        def write(number):
            gate.wait(60)
            try:
                return accept(store, number, limit=5)
            except QueueFull as error:
                return error

        with ThreadPoolExecutor(16) as threads:
            found = list(threads.map(write, range(16)))
        taken = [one for one in found if not isinstance(one, QueueFull)]
        assert len(taken) == 5
        assert {job.id for job in store.jobs(ALL).items} == {one.job.id for one in taken}
    finally:
        store.close()


def test_a_mistake_in_an_action_is_raised_where_it_belongs(path):
    database = SqliteDatabase(path)
    try:
        with pytest.raises(ZeroDivisionError):
            database.write(lambda cursor: 1 / 0)
        with pytest.raises(Defect):
            database.write(lambda cursor: cursor.run("INSERT INTO nothing VALUES (1)"))
        with pytest.raises(Defect):
            database.read(lambda cursor: cursor.rows("SELECT nonsense FROM job"))
        with pytest.raises(StoreUnreachable):
            database.read(lambda cursor: cursor.run("DELETE FROM job"))
        database.write(lambda cursor: cursor.run("DELETE FROM job"))
    finally:
        database.close()


def test_text_is_no_database(path):
    path.parent.mkdir()
    path.write_text("this is no database, and nobody wants to lose it\n" * 300)
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match="not a database"):
        opened(path)
    assert path.read_bytes() == before


def test_a_database_of_something_else_is_left_alone(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE precious (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreForeign, match="something else"):
        opened(path)
    assert path.read_bytes() == before


def test_a_store_of_a_later_release_is_left_alone(path):
    opened(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreForeign, match="version 99"):
        opened(path)


def test_damage_anywhere_is_a_clear_error_or_not_met(path):
    """Whatever page is damaged: an error of ours, never another one."""
    store = opened(path)
    for number in range(40):
        finish(store, number, size=3000)
    store.close()
    whole, dice = path.read_bytes(), random.Random(3)
    seen = set()
    for _ in range(80):
        damaged = bytearray(whole)
        at = dice.randrange(100, len(whole) - 64)
        damaged[at : at + 64] = dice.randbytes(64)
        path.write_bytes(damaged)
        try:
            store = opened(path)
        except RafsightError as error:
            seen.add(error.code)
            continue
        try:
            for job in store.jobs(ALL).items:
                if job.report_id:
                    store.report(job.report_id)
            finish(store, 1000)
            store.counts()
        except RafsightError as error:
            seen.add(error.code)
        finally:
            store.close()
            for ending in ("-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)
    assert "store-damaged" in seen
    assert seen <= {"store-damaged", "store-row-broken", "store-foreign"}, seen


def test_a_file_that_was_replaced_takes_no_more_orders(path):
    store = opened(path)
    try:
        accept(store, 1)
        shutil.move(path, path.with_name("moved"))
        with pytest.raises(StoreUnreachable):
            accept(store, 2)
        with pytest.raises(StoreUnreachable):
            store.check()
        path.write_bytes(b"")
        with pytest.raises(StoreUnreachable, match="taken its place"):
            accept(store, 2)
    finally:
        store.close()


def test_a_closed_store_says_so(path):
    store = opened(path)
    store.close()
    for question in (lambda: accept(store, 1), lambda: store.job("x"), store.check):
        with pytest.raises(StoreUnreachable, match="closed"):
            question()


def test_a_folder_that_is_not_ours(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnreachable):
        opened(tmp_path / "file" / "jobs.sqlite")
    with pytest.raises(StoreUnreachable):
        opened(tmp_path)


def test_another_process_that_does_not_go_on_is_said(path):
    store = opened(path, patience=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy) as raised:
            accept(store, 1)
        assert not raised.value.permanent
        assert store.jobs(ALL).total == 0, "readers do not wait"
        other.execute("ROLLBACK")
        accept(store, 1)
    finally:
        other.close()
        store.close()


def test_processes_share_a_file(path):
    """Four processes take the same orders, and do all jobs: each once."""
    code = """
        import sys
        from pathlib import Path
        from rafsight.interfaces.service.jobs.opening import open_store
        from tests.interfaces.service.orders import new_report, order

        store = open_store(sys.argv[1])
        for number in range(40):
            store.accept(order(number, fresh_for=3600000), replica="a", queue_limit=1000)
        while (claim := store.claim(worker="w", replica="a", lease=60000)) is not None:
            store.finish(claim.job.id, claim.ticket, new_report(int(claim.job.place.digest[-4:], 16), version=None))
            print(claim.job.id)
    """
    from tests.interfaces.service.workers.support import ROOT, worker_environ

    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), path],
            env=worker_environ(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [error for _, error in outputs] == [""] * 4
    done = [line for out, _ in outputs for line in out.split()]
    assert len(done) == len(set(done)) == 40


def test_clocks_are_the_callers(path):
    now = [1_000.0]
    store = opened(path, clock=lambda: now[0])
    try:
        assert accept(store, 1).job.created == 1_000_000
        store.claim(worker="w", replica="a", lease=5000)
        now[0] += 5
        assert store.sweep(retry_in=0) == 0
        now[0] += 0.001
        assert store.sweep(retry_in=0) == 1
        token = store.add_token(b"x", name="n", scopes=(), expires=None)
        store.find_token(b"x")
        now[0] += 59
        assert store.find_token(b"x").used == store.find_token(b"x").used == 1_005_001
        now[0] += 2
        store.find_token(b"x")
        assert store.tokens()[0].used == 1_066_001
        assert store.tokens()[0].id == token.id
    finally:
        store.close()


def test_many_orders_at_once_share_the_waits_for_the_disk(path):
    """Those that come while the file is being written to are written together: they wait for the disk once."""
    database, statements = SqliteDatabase(path), []
    store = SqlJobStore(database)
    try:
        with ThreadPoolExecutor(32) as threads:
            with database._writing:
                orders = [threads.submit(accept, store, number) for number in range(32)]
                until(lambda: len(database._waiting) == 32)
                database._writer.set_trace_callback(statements.append)
            assert all(one.result(60).is_new for one in orders)
        assert statements.count("COMMIT") == 1
        assert store.jobs(ALL).total == 32
    finally:
        store.close()
