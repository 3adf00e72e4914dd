"""The pool with real processes: what answers, dies, hangs, and is not wanted any more."""

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.interfaces.service.orders import order
from tests.interfaces.service.workers.support import begun, gone, pool, shown, until

from rafsight.interfaces.service.jobs.contract import MAX_ATTEMPTS, new_id
from rafsight.interfaces.service.jobs.faults import StoreUnreachable
from rafsight.interfaces.service.jobs.model import JobState, Paging
from rafsight.interfaces.service.jobs.opening import open_store
from rafsight.interfaces.service.workers.lending import Lending, Lent

ALL = Paging(limit=200)


@pytest.fixture
def store(tmp_path):
    opened = open_store(str(tmp_path / "jobs.sqlite"))
    yield opened
    opened.close()


def accept(store, number=1, *, replica="", request_id="", **more):
    return store.accept(order(number, **more), replica=replica, queue_limit=1000, request_id=request_id).job.id


def ended(store, job_id):
    job = store.job(job_id)
    return job if job.finished is not None else None


def done(store, number=1, **more):
    """Have a job done, or failed."""
    job_id = accept(store, number, **more)
    return until(lambda: ended(store, job_id))


def test_jobs_are_done_by_few_processes_and_told(store, tmp_path):
    with pool(store, tmp_path, workers=2) as workers:
        jobs = [accept(store, number) for number in range(10)]
        workers.wake()
        for number, job_id in enumerate(jobs):
            job = until(lambda job_id=job_id: ended(store, job_id))
            assert (job.state, job.attempts) == (JobState.DONE, 1)
            assert store.report(job.report_id).content == b"report of %d" % number
        until(lambda: len(workers.outcomes) == 10)
        assert {outcome.state for outcome in workers.outcomes} == {JobState.DONE}
        assert workers.outcomes[0].report.id in {job.report_id for job in store.jobs(ALL).items}
        state = workers.state()
        assert (state.slots, state.starts, state.trouble, state.is_alive) == (2, 2, "", True)
        assert len({pid for _, pid in begun(tmp_path)}) <= 2
    assert not workers.state().is_alive
    assert all(gone(pid) for _, pid in begun(tmp_path))
    assert store.counts().replicas == 0


def test_a_worker_that_dies_costs_an_attempt_and_no_job(store, tmp_path):
    with pool(store, tmp_path, {"1": ["die", "die", "ok"]}):
        job = done(store)
        assert (job.state, job.attempts) == (JobState.DONE, 3)
        assert [number for number, _ in begun(tmp_path)] == [1, 1, 1]


def test_an_image_that_kills_every_worker_fails_in_the_end(store, tmp_path):
    with pool(store, tmp_path, {"1": ["die"]}):
        job = done(store)
        assert (job.state, job.failure.code) == (JobState.FAILED, "worker-lost")
        assert len(begun(tmp_path)) == MAX_ATTEMPTS
        job = done(store, 2)
        assert job.state is JobState.DONE


def test_a_worker_killed_from_outside_costs_an_attempt(store, tmp_path):
    with pool(store, tmp_path, {"1": ["hang", "ok"]}):
        job_id = accept(store)
        (_, pid), *_ = until(lambda: begun(tmp_path))
        os.kill(pid, signal.SIGKILL)
        job = until(lambda: ended(store, job_id))
        assert (job.state, job.attempts) == (JobState.DONE, 2)


def test_a_scan_over_its_time_is_killed(store, tmp_path):
    with pool(store, tmp_path, {"1": ["hang"]}, time_limit=0.3) as workers:
        job = done(store)
        assert (job.state, job.failure.code) == (JobState.FAILED, "scan-timeout")
        assert workers.state().starts == MAX_ATTEMPTS
        assert all(gone(pid) for _, pid in begun(tmp_path))


def test_failures_that_pass_are_tried_again_and_others_are_not(store, tmp_path):
    with pool(store, tmp_path, {"1": ["away", "away", "ok"], "2": ["denied"]}):
        passing, lasting = accept(store, 1), accept(store, 2)
        assert until(lambda: ended(store, passing)).attempts == 3
        job = until(lambda: ended(store, lasting))
        assert (job.attempts, job.failure.code, job.failure.remedy) == (1, "registry-denied", "Log in.")


def test_the_second_attempt_waits(store, tmp_path):
    with pool(store, tmp_path, {"1": ["away"]}, retry_in=600_000):
        job_id = accept(store)
        job = until(lambda: (found := store.job(job_id)).failure and found)
        assert job.state is JobState.WAITING
        assert job.due - job.started >= 600_000


def test_too_much_memory_is_a_failure_and_the_worker_is_replaced(store, tmp_path):
    with pool(store, tmp_path, {"1": ["much"]}, memory_limit=2 << 30) as workers:
        job = done(store)
        assert (job.state, job.failure.code) == (JobState.FAILED, "out-of-memory")
        done(store, 2)
        assert workers.state().starts == 2


def test_workers_step_back_for_others(store, tmp_path):
    with pool(store, tmp_path, {"1": ["hang"]}, nice=7):
        job_id = accept(store)
        (_, pid), *_ = until(lambda: begun(tmp_path))
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 7)
        store.cancel(job_id)


def test_a_cancelled_scan_is_killed(store, tmp_path):
    with pool(store, tmp_path, {"1": ["hang"]}) as workers:
        job_id = accept(store)
        (_, pid), *_ = until(lambda: begun(tmp_path))
        assert store.cancel(job_id)
        workers.recheck()
        until(lambda: gone(pid))
        assert store.job(job_id).state is JobState.CANCELLED
        done(store, 2)
        assert [number for number, _ in begun(tmp_path)] == [1, 2]


