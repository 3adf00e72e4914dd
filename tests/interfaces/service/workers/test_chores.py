"""Matching again and pruning: when, by whom, and what is told."""

import time
from dataclasses import replace

import pytest
from tests.interfaces.service.orders import digest, new_report, order
from tests.interfaces.service.workers.support import until, worker_environ
from tests.matching.support import component, make_database, record
from tests.reports import samples

from rafsight.base.events import Noticed
from rafsight.interfaces.service.jobs.model import DeliveryEvent, DeliveryKind, DeliveryWish, JobState, Paging
from rafsight.interfaces.service.jobs.opening import open_store
from rafsight.interfaces.service.jobs.reports_kept import pack_report, unpack_report
from rafsight.interfaces.service.workers.pruning import CHORE as PRUNING
from rafsight.interfaces.service.workers.pruning import Pruner
from rafsight.interfaces.service.workers.rematching import BUILT, CHORE, MATCHED, Rematcher
from rafsight.interfaces.service.workers.terms import KeepTerms

ALL = Paging(limit=200)
WISH = DeliveryWish(kind=DeliveryKind.WEBHOOK, target="hook")
PLAIN = replace(
    samples.CLEAN,
    inventory=replace(
        samples.CLEAN.inventory,
        distribution=None,
        components=(component("pypi", "alpha", "1.0"), component("pypi", "beta", "1.0")),
        gaps=(),
    ),
    gaps=(),
    database=None,
    engine=None,
)


@pytest.fixture
def store(tmp_path):
    opened = open_store(str(tmp_path / "jobs.sqlite"))
    yield opened
    opened.close()


def keep(store, number, report=PLAIN, *, content=None, tag="", **more):
    """Have a report in the store."""
    store.accept(order(number, tag=tag, **more), replica="a", queue_limit=100)
    claimed = store.claim(worker="w", replica="a", lease=60_000)
    packed = pack_report(report, digest=digest(number))
    head = store.finish(claimed.job.id, claimed.ticket, packed if content is None else replace(packed, content=content))
    assert head is not None
    return head


def database_of(folder, *packages):
    folder.mkdir(exist_ok=True)
    return make_database(folder, [record(f"PYSEC-{name}", package=name) for name in packages])


class Running:
    """A rematcher that runs, and what it says."""

    def __init__(self, store, database, *, replica="a", wishes=None, every=3600.0):
        self.notes = []
        self.asked = []
        self.matcher = Rematcher(
            store,
            database=database,
            replica=replica,
            environment=worker_environ(),
            wishes_for=wishes,
            every=every,
            listener=self.hear,
        )

    def hear(self, event):
        assert isinstance(event, Noticed)
        self.notes.append(event.message)

    def __enter__(self):
        self.matcher.start()
        return self.matcher

    def __exit__(self, *_):
        self.matcher.stop()


def test_all_reports_are_matched_with_a_newer_database_and_news_are_told(store, tmp_path):
    first, second = keep(store, 1, tag="v1"), keep(store, 2)
    unmatchable = keep(store, 3, scanners=("secret",))
    database = database_of(tmp_path / "new", "alpha")
    asked = []

    def wishes(head, news):
        asked.append((head.id, [one.id for one in news.added]))
        return [WISH] if head.place.tag else []

    running = Running(store, database, wishes=wishes)
    with running as matcher:
        mark = until(lambda: store.mark(MATCHED))
        until(lambda: not matcher.state().is_running)
        assert (matcher.state().done, matcher.state().news, matcher.state().unreadable) == (2, 2, 0)
    assert sorted(asked) == sorted([(first.id, ["PYSEC-alpha"]), (second.id, ["PYSEC-alpha"])])
    for head in (first, second):
        stored = store.report(head.id)
        assert [finding.id for finding in unpack_report(stored.content).findings] == ["PYSEC-alpha"]
        assert (stored.head.database_digest, stored.head.scanned) == (mark, head.scanned)
        assert stored.head.matched > head.matched
    assert store.head(unmatchable.id) == unmatchable
    delivery = store.claim_delivery(lease=1000)
    assert (delivery.event, delivery.report_id, delivery.place.tag) == (DeliveryEvent.NEWS, first.id, "v1")
    assert store.claim_delivery(lease=1000) is None
    news = store.one_news(delivery.news_id)
    assert (news.added[0].id, news.added[0].component, news.added_count) == ("PYSEC-alpha", "alpha", 1)
    assert "2 reports were matched" in running.notes[0]


def test_nothing_is_matched_twice(store, tmp_path):
    head = keep(store, 1)
    database = database_of(tmp_path / "new", "alpha")
    with Running(store, database):
        until(lambda: store.mark(MATCHED))
    matched = store.head(head.id).matched
    with Running(store, database) as matcher:
        matcher.request()
        time.sleep(0.05)
    assert store.head(head.id).matched == matched
    assert store.news(ALL).total == 1


