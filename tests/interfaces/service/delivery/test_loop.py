"""The loop over a real store: what is due is tried, tried again, and given up."""

import json
import shutil
import threading
import time
from dataclasses import replace

import pytest
from tests.access.registry.helpers import planted_manifest
from tests.interfaces.service.delivery.receivers import answering, receiving
from tests.interfaces.service.delivery.stories import BESIDE, HOOK, fail, revise, scan
from tests.reports.samples import PLANTED

import rafsight
from rafsight.interfaces.service.delivery.calling import Caller
from rafsight.interfaces.service.delivery.loop import (
    DeliveryLoop,
    DeliveryTerms,
    ReferrerRecipient,
    WebhookRecipient,
)
from rafsight.interfaces.service.delivery.referrer import ARTIFACTS
from rafsight.interfaces.service.delivery.webhook import make_webhook
from rafsight.interfaces.service.jobs.faults import StoreUnreachable
from rafsight.interfaces.service.jobs.model import DeliveryState, Paging, Place
from rafsight.interfaces.service.jobs.opening import open_store
from rafsight.reports.formats import NAMES
from rafsight.testing.registry import PLANTED as LAYOUT
from rafsight.testing.registry import serve_writable

SECRET = "0123456789abcdef"
V6, _ = planted_manifest("v6")
PATIENCE = 60.0
"""[s] that a test waits at most."""


class Clock:
    """[s since 1970], for the store."""

    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    opened = open_store(str(tmp_path / "jobs.sqlite"), clock=clock)
    yield opened
    opened.close()


def options(registry, plain_http):
    return rafsight.Options(plain_http=plain_http, timeout=60.0)


def loop_for(store, url="", *, report_format="", said=None, **more):
    recipients = {"beside": ReferrerRecipient(report_format=report_format or "sarif")}
    if url:
        webhook = make_webhook(url, SECRET, is_private=True)
        recipients["hook"] = WebhookRecipient(webhook=webhook, report_format=report_format)
    settings = {"caller": Caller(time_limit=5.0), "options": options, **more}
    terms = DeliveryTerms(recipients=recipients, **settings)
    listener = said.append if said is not None else (lambda event: None)
    return DeliveryLoop(store, terms, listener=listener, dice=lambda: 0.5)


def deliveries(store):
    return list(store.deliveries(Paging()).items)


def test_nothing_is_due(store):
    assert not loop_for(store).deliver_one()


def test_it_arrives(store):
    head = scan(store)
    with receiving(answering(204)) as receiver:
        loop = loop_for(store, receiver.url)
        assert loop.deliver_one()
        assert not loop.deliver_one()
    (delivery,) = deliveries(store)
    assert (delivery.state, delivery.failure, delivery.attempts) == (DeliveryState.DONE, None, 1)
    document = json.loads(receiver.body())
    assert document["delivery"] == delivery.id == receiver.headers()["x-rafsight-delivery"]
    assert document["report"]["id"] == head.id


def test_what_the_settings_enclose(store):
    scan(store)
    with receiving(answering(204)) as receiver:
        loop_for(store, receiver.url, report_format="cyclonedx").deliver_one()
    assert json.loads(receiver.body())["enclosed"]["content"]["bomFormat"] == "CycloneDX"


def test_it_is_tried_again_later_and_later(store, clock):
    scan(store)
    said, waits = [], []
    with receiving(answering(503)) as receiver:
        loop = loop_for(store, receiver.url, said=said, attempts=5, longest_delay=30_000)
        for _ in range(5):
            assert loop.deliver_one()
            (delivery,) = deliveries(store)
            if delivery.state is DeliveryState.DUE:
                waits.append(delivery.due - int(clock.now * 1000))
                assert not loop.deliver_one()
                clock.now = delivery.due / 1000
    assert waits == [10_000, 20_000, 30_000, 30_000]
    assert (delivery.state, delivery.attempts) == (DeliveryState.FAILED, 5)
    assert (delivery.failure.code, delivery.failure.is_permanent) == ("target-refuses", False)
    assert len({receiver.headers(number)["x-rafsight-delivery"] for number in range(5)}) == 1
    assert "is tried again in 10 s" in said[0].message
    assert "is given up" in said[-1].message