def test_stopping_lets_scans_finish_that_are_quick_enough(store, tmp_path):
    with pool(store, tmp_path, {"1": ["wait"]}) as workers, ThreadPoolExecutor(1) as thread:
        running = accept(store)
        until(lambda: begun(tmp_path))
        waiting = accept(store, 2)  # not before: of two of the same moment either may be the first
        stopping = thread.submit(workers.stop, 60)
        until(lambda: workers._end is not None)
        (tmp_path / "go").touch()
        assert stopping.result(60)
        assert store.job(running).state is JobState.DONE
        assert (store.job(waiting).state, store.job(waiting).attempts) == (JobState.WAITING, 0)


def test_stopping_gives_back_what_takes_too_long(store, tmp_path):
    with pool(store, tmp_path, {"1": ["hang"]}) as workers:
        job_id = accept(store)
        (_, pid), *_ = until(lambda: begun(tmp_path))
        assert not workers.stop(0.05)
        until(lambda: gone(pid))
        job = store.job(job_id)
        assert (job.state, job.attempts, job.failure) == (JobState.WAITING, 0, None)
    with pool(store, tmp_path):
        assert until(lambda: ended(store, job_id)).attempts == 1


def test_credentials_reach_the_scan_and_are_forgotten(store, tmp_path):
    lending, replica, request_id = Lending(), new_id(), new_id()
    lending.lend(request_id, Lent(username="robot", password="s3cret"))
    accept(store, 1, repository="public/app", replica=replica)
    job_id = accept(store, 1, repository="private/app", replica=replica, request_id=request_id, is_lent=True)
    with pool(store, tmp_path, lending=lending, replica=replica):
        until(lambda: ended(store, job_id))
        until(lambda: not lending.held())
    assert shown(tmp_path) == [[["private/app", "robot", "s3cret"], ["public/app", "", ""]]]
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("jobs.sqlite*"))
    assert b"robot" not in kept
    assert b"s3cret" not in kept
    assert "s3cret" not in repr(Lent(username="robot", password="s3cret"))


def test_no_secret_of_an_unexpected_error_is_kept_or_logged(store, tmp_path, capfd):
    lending, replica, request_id = Lending(), new_id(), new_id()
    lending.lend(request_id, Lent(password="s3cret"))
    with pool(store, tmp_path, {"1": ["secret-in-error"]}, lending=lending, replica=replica):
        job = done(store, replica=replica, request_id=request_id, is_lent=True)
    assert job.failure.code == "defect"
    assert "s3cret" not in f"{job.failure}"
    assert "RuntimeError" in job.failure.message
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    told = next(line for line in logged if line.get("job") == job.id)
    assert told["kind"] == "RuntimeError"
    assert told["at"][-1].endswith(" _behave"), "where it happened is in the log"
    assert "s3cret" not in f"{logged}"


def test_work_goes_on_when_the_store_was_away(store, tmp_path):
    said = []

    class Flaky:
        """The store, away now and then."""

        away = False

        def __getattr__(self, name):
            if self.away:
                raise StoreUnreachable(store="s", why="the plug was pulled")
            return getattr(store, name)

    flaky = Flaky()
    with pool(flaky, tmp_path, {"1": ["wait"]}, listener=said.append) as workers:
        job_id = accept(store)
        until(lambda: begun(tmp_path))
        flaky.away = True
        workers.wake()
        until(lambda: "the plug was pulled" in workers.state().trouble)
        (tmp_path / "go").touch()
        until(lambda: workers._slots[0]._answer is not None)
        flaky.away = False
        job = until(lambda: ended(store, job_id))
        assert (job.state, job.attempts) == (JobState.DONE, 1)
        until(lambda: not workers.state().trouble)
        assert len(begun(tmp_path)) == 1
        assert "the plug was pulled" in said[0].message


def test_a_mistake_of_ours_costs_one_slot_a_moment_and_nothing_else(store, tmp_path):
    class Broken(list):
        """An observer that fails."""

        def append(self, outcome):
            super().append(outcome)
            if len(self) == 1:
                raise ZeroDivisionError

    said = []
    outcomes = Broken()
    with pool(store, tmp_path, listener=said.append, outcomes=outcomes):
        assert done(store).state is JobState.DONE
        assert done(store, 2).state is JobState.DONE
        assert "ZeroDivisionError" in said[0].message


def test_a_pool_does_not_start_without_its_store(tmp_path):
    class Away:
        def beat(self, replica):
            raise StoreUnreachable(store="s", why="it is not there")

    with pytest.raises(StoreUnreachable), pool(Away(), tmp_path):
        pass


def test_500_orders_of_100_images_are_100_scans(store, tmp_path):
    before = {thread.name for thread in threading.enumerate()}
    with pool(store, tmp_path, workers=4, grace=20) as workers:
        requests = [
            store.accept(
                order(number % 100, tag=f"t{number}", fresh_for=3600_000), replica="", queue_limit=1000
            ).request.id
            for number in range(500)
        ]
        workers.wake()
        until(lambda: store.counts().jobs[JobState.DONE] >= 100)
        for number, request_id in enumerate(requests):
            job = store.request(request_id)[1]
            assert job.state is JobState.DONE
            assert store.head(job.report_id).summary.high == number % 100
    scans = begun(tmp_path)
    assert sorted(number for number, _ in scans) == list(range(100))
    assert store.images(ALL).total == 500
    assert {thread.name for thread in threading.enumerate()} == before
