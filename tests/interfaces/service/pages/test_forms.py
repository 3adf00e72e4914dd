"""Forms: what they do, and that nobody but a page of ours can send them."""

import pytest
from tests.interfaces.service.pages.serving import FORM_FIELD, Reader
from tests.interfaces.service.pages.stories import REGISTRY, digest

from rafsight.interfaces.service.jobs.model import JobState, Paging
from rafsight.interfaces.service.web.settings import WebLimits

SCAN = {"reference": f"{REGISTRY}/team/app:v6", "scanner": "vuln", "fresh": "0"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def visitor(visit, empty):
    return visit(empty)


def jobs(visitor):
    return visitor.store.jobs(Paging()).items


def test_asking_for_a_scan(visitor):
    more = {"scanner": ["secret", "vuln"], "declared": "yes", "fresh": "24"}
    answer = visitor.send("/scans", SCAN | more)
    assert answer.status_code == 303
    (job,) = jobs(visitor)
    assert (job.source, job.scanners, job.declared) == ("page", ("secret", "vuln"), True)
    assert job.place.reference == f"{REGISTRY}/team/app:v6"
    assert visitor.crew.woken == 1
    page = visitor.get(answer.headers["location"])
    assert page.headers["refresh"] == "3"
    assert "A worker takes it as soon as one is free." in page.text
    stopped = visitor.get(answer.headers["location"] + "?follow=no")
    assert "refresh" not in stopped.headers


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"reference": "registry.evil.example/a:b"}, 422, "is not one that this service talks to"),
        ({"reference": "<script>alert(1)</script>"}, 422, "this is no registry: <script>alert(1)<"),
        ({"reference": ""}, 422, "this is no reference"),
        ({"scanner": ["malware"]}, 422, "nothing is looked for"),
        ({"scanner": []}, 422, "nothing is looked for"),
    ],
)
def test_what_cannot_be_scanned_stays_in_the_form(visitor, wish, status, words):
    answer = visitor.send("/scans", SCAN | wish)
    assert answer.status_code == status
    page = Reader(answer.text)
    assert words in page.words
    (field,) = [one for one in page.all("input") if one["name"] == "reference"]
    assert field["value"] == (SCAN | wish)["reference"]
    assert field["aria-invalid"] == "true"
    assert jobs(visitor) == ()


def test_a_full_queue_is_said(visit, empty):
    visitor = visit(empty, limits=WebLimits(queue=1))
    assert visitor.send("/scans", SCAN).status_code == 303
    answer = visitor.send("/scans", SCAN | {"reference": f"{REGISTRY}/team/other:v6"})
    assert answer.status_code == 429
    assert "1 scans are waiting" in answer.text


def test_taking_a_scan_back(visitor):
    place = visitor.send("/scans", SCAN).headers["location"]
    answer = visitor.send(f"{place}/end", {}, page=place)
    assert answer.headers["location"] == place
    assert jobs(visitor)[0].state is JobState.CANCELLED
    assert visitor.crew.rechecked == 1
    page = visitor.get(place)
    assert "Somebody took it back." in page.text
    assert "refresh" not in page.headers


def test_cancelling_from_the_queue(visitor):
    visitor.send("/scans", SCAN)
    (job,) = jobs(visitor)
    assert visitor.send(f"/jobs/{job.id}/end", {}, page="/scans").headers["location"] == "/scans"
    assert jobs(visitor)[0].state is JobState.CANCELLED
    assert visitor.send("/jobs/xxxxxxxxxx/end", {}, page="/scans").status_code == 404


def test_matching_again(visitor):
    assert visitor.send("/state/match", {}, page="/scans").headers["location"] == "/state"
    assert visitor.crew.rematches == 1


def test_a_scan_that_is_done_leads_to_its_report(visitor, empty):
    from tests.reports import samples

    place = visitor.send("/scans", SCAN | {"reference": f"{REGISTRY}/team/app@{digest(1)}"}).headers["location"]
    empty.scan("team/app", samples.CLEAN, number=1)
    page = Reader(visitor.get(place).text)
    assert "The report is there." in page.words
    (link,) = [one["href"] for one in page.all("a") if one.get("class") == "button primary"]
    assert visitor.get(link).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": "http://127.0.0.1:8080"}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:8081"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8080"}, 403),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "none", "Origin": "http://evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json"}, 415),
        ({"Content-Type": "multipart/form-data"}, 415),
    ],
)
def test_where_a_form_may_come_from(visitor, headers, status):
    answer = visitor.send("/state/match", {}, page="/scans", headers=headers)
    assert answer.status_code == status
    assert visitor.crew.rematches == (status == 303)


@pytest.mark.parametrize("mark", ["", "0" * 64, "\udcff", "x" * 5000])
def test_a_form_without_its_mark(visitor, mark):
    visitor.get("/scans")
    answer = visitor.post("/state/match", [("form-token", mark.encode("utf-8", "replace").decode())])
    assert answer.status_code == 403
    assert visitor.crew.rematches == 0


def test_a_mark_of_another_browser(visit, empty):
    ours, theirs = visit(empty), visit(empty)
    mark = FORM_FIELD.search(theirs.get("/scans").text)[1]
    ours.get("/scans")
    assert ours.post("/state/match", [("form-token", mark)]).status_code == 403
    ours.cookies.clear()
    assert ours.post("/state/match", [("form-token", mark)]).status_code == 403


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a=1&" * 300, b"form-token=%FF%FE"])
def test_forms_that_are_none(visitor, content):
    answer = visitor.run(visitor._client.post("/state/match", content=content, headers=FORM))
    assert answer.status_code in (400, 403)