def test_the_receivers_wish_counts(store, clock):
    scan(store)
    with receiving(answering(429, "Retry-After: 900")) as receiver:
        loop_for(store, receiver.url).deliver_one()
    assert deliveries(store)[0].due - int(clock.now * 1000) == 900_000


def test_a_refusal_for_good(store):
    scan(store)
    with receiving(answering(410)) as receiver:
        loop_for(store, receiver.url).deliver_one()
    (delivery,) = deliveries(store)
    assert (delivery.state, delivery.failure.is_permanent, delivery.attempts) == (DeliveryState.FAILED, True, 1)
    assert "it answers 410" in delivery.failure.message


def test_a_target_that_is_not_named_any_more(store):
    scan(store, wishes=(HOOK, BESIDE))
    swapped = DeliveryTerms(recipients={"hook": ReferrerRecipient()}, options=options)
    loop = DeliveryLoop(store, swapped)
    while loop.deliver_one():
        pass
    assert {one.failure.code for one in deliveries(store)} == {"no-recipient"}
    assert {one.state for one in deliveries(store)} == {DeliveryState.FAILED}


def test_failures_and_news_are_told(store):
    fail(store, number=2)
    head = scan(store, wishes=())
    revise(store, head)
    with receiving(answering(200)) as receiver:
        loop = loop_for(store, receiver.url)
        while loop.deliver_one():
            pass
    assert sorted(receiver.headers(number)["x-rafsight-event"] for number in range(2)) == ["failed", "news"]


def test_a_mistake_of_ours_stops_no_other(store):
    scan(store, number=1)
    scan(store, number=2)

    begun = []

    class Broken(Caller):
        def post(self, *arguments, **more):
            begun.append(arguments)
            if len(begun) == 1:
                raise ZeroDivisionError
            return super().post(*arguments, **more)

    with receiving(answering(200)) as receiver:
        loop = loop_for(store, receiver.url, caller=Broken())
        assert loop.deliver_one()
        assert loop.deliver_one()
    states = {one.state: one.failure for one in deliveries(store)}
    assert states[DeliveryState.DONE] is None
    assert states[DeliveryState.DUE].code == "defect"
    assert "ZeroDivisionError" in states[DeliveryState.DUE].message