def test_a_request_matches_what_has_come_since(store, tmp_path):
    database = database_of(tmp_path / "new", "alpha")
    with Running(store, database) as matcher:
        until(lambda: store.mark(MATCHED))
        head = keep(store, 1)
        matcher.request()
        until(lambda: store.head(head.id).database_digest)


def test_one_replica_at_a_time_does_it_and_another_goes_on_where_it_stopped(store, tmp_path):
    keep(store, 1)
    database = database_of(tmp_path / "new", "alpha")
    assert store.take_turn(CHORE, "somebody else", lease=60_000)
    with Running(store, database):
        time.sleep(0.1)
        assert store.mark(MATCHED) == ""
    store.end_turn(CHORE, "somebody else")
    with Running(store, database):
        until(lambda: store.mark(MATCHED))


def test_a_report_that_cannot_be_read_does_not_stop_the_others(store, tmp_path):
    keep(store, 1, content=b"\x01damaged")
    good = keep(store, 2)
    running = Running(store, database_of(tmp_path / "new", "alpha"))
    with running as matcher:
        until(lambda: store.mark(MATCHED))
        until(lambda: not matcher.state().is_running)
        assert (matcher.state().done, matcher.state().unreadable) == (2, 1)
    assert store.head(good.id).summary.total == 1
    assert any("was not matched again" in note for note in running.notes)


def test_without_a_database_it_waits_and_says_so(store, tmp_path):
    running = Running(store, tmp_path / "nothing.sqlite")
    with running:
        until(lambda: running.notes)
    assert "matching again" in running.notes[0]


def test_pruning_happens_by_itself_and_by_one_replica(store):
    head = keep(store, 1)
    notes = []
    time.sleep(0.01)
    terms = KeepTerms(older_than=1, keep_requests=1)
    store.take_turn(PRUNING, "somebody else", lease=60_000)
    pruner = Pruner(store, terms=terms, replica="a", listener=lambda event: notes.append(event.message))
    pruner.start()
    time.sleep(0.05)
    assert store.head(head.id) is not None
    pruner.stop()
    store.end_turn(PRUNING, "somebody else")
    pruner = Pruner(store, terms=terms, replica="a", listener=lambda event: notes.append(event.message))
    pruner.start()
    until(lambda: pruner.latest)
    pruner.stop()
    assert (pruner.latest.jobs, pruner.latest.reports) == (1, 1)
    assert "pruned 1 jobs, 1 reports" in notes[0]
    assert store.counts().jobs[JobState.DONE] == 0


def test_a_pruner_can_be_asked(store):
    pruner = Pruner(store, terms=KeepTerms(keep_requests=1), replica="a")
    pruner.start()
    until(lambda: pruner.latest)
    store.accept(order(1), replica="a", queue_limit=10)
    claimed = store.claim(worker="w", replica="a", lease=1000)
    store.finish(claimed.job.id, claimed.ticket, new_report(1))
    time.sleep(0.01)
    pruner.request()
    until(lambda: pruner.latest.jobs)
    pruner.stop()


def test_a_scan_that_ends_late_with_the_database_before_is_matched_too(store, tmp_path):
    database = database_of(tmp_path / "new", "alpha")
    with Running(store, database):
        until(lambda: store.mark(MATCHED))
    late, broken = keep(store, 1), keep(store, 2, content=b"\x01damaged")
    running = Running(store, database, every=0.02)
    with running:
        until(lambda: store.head(late.id).database_digest)
        until(lambda: any(broken.id in note for note in running.notes))
        time.sleep(0.3)
    assert sum(broken.id in note for note in running.notes) == 1, "what cannot be matched is not tried again and again"


def test_a_replica_with_an_older_database_leaves_it_alone(store, tmp_path):
    head = keep(store, 1)
    database = database_of(tmp_path / "old", "alpha")
    store.set_mark(MATCHED, "sha256:of-a-newer-one")
    store.set_mark(BUILT, "2099-01-01T00:00:00Z")
    with Running(store, database) as matcher:
        time.sleep(0.1)
        assert store.head(head.id).database_digest == ""
        matcher.request()
        until(lambda: store.head(head.id).database_digest)


def test_replicas_whose_databases_are_equally_old_do_not_take_turns(store, tmp_path):
    """Each matches once what the other has matched, and then lets it be."""
    keep(store, 1)
    with Running(store, database_of(tmp_path / "one", "alpha"), every=0.05) as matcher:
        until(lambda: store.mark(MATCHED))
        until(lambda: not matcher.state().is_running)
        store.set_mark(MATCHED, "sha256:of-the-other-replica")
        time.sleep(0.3)
        assert store.mark(MATCHED) == "sha256:of-the-other-replica"
