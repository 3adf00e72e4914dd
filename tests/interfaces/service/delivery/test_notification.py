"""What a webhook is told: from a store, and bounded."""

import json
from dataclasses import replace

import pytest
from tests.interfaces.service.delivery.stories import FEWER, fail, revise, scan
from tests.interfaces.service.orders import REGISTRY, digest, place
from tests.reports.samples import PLANTED, hostile

from rafsight.interfaces.service.delivery.faults import NothingToDeliver
from rafsight.interfaces.service.delivery.gathering import gather
from rafsight.interfaces.service.delivery.notification import Enclosure, Tidings, WhatsNew, write_notification
from rafsight.interfaces.service.jobs.model import DeliveryEvent, NewFinding
from rafsight.interfaces.service.jobs.opening import open_store


@pytest.fixture
def store(tmp_path):
    opened = open_store(str(tmp_path / "jobs.sqlite"))
    yield opened
    opened.close()


def told(store, report_format=""):
    """The notification of the delivery that is due."""
    delivery = store.claim_delivery(lease=60_000)
    body = write_notification(gather(store, delivery, report_format))
    assert body == write_notification(gather(store, delivery, report_format))
    assert body.isascii()
    assert store.delivered(delivery.id, delivery.ticket)
    return delivery, json.loads(body)


def test_the_first_scan(store):
    head = scan(store)
    delivery, document = told(store)
    assert (document["schema_version"], document["event"], document["delivery"]) == (1, "scanned", delivery.id)
    assert document["image"] == {
        "reference": f"{REGISTRY}/team/app@{digest(1)}",
        "registry": REGISTRY,
        "repository": "team/app",
        "tag": "v1",
        "digest": digest(1),
        "read_digest": PLANTED.image.manifest_digest,
    }
    assert document["report"]["id"] == head.id
    assert document["report"]["scanners"] == ["vuln"]
    assert document["report"]["database_built"] == PLANTED.database.built
    assert document["summary"]["critical"] == head.summary.critical
    assert document["summary"]["total"] == head.summary.total
    assert document["summary"]["is_complete"] is False
    assert "new" not in document
    assert "failure" not in document
    assert "enclosed" not in document


def test_what_changed_since_the_last_scan_of_the_tag(store):
    first = scan(store, FEWER, number=1, wishes=())
    scan(store, PLANTED, number=2)
    _, document = told(store)
    new = document["new"]
    assert new["since"]["report"] == first.id
    assert new["since"]["digest"] == digest(1)
    gone = {(one.id, one.component.name) for one in PLANTED.findings[:2]}
    assert {(one["id"], one["component"]) for one in new["added"]} == gone
    assert (new["added_count"], new["removed_count"]) == (2, 0)
    assert set(new["added"][0]) == {"id", "component", "version", "severity", "fixed_version", "is_exploited"}
    scan(store, FEWER, number=3)
    _, document = told(store)
    assert (document["new"]["added_count"], document["new"]["removed_count"]) == (0, 2)
    scan(store, FEWER, number=4)
    _, document = told(store)
    assert (document["new"]["added"], document["new"]["removed"]) == ([], [])


def test_another_tag_and_other_scanners_are_not_compared_with(store):
    scan(store, FEWER, number=1, tag="v1", wishes=())
    scan(store, FEWER, number=2, tag="v2", wishes=(), scanners=("secret",))
    scan(store, PLANTED, number=3, tag="v2")
    assert "new" not in told(store)[1]


def test_without_a_tag_the_digest_counts(store):
    scan(store, FEWER, where=place(1), wishes=())
    scan(store, FEWER, where=place(2), wishes=())
    head = scan(store, PLANTED, where=place(1), scanners=("misconfig", "vuln"))
    _, document = told(store)
    assert document["new"]["since"]["digest"] == digest(1)
    assert document["new"]["since"]["report"] != head.id
    assert document["image"]["tag"] == ""


def test_news(store):
    head = scan(store, wishes=())
    assert revise(store, head) is not None
    delivery, document = told(store)
    assert document["event"] == delivery.event.value == "news"
    assert document["report"]["id"] == head.id
    assert document["new"] == {
        "since": None,
        "added_count": 1,
        "removed_count": 0,
        "added": [
            {
                "id": "CVE-2026-1",
                "component": "libx",
                "version": "1",
                "severity": "high",
                "fixed_version": "2",
                "is_exploited": False,
            }
        ],
        "removed": [],
    }


def test_a_failure(store):
    fail(store)
    _, document = told(store)
    assert document["event"] == "failed"
    assert document["failure"] == {
        "code": "not-found",
        "message": "there is <no> such image",
        "remedy": "Push it.",
    }
    assert document["image"]["digest"] == digest(1)
    assert "report" not in document
    assert "summary" not in document


@pytest.mark.parametrize("report_format", ["sarif", "cyclonedx", "markdown"])
def test_a_report_that_is_sent_along(store, report_format):
    scan(store)
    _, document = told(store, report_format)
    enclosed = document["enclosed"]
    assert (enclosed["format"], enclosed["size"] > 1000) == (report_format, True)
    if report_format == "sarif":
        assert enclosed["content"]["version"] == "2.1.0"
    if report_format == "markdown":
        assert isinstance(enclosed["content"], str)


def test_a_report_that_was_pruned(store):
    scan(store)
    delivery = store.claim_delivery(lease=60_000)
    with pytest.raises(NothingToDeliver, match="the report that the delivery is about was removed"):
        gather(store, replace(delivery, report_id="gone"))
    with pytest.raises(NothingToDeliver, match="the job"):
        gather(store, replace(delivery, event=DeliveryEvent.FAILED, job_id="gone"))
    with pytest.raises(NothingToDeliver, match="the news"):
        gather(store, replace(delivery, event=DeliveryEvent.NEWS, news_id="gone"))


def test_hostile_names_stay_text_and_are_cut(store):
    scan(store, replace(hostile(), findings=()), number=1, wishes=())
    scan(store, hostile(), number=2)
    _, document = told(store)
    for one in document["new"]["added"]:
        assert all(len(str(value)) <= 255 for value in one.values())


def test_what_is_told_is_bounded(store):
    scan(store)
    delivery = store.claim_delivery(lease=60_000)
    many = tuple(
        NewFinding(id=f"CVE-{number}", component="\u6f22" * 5000, version="1", severity="low") for number in range(500)
    )
    new = WhatsNew(since=None, added=many, removed=many, added_count=7000, removed_count=500)
    large = Enclosure(format="html", content="x" * (8 * 1024 * 1024 + 1))
    body = write_notification(Tidings(delivery=delivery, new=new, enclosure=large))
    document = json.loads(body)
    assert (len(document["new"]["added"]), document["new"]["added_count"]) == (100, 7000)
    assert document["enclosed"] == {"format": "html", "size": 8 * 1024 * 1024 + 1, "content": None}
    assert len(body) < 1_000_000