class TestReferrers:
    """Reports beside the image."""

    @pytest.fixture(params=[True, False], ids=["api", "tag"])
    def registry(self, tmp_path, request):
        folder = tmp_path / "registry" / "app"
        shutil.copytree(LAYOUT, folder)
        with serve_writable(folder.parent, referrers=request.param) as registry:
            yield registry

    def place(self, registry, repository="app"):
        return Place(registry=registry.host, repository=repository, digest=V6, tag="v6")

    @pytest.mark.parametrize(
        ("report_format", "kind"),
        [
            ("sarif", "application/sarif+json"),
            ("cyclonedx", "application/vnd.cyclonedx+json"),
            ("spdx", "application/spdx+json"),
            ("json", "application/json"),
            ("html", "text/html"),
        ],
    )
    def test_a_report_is_attached_once(self, store, registry, report_format, kind):
        for _ in range(2):
            scan(store, where=self.place(registry), wishes=(BESIDE,))
        loop = loop_for(store, report_format=report_format)
        while loop.deliver_one():
            pass
        assert {one.state for one in deliveries(store)} == {DeliveryState.DONE}
        assert len(deliveries(store)) == 2
        listing = rafsight.Attachments().listed(f"{registry.host}/app@{V6}")
        assert [one.artifact_type for one in listing.artifacts] == [kind]
        if report_format in ("sarif", "cyclonedx", "spdx"):
            assert listing.artifacts[0].created == PLANTED.started

    def test_every_format_can_be_attached(self):
        assert set(ARTIFACTS) == set(NAMES)

    def test_a_digest_that_only_the_scan_found(self, store, registry):
        scan(store, where=replace(self.place(registry), digest=""), wishes=(BESIDE,), digest=V6)
        loop_for(store).deliver_one()
        assert deliveries(store)[0].state is DeliveryState.DONE
        assert len(rafsight.Attachments().listed(f"{registry.host}/app@{V6}").artifacts) == 1

    def test_an_image_that_is_gone(self, store, registry):
        scan(store, where=self.place(registry, "none"), wishes=(BESIDE,))
        loop_for(store).deliver_one()
        (delivery,) = deliveries(store)
        assert (delivery.state, delivery.failure.code) == (DeliveryState.FAILED, "not-found")

    def test_a_registry_that_is_away(self, store):
        where = Place(registry="127.0.0.1:1", repository="app", digest=V6)
        scan(store, where=where, wishes=(BESIDE,))
        began = time.monotonic()
        loop_for(store).deliver_one()
        (delivery,) = deliveries(store)
        assert (delivery.state, delivery.failure.code) == (DeliveryState.DUE, "registry-unreachable")
        assert time.monotonic() - began < PATIENCE

    def test_a_failed_scan_has_nothing_to_attach(self, store):
        fail(store, wishes=(replace(BESIDE, tells_failures=True),))
        loop_for(store).deliver_one()
        (delivery,) = deliveries(store)
        assert (delivery.state, delivery.failure.code) == (DeliveryState.FAILED, "nothing-to-deliver")


class TestThreads:
    """As it runs in a service."""

    def wait(self, condition):
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until
            time.sleep(0.01)

    def test_it_wakes_and_ends(self, store):
        with receiving(answering(200)) as receiver:
            loop = loop_for(store, receiver.url, idle=60.0)
            loop.start()
            try:
                scan(store)
                loop.wake()
                self.wait(lambda: deliveries(store)[0].state is DeliveryState.DONE)
            finally:
                assert loop.stop()
        assert not any(thread.name.startswith("rafsight-delivery") for thread in threading.enumerate())

    def test_each_is_delivered_by_one_of_several_replicas(self, tmp_path, store, clock):
        for number in range(12):
            scan(store, number=number)
        stores = [open_store(str(tmp_path / "jobs.sqlite"), clock=clock) for _ in range(2)]
        with receiving(answering(200)) as receiver:
            loops = [loop_for(one, receiver.url, idle=0.05) for one in stores]
            for loop in loops:
                loop.start()
            try:
                self.wait(lambda: {one.state for one in deliveries(store)} == {DeliveryState.DONE})
            finally:
                ended = [loop.stop() for loop in loops]
        assert ended == [True, True]
        for one in stores:
            one.close()
        seen = [receiver.headers(number)["x-rafsight-delivery"] for number in range(len(receiver.requests))]
        assert len(seen) == len(set(seen)) == 12

    def test_one_whose_process_died_is_due_again(self, store, clock):
        scan(store)
        assert store.claim_delivery(lease=600_000) is not None  # and then it is killed
        with receiving(answering(200)) as receiver:
            loop = loop_for(store, receiver.url)
            assert not loop.deliver_one()
            clock.now += 601
            assert loop.deliver_one()
        assert deliveries(store)[0].attempts == 2

    def test_a_store_that_is_away_is_waited_for(self, store):
        said = []

        class Away:
            def claim_delivery(self, *, lease):
                raise StoreUnreachable(store="x", why="it is away")

        loop = DeliveryLoop(Away(), DeliveryTerms(options=options, threads=1, idle=0.01), listener=said.append)
        loop.start()
        try:
            self.wait(lambda: len(said) > 2)
        finally:
            assert loop.stop()
        assert "it is away" in said[0].message
