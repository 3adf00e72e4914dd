"""What every store does: one suite, run on SQLite and on PostgreSQL."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from tests.interfaces.service.orders import LASTING, PASSING, REGISTRY, digest, new_report, order, place

from rafsight.interfaces.service.jobs.contract import MAX_ATTEMPTS, MAX_LOST, QueueFull, new_id
from rafsight.interfaces.service.jobs.model import (
    DeliveryEvent,
    DeliveryKind,
    DeliveryState,
    DeliveryWish,
    Failure,
    ImageOrder,
    JobState,
    MalformedOrder,
    NewFinding,
    NewNews,
    Paging,
)
from rafsight.interfaces.service.jobs.opening import open_store

MINUTE = 60_000
HOUR = 3600_000
ALL = Paging(limit=200)
HOOK = DeliveryWish(kind=DeliveryKind.WEBHOOK, target="https://hooks.example/a")


@pytest.fixture
def store(store_url):
    opened = open_store(store_url)
    yield opened
    opened.close()


def accept(store, wanted, *, replica="a", limit=1000, **more):
    return store.accept(wanted, replica=replica, queue_limit=limit, **more)


def claim(store, *, replica="a", lease=MINUTE):
    return store.claim(worker="w", replica=replica, lease=lease)


def scan(store, number=1, *, tag="", repository="team/app", report=None, **more):
    """Do a whole job."""
    accepted = accept(store, order(number, tag=tag, repository=repository, **more))
    claimed = claim(store)
    assert claimed.job.id == accepted.job.id
    head = store.finish(claimed.job.id, claimed.ticket, report or new_report(number))
    assert head is not None
    return head


def test_an_order_goes_all_the_way(store):
    wanted = order(7, tag="v1", scanners=("vuln", "secret"), platform="linux/arm64", plain_http=True, note="für Harbor")
    accepted = accept(store, wanted, request_id="chosen")
    assert (accepted.is_new, accepted.request.id, accepted.request.note) == (True, "chosen", "für Harbor")
    assert accepted.job.state is JobState.WAITING
    claimed = claim(store)
    assert claimed.job.state is JobState.RUNNING
    assert (claimed.job.attempts, claimed.job.scanners, claimed.job.plain_http) == (1, ("secret", "vuln"), True)
    assert (claimed.job.place, claimed.job.platform) == (wanted.place, "linux/arm64")
    assert claimed.requests == (accepted.request,)
    assert claim(store) is None
    assert store.extend(claimed.job.id, claimed.ticket, lease=MINUTE)
    head = store.finish(claimed.job.id, claimed.ticket, new_report(7, content=b"\0all", critical=2, is_complete=False))
    request, job = store.request("chosen")
    assert request == accepted.request
    assert (job.state, job.report_id, job.failure) == (JobState.DONE, head.id, None)
    assert job == store.job(accepted.job.id)
    kept = store.report(head.id)
    assert (kept.content, kept.head) == (b"\0all", head)
    assert store.head(head.id) == head
    assert (head.summary.critical, head.summary.is_complete, head.size) == (2, False, 4)
    assert (head.place, head.scanners) == (wanted.place, ("secret", "vuln"))


def test_the_same_work_is_joined_and_other_work_is_not(store):
    first = accept(store, order(1, tag="a"))
    again = accept(store, order(1, tag="b", repository="other/place", priority=5))
    assert (again.is_new, again.job.id) == (False, first.job.id)
    assert again.request.id != first.request.id
    others = [order(2), order(1, scanners=("secret",)), order(1, platform="linux/arm64"), order(1, declared=True)]
    assert all(accept(store, one).is_new for one in others)
    claimed = claim(store)
    assert claimed.job.id == first.job.id, "the priority of the second order counts"
    assert [one.place.repository for one in claimed.requests] == ["team/app", "other/place"]
    running = accept(store, order(1))
    assert (running.is_new, running.job.id) == (False, first.job.id)
    store.finish(claimed.job.id, claimed.ticket, new_report(1))
    names = {(row.place.repository, row.place.tag) for row in store.images(ALL).items if row.place.digest == digest(1)}
    assert names == {("team/app", "a"), ("other/place", "b"), ("team/app", "")}


def test_a_fresh_report_is_taken_if_the_order_allows_it(store):
    head = scan(store, 1)
    fresh = accept(store, order(1, fresh_for=HOUR, wishes=(HOOK,)))
    assert (fresh.is_new, fresh.job.state, fresh.job.report_id) == (False, JobState.DONE, head.id)
    assert store.claim_delivery(lease=MINUTE).report_id == head.id
    time.sleep(0.002)
    assert accept(store, order(1, fresh_for=1)).is_new
    claimed = claim(store)
    store.finish(claimed.job.id, claimed.ticket, new_report(1, version="0.0.1"))
    assert accept(store, order(2, fresh_for=HOUR)).is_new


def test_a_report_of_another_release_is_not_fresh(store):
    scan(store, 1, report=new_report(1, version="0.0.1"))
    assert accept(store, order(1, fresh_for=HOUR)).is_new


def test_a_tag_alone_is_scanned_anew_and_gets_its_digest(store):
    wanted = replace(order(), place=replace(place(), digest="", tag="latest"))
    accepted = accept(store, wanted)
    assert not accept(store, wanted).is_new
    assert store.images(ALL).total == 0
    claimed = claim(store)
    head = store.finish(claimed.job.id, claimed.ticket, new_report(9))
    assert head.place == replace(wanted.place, digest=digest(9))
    assert [row.place for row in store.images(ALL).items] == [head.place]
    assert accept(store, replace(wanted, fresh_for=HOUR)).job.id != accepted.job.id


def test_the_queue_has_a_limit_and_joining_does_not_count(store):
    accept(store, order(1), limit=2)
    accept(store, order(2), limit=2)
    with pytest.raises(QueueFull) as raised:
        accept(store, order(3), limit=2)
    assert not raised.value.permanent
    assert not accept(store, order(2), limit=2).is_new
    assert store.jobs(ALL).total == 2
    claim(store)
    assert accept(store, order(3), limit=2).is_new


def test_jobs_come_by_priority_then_by_age(store):
    for number, priority in ((1, 0), (2, 0), (3, 50), (4, -50)):
        accept(store, order(number, priority=priority))
        time.sleep(0.002)
    found = [claim(store).job.place.digest for _ in range(4)]
    assert found == [digest(number) for number in (3, 1, 2, 4)]


def test_a_failure_that_may_pass_is_tried_again_later(store):
    accept(store, order(1))
    for attempt in range(1, MAX_ATTEMPTS + 1):
        claimed = claim(store)
        assert claimed.job.attempts == attempt
        state = store.fail(claimed.job.id, claimed.ticket, PASSING, retry_in=0)
        assert state is (JobState.WAITING if attempt < MAX_ATTEMPTS else JobState.FAILED)
    job = store.job(claimed.job.id)
    assert (job.state, job.failure) == (JobState.FAILED, PASSING)
    assert claim(store) is None
    assert accept(store, order(1)).is_new, "a job that failed is not joined"


def test_the_next_attempt_waits(store):
    accept(store, order(1))
    claimed = claim(store)
    store.fail(claimed.job.id, claimed.ticket, PASSING, retry_in=HOUR)
    assert claim(store) is None
    assert store.job(claimed.job.id).due >= claimed.job.started + HOUR


def test_a_permanent_failure_ends_the_job(store):
    accept(store, order(1))
    claimed = claim(store)
    assert store.fail(claimed.job.id, claimed.ticket, LASTING, retry_in=None) is JobState.FAILED
    assert store.job(claimed.job.id).failure == LASTING


def test_hostile_failure_texts_are_kept_as_text(store):
    accept(store, order(1))
    claimed = claim(store)
    nasty = replace(LASTING, message="\0\ud800'; DROP TABLE job; --" + "x" * 100_000)
    store.fail(claimed.job.id, claimed.ticket, nasty, retry_in=None)
    assert store.job(claimed.job.id).failure.message.startswith("?'; DROP TABLE job; --x")
    assert store.jobs(ALL).total == 1


def test_a_job_whose_worker_is_silent_goes_to_another_and_the_first_is_refused(store):
    accept(store, order(1))
    lost = claim(store, lease=1)
    time.sleep(0.01)
    assert store.sweep(retry_in=0) == 1
    assert store.sweep(retry_in=0) == 0
    found = claim(store)
    assert (found.job.id, found.job.attempts) == (lost.job.id, 2)
    assert not store.extend(lost.job.id, lost.ticket, lease=MINUTE)
    assert store.finish(lost.job.id, lost.ticket, new_report(1)) is None
    assert store.fail(lost.job.id, lost.ticket, LASTING, retry_in=None) is None
    assert not store.release(lost.job.id, lost.ticket)
    assert store.finish(found.job.id, found.ticket, new_report(1)) is not None
    assert store.counts().reports == 1


def test_a_job_that_kills_its_replicas_ends(store):
    accept(store, order(1, wishes=(replace(HOOK, tells_failures=True),)))
    for _ in range(MAX_LOST):
        claimed = claim(store, lease=1)
        time.sleep(0.01)
        store.sweep(retry_in=0)
    job = store.job(claimed.job.id)
    assert (job.state, job.failure.code) == (JobState.FAILED, "worker-lost")
    assert store.claim_delivery(lease=MINUTE).event is DeliveryEvent.FAILED


def test_nobody_is_told_that_something_pushed_is_no_image(store):
    """Whoever asked for it by name is."""
    hook = replace(HOOK, tells_failures=True)
    failure = Failure(code="not-an-image", message="a signature")
    for source, number in (("push", 1), ("api", 2)):
        accept(store, order(number, source=source, wishes=(hook,)))
        claimed = claim(store)
        assert store.fail(claimed.job.id, claimed.ticket, failure, retry_in=None) is JobState.FAILED
    told = {one.place.digest: one.state for one in store.deliveries(ALL).items}
    assert told == {digest(1): DeliveryState.DROPPED, digest(2): DeliveryState.DUE}


def test_a_job_given_back_is_not_an_attempt(store):
    accept(store, order(1))
    claimed = claim(store)
    assert store.release(claimed.job.id, claimed.ticket)
    assert claim(store).job.attempts == 1


def test_cancelling_ends_a_job_for_good(store):
    accepted = accept(store, order(1, wishes=(HOOK,)))
    claimed = claim(store)
    assert store.cancel(accepted.job.id)
    assert not store.cancel(accepted.job.id)
    assert not store.cancel("nobody")
    assert not store.extend(claimed.job.id, claimed.ticket, lease=MINUTE)
    assert store.finish(claimed.job.id, claimed.ticket, new_report(1)) is None
    assert store.job(accepted.job.id).state is JobState.CANCELLED
    assert store.claim_delivery(lease=MINUTE) is None
    assert store.deliveries(ALL).items[0].state is DeliveryState.DROPPED


def test_a_job_is_cancelled_when_the_last_request_is_withdrawn(store):
    first, second = accept(store, order(1)), accept(store, order(1))
    assert store.withdraw(first.request.id)
    assert store.request(first.request.id) is None
    assert store.job(first.job.id).state is JobState.WAITING
    assert store.withdraw(second.request.id)
    assert store.request(second.request.id)[1].state is JobState.CANCELLED
    assert not store.withdraw(second.request.id)
    assert not store.withdraw("nobody")


def test_lent_credentials_keep_a_job_with_their_replica_while_it_lives(store):
    store.beat("a")
    store.beat("b")
    accept(store, order(1, is_lent=True), replica="a")
    assert claim(store, replica="b") is None
    assert claim(store, replica="a").job.place.digest == digest(1)
    accept(store, order(2, is_lent=True), replica="a")
    store.leave("a")
    assert claim(store, replica="b").job.place.digest == digest(2)


def test_a_credential_that_comes_later_counts_too(store):
    store.beat("a")
    store.beat("b")
    accept(store, order(1), replica="b")
    joined = accept(store, order(1, is_lent=True), replica="a")
    assert claim(store, replica="b") is None
    claimed = claim(store, replica="a")
    assert [request.is_lent for request in claimed.requests] == [False, True]
    assert claimed.requests[1] == joined.request


def test_a_refusal_is_no_end_if_somebody_has_come_with_another_credential(store):
    store.beat("a")
    accept(store, order(1, is_lent=True))
    claimed = claim(store)
    time.sleep(0.002)
    accept(store, order(1, is_lent=True))
    assert store.fail(claimed.job.id, claimed.ticket, LASTING, retry_in=None) is JobState.WAITING
    claimed = claim(store)
    assert len(claimed.requests) == 2
    assert store.fail(claimed.job.id, claimed.ticket, LASTING, retry_in=None) is JobState.FAILED


def test_jobs_are_listed(store):
    for number in range(5):
        accept(store, order(number, repository=f"team/App_{number}", tag="v%"))
        time.sleep(0.002)
    first = claim(store)
    listed = store.jobs(Paging(limit=2))
    assert [job.place.digest for job in listed.items] == [digest(4), digest(3)]
    assert (listed.total, listed.has_more) == (5, True)
    assert not store.jobs(Paging(offset=4)).has_more
    assert [job.id for job in store.jobs(ALL, states=[JobState.RUNNING]).items] == [first.job.id]
    assert store.jobs(ALL, search="app_3").total == 1
    assert store.jobs(ALL, search="APP_3:V%").total == 1
    assert store.jobs(ALL, search="a%p").total == 0
    assert store.jobs(ALL, search="'; --").total == 0


def test_hostile_orders_are_refused():
    for bad in ("", "a b", "a\0b", "a\nb", "ä", "x" * 256):
        with pytest.raises(MalformedOrder):
            place(repository=bad)
    for more in ({"scanners": ()}, {"scanners": ("x",)}, {"priority": 101}, {"note": "\0"}, {"note": "x" * 9000}):
        with pytest.raises(MalformedOrder):
            order(**more)
    with pytest.raises(MalformedOrder):
        order(wishes=(HOOK,) * 17)
    with pytest.raises(MalformedOrder):
        DeliveryWish(kind=DeliveryKind.WEBHOOK, target="\ud800")
    for paging in ({"offset": -1}, {"limit": 0}, {"limit": 201}):
        with pytest.raises(MalformedOrder):
            Paging(**paging)


def test_images_are_what_tags_name_now(store):
    scan(store, 1, tag="v1", report=new_report(1, high=1))
    scan(store, 2, tag="v2", report=new_report(2, critical=1))
    scan(store, 3, tag="v1", report=new_report(3, high=9))
    scan(store, 4, report=new_report(4))
    accept(store, order(9, tag="v1"))
    store.cancel(store.jobs(ALL).items[0].id)
    scan(store, 5, tag="new", repository="a/first")
    rows = store.images(ALL).items
    assert [(row.place.tag, row.place.digest) for row in rows] == [
        ("v2", digest(2)),
        ("v1", digest(3)),
        ("new", digest(5)),
        ("", digest(4)),
    ]
    assert [row.history_count for row in rows] == [1, 2, 1, 1]
    assert rows[1].report.summary.high == 9
    assert [row.place.tag for row in store.images(ALL, order=ImageOrder.NAME).items] == ["new", "", "v1", "v2"]
    assert store.images(ALL, order=ImageOrder.SCANNED).total == 4
    assert store.images(ALL, search="FIRST").total == 1
    assert store.images(ALL, search=digest(3)[:20]).total == 4
    assert store.images(ALL, registry="elsewhere").total == 0
    assert store.images(Paging(offset=1, limit=1)).items == rows[1:2]


def test_history_says_what_a_tag_has_named(store):
    heads = []
    for number in (1, 2, 1):
        heads.append(scan(store, number, tag="v1"))
        time.sleep(0.002)
    scan(store, 3, tag="v2")
    scan(store, 4, repository="other/app")
    found = store.history(REGISTRY, "team/app", ALL, tag="v1")
    assert [head.id for head in found.items] == [head.id for head in reversed(heads)]
    assert store.history(REGISTRY, "team/app", ALL).total == 4
    assert store.history(REGISTRY, "team/app", Paging(offset=3, limit=1)).items == (heads[0],)
    assert store.forget_image(REGISTRY, "team/app", tag="v1") == 2
    assert store.history(REGISTRY, "team/app", ALL, tag="v1").total == 0
    assert store.report(heads[0].id) is not None


def test_the_latest_report_of_a_digest_is_found_by_what_was_read_too(store):
    scan(store, 1, scanners=("vuln", "secret"))
    time.sleep(0.002)
    second = scan(store, 1, report=new_report(1, read=77))
    assert store.latest(digest(1)) == second
    assert store.latest(digest(77)) == second
    assert store.latest(digest(1), scanners=("secret",)).scanners == ("secret", "vuln")
    assert store.latest(digest(1), scanners=("misconfig",)) is None
    assert store.latest(digest(5)) is None


NEWS = NewNews(
    added=(NewFinding(id="CVE-1", component="openssl", version="1", severity="critical", fixed_version="2"),),
    removed=(NewFinding(id="CVE-2", component="zlib", version="1", severity="low"),),
    added_count=1,
    removed_count=700,
)


def test_reports_are_matched_again_once(store):
    old = scan(store, 1)
    time.sleep(0.002)
    head = scan(store, 1)
    scan(store, 2, scanners=("secret",))
    scan(store, 3, report=new_report(3, database="sha256:db2"))
    assert old.id != head.id
    assert store.stale_reports("sha256:db2", limit=10) == [head.id]
    assert store.stale_reports("sha256:db2", limit=10, after=head.id) == []
    again = new_report(1, content=b"newer", database="sha256:db2", critical=1)
    news = store.revise(head.id, again, seen_matched=head.matched, news=NEWS, wishes=(HOOK, HOOK))
    assert (news.added, news.removed, news.removed_count) == (NEWS.added, NEWS.removed, 700)
    assert store.revise(head.id, again, seen_matched=head.matched, news=NEWS, wishes=(HOOK,)) is None
    kept = store.report(head.id)
    assert (kept.content, kept.head.summary.critical, kept.head.database_digest) == (b"newer", 1, "sha256:db2")
    assert (kept.head.scanned, kept.head.matched > head.matched) == (head.scanned, True)
    assert store.stale_reports("sha256:db2", limit=10) == []
    assert store.news(ALL).items == store.news(ALL, report_id=head.id).items == (news,)
    assert store.one_news(news.id) == news
    delivery = store.claim_delivery(lease=MINUTE)
    assert (delivery.event, delivery.news_id, delivery.report_id) == (DeliveryEvent.NEWS, news.id, head.id)
    assert store.claim_delivery(lease=MINUTE) is None
    assert store.revise(head.id, again, seen_matched=kept.head.matched, news=None, wishes=(HOOK,)) is None
    assert store.news(ALL).total == 1


def test_a_wish_is_fulfilled_once_a_job_and_place(store):
    wishes = (HOOK, replace(HOOK, target="https://hooks.example/b", note="n"))
    accept(store, order(1, wishes=wishes))
    accept(store, order(1, wishes=wishes))
    accept(store, order(1, tag="v1", wishes=(HOOK,)))
    assert store.claim_delivery(lease=MINUTE) is None
    claimed = claim(store)
    head = store.finish(claimed.job.id, claimed.ticket, new_report(1))
    accept(store, order(1, wishes=wishes, fresh_for=HOUR))
    found = [store.claim_delivery(lease=MINUTE) for _ in range(4)]
    assert found[3] is None
    assert sorted((one.target[-1], one.note, one.place.tag) for one in found[:3]) == [
        ("a", "", ""),
        ("a", "", "v1"),
        ("b", "n", ""),
    ]
    assert {one.report_id for one in found[:3]} == {head.id}
    assert {one.event for one in found[:3]} == {DeliveryEvent.SCANNED}


def test_deliveries_are_tried_again_until_given_up(store):
    scan(store, 1, wishes=(HOOK,))
    first = store.claim_delivery(lease=1)
    time.sleep(0.01)
    second = store.claim_delivery(lease=MINUTE)
    assert (second.id, second.attempts) == (first.id, 2), "the first sender was not heard of again"
    assert not store.delivered(first.id, first.ticket)
    assert store.delivery_failed(second.id, second.ticket, PASSING, retry_in=0)
    third = store.claim_delivery(lease=MINUTE)
    assert third.failure == PASSING
    assert store.delivery_failed(third.id, third.ticket, LASTING, retry_in=None)
    assert not store.delivered(third.id, third.ticket)
    (listed,) = store.deliveries(ALL, states=[DeliveryState.FAILED]).items
    assert (listed.attempts, listed.failure, listed.ticket) == (3, LASTING, "")
    assert store.deliveries(ALL, job_id="nobody").total == 0


def test_a_delivery_that_arrived_is_done(store):
    scan(store, 1, wishes=(HOOK,))
    claimed = store.claim_delivery(lease=MINUTE)
    assert store.delivered(claimed.id, claimed.ticket)
    assert not store.delivered(claimed.id, "")
    assert store.counts().deliveries[DeliveryState.DONE] == 1


def test_turns_are_taken_by_one_replica_at_a_time(store):
    assert store.take_turn("prune", "a", lease=MINUTE)
    assert store.take_turn("prune", "a", lease=1)
    assert store.take_turn("match", "b", lease=MINUTE)
    time.sleep(0.01)
    assert store.take_turn("prune", "b", lease=MINUTE)
    assert not store.take_turn("prune", "a", lease=MINUTE)
    store.end_turn("prune", "a")
    assert not store.take_turn("prune", "a", lease=MINUTE)
    store.end_turn("prune", "b")
    assert store.take_turn("prune", "a", lease=MINUTE)
    store.leave("a")
    assert store.take_turn("prune", "b", lease=MINUTE)


def test_marks_are_kept(store):
    assert store.mark("matched") == ""
    store.set_mark("matched", "sha256:a")
    store.set_mark("matched", "ä%'")
    assert store.mark("matched") == "ä%'"
    with pytest.raises(MalformedOrder):
        store.set_mark("matched", "\0")


def test_tokens_are_known_by_their_digest_alone(store):
    token = store.add_token(b"\1" * 32, name="ci", scopes=("scan", "read"), expires=123)
    assert (token.scopes, token.expires, token.used, token.revoked) == (("read", "scan"), 123, None, None)
    assert store.find_token(b"\2" * 32) is None
    assert store.find_token(b"\1" * 32) == token
    used = store.find_token(b"\1" * 32)
    assert used.used is not None
    assert store.tokens() == [used]
    assert store.revoke_token(token.id)
    assert not store.revoke_token(token.id)
    assert store.find_token(b"\1" * 32).revoked is not None


def test_counts_say_where_everything_stands(store):
    store.beat("a")
    scan(store, 1, tag="a", wishes=(HOOK,), report=new_report(1, content=b"x" * 100))
    accept(store, order(2))
    time.sleep(0.002)
    accept(store, order(3))
    counts = store.counts()
    assert (counts.jobs[JobState.WAITING], counts.jobs[JobState.DONE], counts.jobs[JobState.FAILED]) == (2, 1, 0)
    assert counts.oldest_waiting == store.jobs(ALL).items[1].created
    assert (counts.reports, counts.report_size, counts.images, counts.replicas) == (1, 100, 1, 1)
    assert counts.deliveries[DeliveryState.DUE] == 1
    assert counts.store_size > 0
    store.check()


def test_pruning_keeps_what_somebody_waits_for_and_what_tags_name(store):
    done = scan(store, 1, tag="v1", wishes=(HOOK,))
    replaced = scan(store, 2, tag="v2")
    time.sleep(0.002)
    kept = scan(store, 2, tag="v2")
    gone = scan(store, 3)
    waiting = accept(store, order(4))
    time.sleep(0.01)
    pruned = store.prune(older_than=1, size_limit=None, keep_requests=1)
    assert (pruned.jobs, pruned.reports) == (3, 2)
    assert pruned.freed == replaced.size + gone.size
    assert store.head(done.id) is not None
    assert store.head(kept.id) is not None
    assert store.head(replaced.id) is None
    assert store.report(gone.id) is None
    assert store.request(waiting.request.id)[1].state is JobState.WAITING
    assert store.jobs(ALL).total == 2, "the one whose delivery is due stays, too"
    delivery = store.claim_delivery(lease=MINUTE)
    assert store.report(delivery.report_id) is not None
    store.delivered(delivery.id, delivery.ticket)
    time.sleep(0.01)
    assert store.prune(older_than=1, size_limit=None, keep_requests=1).jobs == 1
    assert store.prune(older_than=None, size_limit=None, keep_requests=HOUR).jobs == 0


def test_pruning_by_size_takes_the_oldest_that_no_image_shows_first(store):
    first = scan(store, 1, tag="v1", report=new_report(1, content=b"x" * 1000))
    time.sleep(0.002)
    older = scan(store, 2, tag="v2", report=new_report(2, content=b"x" * 1000))
    time.sleep(0.002)
    latest = scan(store, 2, tag="v2", report=new_report(2, content=b"x" * 1000))
    assert store.prune(older_than=None, size_limit=3000, keep_requests=HOUR).reports == 0
    assert store.prune(older_than=None, size_limit=2999, keep_requests=HOUR).reports == 1
    assert store.head(older.id) is None
    assert store.prune(older_than=None, size_limit=1500, keep_requests=HOUR).reports == 1
    assert store.head(first.id) is None
    assert store.head(latest.id) is not None
    rows = {row.place.tag: row.report for row in store.images(ALL).items}
    assert rows == {"v1": None, "v2": latest}
    assert [job.report_id for job in store.jobs(ALL).items] == [latest.id, "", ""]


def test_a_request_made_just_now_keeps_its_job_from_pruning(store, store_url):
    scan(store, 1)
    change(store_url, "UPDATE {}request SET created = created - 60000")
    change(store_url, "UPDATE {}job SET created = created - 60000, finished = finished - 60000")
    fresh = accept(store, order(1, fresh_for=HOUR))
    assert not fresh.is_new
    assert store.prune(older_than=None, size_limit=None, keep_requests=MINUTE).jobs == 0
    assert store.request(fresh.request.id) is not None
    change(store_url, "UPDATE {}request SET created = created - 60000")
    assert store.prune(older_than=None, size_limit=None, keep_requests=MINUTE).jobs == 1


def change(store_url, statement):
    """Change something behind the store's back; `{}` stands before the names of tables."""
    if "://" in store_url:
        import psycopg

        with psycopg.connect(store_url, autocommit=True) as connection:
            connection.execute(statement.format("rafsight."))
    else:
        with closing(sqlite3.connect(store_url)) as connection, connection:
            connection.execute(statement.format(""))


