"""Killed at any moment: no accepted job is lost, and nobody outside sees one done twice."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.interfaces.service.workers.support import ROOT, begun, gone, until, worker_environ

from rafsight.interfaces.service.jobs.model import JobState, Paging
from rafsight.interfaces.service.jobs.opening import open_store

ALL = Paging(limit=200)
SCRIPT = Path(__file__).with_name("replica.py")


@contextmanager
def replica(url, folder, *, plan=None, orders=(0, 0), workers=2, lease=60_000):
    """A replica; it is told to end, and killed if it does not. One that is to be killed has a short lease [ms]."""
    (folder / "log").mkdir(exist_ok=True)
    words = [url, str(folder), json.dumps(plan or {}), *map(str, orders), str(workers), str(lease)]
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *words],
        env=worker_environ(),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def accepted_by(process):
    """The jobs that a replica said it had accepted, up to its word that it works."""
    found = []
    for line in process.stdout:
        if line.strip() == "ready":
            break
        found.append(line.strip())
    return found


@pytest.fixture
def store(store_url):
    opened = open_store(store_url)
    yield opened
    opened.close()


def all_done(store, jobs):
    return all(store.job(job_id).state is JobState.DONE for job_id in jobs)


def check_seen_once(store, jobs):
    """What the outside sees: one report a job, one delivery a job, each naming that report."""
    reports = [store.job(job_id).report_id for job_id in jobs]
    assert len(set(reports)) == len(jobs)
    assert store.counts().reports == len(jobs)
    deliveries = store.deliveries(ALL).items
    assert Counter(one.job_id for one in deliveries) == dict.fromkeys(jobs, 1)
    assert {one.report_id for one in deliveries} == set(reports)


def test_killed_before_any_claim(store, store_url, tmp_path):
    with replica(store_url, tmp_path, orders=(0, 12), workers=0) as first:
        jobs = accepted_by(first)
        kill(first)
    assert len(jobs) == 12
    with replica(store_url, tmp_path):
        until(lambda: all_done(store, jobs))
    check_seen_once(store, jobs)
    assert len(begun(tmp_path)) == 12


def test_killed_between_claim_and_finish(store, store_url, tmp_path):
    plan = {str(number): ["hang", "ok"] for number in range(2)}
    with replica(store_url, tmp_path, plan=plan, orders=(0, 6), lease=2000) as first:
        jobs = accepted_by(first)
        until(lambda: len(begun(tmp_path)) == 2)
        kill(first)
        until(lambda: all(gone(pid) for _, pid in begun(tmp_path)))
    assert store.counts().jobs[JobState.RUNNING] == 2
    with replica(store_url, tmp_path, plan=plan):
        until(lambda: all_done(store, jobs))
    check_seen_once(store, jobs)
    assert Counter(number for number, _ in begun(tmp_path)) == {0: 2, 1: 2, 2: 1, 3: 1, 4: 1, 5: 1}


def test_killed_at_any_moment(tmp_path):
    """Again and again, while it takes orders and while it works; on a file, which has no server that stays alive."""
    url, dice = str(tmp_path / "jobs.sqlite"), random.Random(9)
    jobs = []
    for turn in range(3):
        with replica(url, tmp_path, orders=(turn * 10, turn * 10 + 10), lease=1000) as process:
            lines = dice.randrange(1, 14)
            for _ in range(lines):
                line = process.stdout.readline().strip()
                jobs += [line] if line not in {"", "ready"} else []
                if line == "ready":
                    break
            kill(process)
            jobs += [line for line in process.stdout.read().split() if line != "ready"]
    store = open_store(url)
    try:
        kept = [job.id for job in store.jobs(ALL).items]
        assert set(jobs) <= set(kept), "what was said to be accepted is there; the last one may have gone unsaid"
        with replica(url, tmp_path):
            until(lambda: all_done(store, kept), 60.0)
        check_seen_once(store, kept)
    finally:
        store.close()


def test_three_replicas_share_a_store_and_one_is_killed(postgres_url, tmp_path):
    from tests.interfaces.service.postgres_server import empty

    empty(postgres_url)
    store = open_store(postgres_url)
    plan = {str(number): ["pause"] for number in range(24)}
    try:
        with (
            replica(postgres_url, tmp_path, plan=plan, orders=(0, 24)) as first,
            replica(postgres_url, tmp_path, plan=plan, lease=3000) as second,
            replica(postgres_url, tmp_path, plan=plan) as third,
        ):
            jobs = accepted_by(first)
            accepted_by(second)
            accepted_by(third)
            running = until(lambda: len(begun(tmp_path)) >= 3)
            assert running
            kill(second)
            until(lambda: all_done(store, jobs), 60.0)
        check_seen_once(store, jobs)
        again = Counter(number for number, _ in begun(tmp_path))
        assert len(again) == 24
        assert sum(again.values()) <= 24 + 2, "only what the killed one had is scanned again"
        assert len({store.job(job_id).replica for job_id in jobs}) >= 2
    finally:
        store.close()