def test_many_at_once_join_and_no_job_is_claimed_twice(store, store_url):
    others = [open_store(store_url), open_store(store_url)]
    stores = [store, *others]
    gate = threading.Barrier(16)

    def ask(number):
        if number < 16:
            gate.wait(60)
        return accept(stores[number % 3], order(number % 10, tag=f"t{number}"), replica=f"r{number % 3}")

    def work(number):
        found = []
        while (claimed := claim(stores[number % 3], replica=f"r{number % 3}")) is not None:
            found.append(claimed.job.id)
            stores[number % 3].finish(claimed.job.id, claimed.ticket, new_report(number))
        return found

    try:
        with ThreadPoolExecutor(16) as pool:
            accepted = list(pool.map(ask, range(100)))
            assert sum(one.is_new for one in accepted) == 10
            assert len({one.job.id for one in accepted}) == 10
            done = [job for found in pool.map(work, range(9)) for job in found]
        assert len(done) == len(set(done)) == 10
        assert store.counts().jobs[JobState.DONE] == 10
    finally:
        for other in others:
            other.close()


def test_what_was_written_is_there_after_opening_again(store_url):
    first = open_store(store_url)
    accepted = accept(first, order(1, note=new_id()))
    first.close()
    second = open_store(store_url)
    try:
        assert second.request(accepted.request.id) == (accepted.request, accepted.job)
    finally:
        second.close()
