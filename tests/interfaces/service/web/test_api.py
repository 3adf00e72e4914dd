"""Scans, jobs, images and reports through the API, up to what the store keeps."""

import json
import threading
import time
from dataclasses import replace

import pytest
from tests.interfaces.service.orders import LASTING
from tests.interfaces.service.web.doors import DIGEST, REGISTRY
from tests.reports import samples

from rafsight.interfaces.service.jobs.model import DeliveryKind
from rafsight.interfaces.service.web.report_forms import MEDIA_TYPES
from rafsight.interfaces.service.web.settings import Target, WebLimits

REFERENCE = f"{REGISTRY}/team/app@{DIGEST}"


def ask_for(door, reference=REFERENCE, **more):
    answer = door.post("/v1/scans", {"reference": reference, **more})
    assert answer.status_code == 202, answer.text
    return answer


def test_a_scan_from_wish_to_report(door):
    answer = ask_for(door)
    scan = answer.json()
    assert (scan["state"], scan["joined"], scan["report"]) == ("waiting", False, None)
    assert scan["image"]["reference"] == REFERENCE
    place = answer.headers["location"]
    assert door.crew.woken == 1
    assert door.get(f"{place}/report").status_code == 409
    assert "retry-after" in door.get(f"{place}/report").headers
    door.work()
    done = door.get(place).json()
    assert done["state"] == "done"
    assert done["report"]["summary"]["worst"] == "critical"
    report = door.get(f"{place}/report")
    assert report.headers["content-type"] == "application/json"
    assert report.json()["SchemaVersion"] == 2


def test_two_who_want_the_same_wait_for_one_scan(door):
    first, second = ask_for(door).json(), ask_for(door).json()
    assert second["joined"] is True
    assert (first["job_id"], first["id"] != second["id"]) == (second["job_id"], True)
    door.work()
    assert {door.get(f"/v1/scans/{one['id']}").json()["state"] for one in (first, second)} == {"done"}
    again = ask_for(door, fresh_for=3600).json()
    assert (again["state"], again["joined"]) == ("done", True)
    assert again["report"]["id"]
    assert ask_for(door).json()["state"] == "waiting"


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_every_format(door, name):
    place = ask_for(door).headers["location"]
    door.work()
    by_name = door.get(f"{place}/report?format={name}")
    by_type = door.get(f"{place}/report", headers={"Accept": MEDIA_TYPES[name]})
    assert by_name.status_code == 200
    assert by_name.content == by_type.content
    assert by_name.headers["content-type"].partition(";")[0] == MEDIA_TYPES[name]
    assert by_name.headers["vary"] == "Accept"
    digest = door.get(f"/v1/images/{DIGEST}/report?format={name}")
    assert digest.content == by_name.content


def test_what_accepts_several_gets_the_one_it_likes_best(door):
    place = ask_for(door).headers["location"] + "/report"
    door.work()
    for accept, kind in (
        ("text/html;q=0.5, application/spdx+json", "application/spdx+json"),
        ("*/*", "application/json"),
        ("image/png, */*;q=0.1", "application/json"),
        ("text/*", "text/plain"),
        ("application/json;q=0, text/html", "text/html"),
    ):
        assert door.get(place, headers={"Accept": accept}).headers["content-type"].partition(";")[0] == kind
    refused = door.get(place, headers={"Accept": "image/png"})
    assert refused.status_code == 406
    assert refused.json()["error"]["code"] == "not-acceptable"


def test_a_report_is_filtered_as_it_is_wanted(door):
    place = ask_for(door).headers["location"] + "/report"
    door.work()

    def severities(query):
        found = door.get(f"{place}?{query}").json()
        return {one["Severity"] for result in found["Results"] for one in result.get("Vulnerabilities", ())}

    assert severities("severity=critical") == {"CRITICAL"}
    assert severities("severity=HIGH,critical") == {"CRITICAL", "HIGH"}
    assert severities("") > {"CRITICAL", "HIGH"}
    assert not any("Packages" in result for result in door.get(place).json()["Results"])
    assert all("Packages" in result for result in door.get(f"{place}?list_all=true").json()["Results"])
    assert door.get(f"{place}?severity=worst").status_code == 400
    assert door.get(f"{place}?format=pdf").status_code == 400


def test_a_page_of_a_report_may_do_nothing_here(door):
    place = ask_for(door).headers["location"] + "/report"
    door.work(replace(samples.hostile()))
    page = door.get(f"{place}?format=html")
    policy = page.headers["content-security-policy"]
    assert "sandbox allow-scripts" in policy
    assert "default-src 'none'" in policy
    assert "<script>alert" not in page.text


def test_the_same_document_is_written_once(door):
    place = ask_for(door).headers["location"] + "/report"
    door.work()
    door.get(place)
    door.get(place)
    assert 'rafsight_reports_rendered_total{format="json"} 1\n' in door.get("/metrics").text


def test_taking_a_scan_back(door):
    first, second = ask_for(door).json(), ask_for(door).json()
    assert door.ask("DELETE", f"/v1/scans/{first['id']}").json()["state"] == "waiting"
    assert door.ask("DELETE", f"/v1/scans/{second['id']}").json()["state"] == "cancelled"
    assert door.crew.rechecked == 2
    assert door.ask("DELETE", f"/v1/scans/{second['id']}").json()["state"] == "cancelled"
    assert door.ask("DELETE", f"/v1/scans/{first['id']}").status_code == 404
    assert door.get(f"/v1/jobs/{second['job_id']}").json()["state"] == "cancelled"


def test_jobs_are_listed_and_ended(door):
    ids = [ask_for(door, f"{REGISTRY}/team/app:v{number}").json()["job_id"] for number in range(3)]
    page = door.get("/v1/jobs?limit=2").json()
    assert (page["total"], [job["id"] for job in page["items"]]) == (3, ids[:0:-1])
    assert [job["id"] for job in door.get("/v1/jobs?offset=2").json()["items"]] == ids[:1]
    assert door.get("/v1/jobs?search=V1").json()["total"] == 1
    assert door.get("/v1/jobs?state=done").json()["total"] == 0
    assert door.ask("DELETE", f"/v1/jobs/{ids[0]}").json()["state"] == "cancelled"
    assert door.get(f"/v1/jobs/{ids[0]}").json()["state"] == "cancelled"
    assert door.get("/v1/jobs?state=cancelled").json()["total"] == 1


def test_a_scan_that_failed_says_why(door):
    place = ask_for(door).headers["location"]
    door.work(failure=LASTING)
    scan = door.get(place).json()
    assert scan["state"] == "failed"
    assert scan["failure"] == {
        "code": LASTING.code,
        "message": LASTING.message,
        "remedy": LASTING.remedy,
        "permanent": True,
    }


def test_images_and_their_reports(door):
    ask_for(door, f"{REGISTRY}/team/app:v1@{DIGEST}")
    door.work()
    (image,) = door.get("/v1/images").json()["items"]
    assert image["image"]["tag"] == "v1"
    assert image["report"]["summary"]["critical"] > 0
    report = door.get(f"/v1/images/{DIGEST}").json()
    assert report["id"] == image["report"]["id"]
    assert door.get(f"/v1/reports/{report['id']}").json() == report
    assert door.get(f"/v1/reports/{report['id']}/content?format=spdx").json()["spdxVersion"] == "SPDX-2.3"
    listed = door.get(f"/v1/reports?registry={REGISTRY}&repository=team/app&tag=v1").json()
    assert [one["id"] for one in listed["items"]] == [report["id"]]
    assert door.get(f"/v1/reports?registry={REGISTRY}").status_code == 400
    assert door.get("/v1/images?search=other").json()["total"] == 0
    assert door.get("/v1/images?order=name").json()["total"] == 1
    assert door.get("/v1/news").json() == {"items": [], "offset": 0, "total": 0}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/scans/aaaaaaaaaaaaaaaaaaaaaa",
        "/v1/scans/x",
        "/v1/scans/..%2f..%2fetc",
        "/v1/scans/aaaaaaaaaaaaaaaaaaaaaa/report",
        "/v1/jobs/aaaaaaaaaaaaaaaaaaaaaa",
        "/v1/reports/aaaaaaaaaaaaaaaaaaaaaa",
        f"/v1/images/{DIGEST}",
        "/v1/images/latest",
        "/v1",
        "/V1/images",
        "/v1/images/",
        "//v1/images",
    ],
)
def test_what_is_not_there(door, path):
    answer = door.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "nothing-there"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "unusable-request"),
        (b"{", 400, "unusable-request"),
        (b"[]", 400, "unusable-request"),
        (b"{}", 400, "unusable-request"),
        (b'{"reference": 1}', 400, "unusable-request"),
        (b'{"reference": "127.0.0.1:5000/a:v", "extra": 1}', 400, "unusable-request"),
        (b'{"reference": "127.0.0.1:5000/a:v", "scanners": ["virus"]}', 400, "unusable-request"),
        (b'{"reference": "127.0.0.1:5000/a:v", "scanners": []}', 400, "unusable-request"),
        (b'{"reference": "127.0.0.1:5000/a:v", "platform": "a b"}', 400, "unusable-request"),
        (b'{"reference": "a:v"}', 422, "malformed-name"),
        (b'{"reference": "oci:/etc:v"}', 422, "malformed-name"),
        (b'{"reference": "127.0.0.1:5000/\\u0000:v"}', 422, "malformed-name"),
        (b'{"reference": "169.254.169.254/a:v"}', 422, "registry-refused"),
        (b'{"reference": "localhost:5000/a:v"}', 422, "registry-refused"),
        (b'{"reference": "127.0.0.1:5000/a:v", "deliver": ["nobody"]}', 422, "unusable-field"),
        (b"\xff\xfe", 400, "unusable-request"),
        (b"[" * 100_000, 400, "unusable-request"),
    ],
)
def test_wishes_that_are_none(door, body, status, code):
    answer = door.ask("POST", "/v1/scans", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert door.store.counts().jobs["waiting"] == 0
    assert door.crew.woken == 0


def test_a_body_of_another_kind(door):
    answer = door.ask(
        "POST", "/v1/scans", content=b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "offset=-1", "state=lost", "other=1", "limit=1&limit=2"]
)
def test_queries_that_are_none(door, query):
    assert door.get(f"/v1/jobs?{query}").status_code == 400


def test_a_full_queue(open_door):
    door = open_door(limits=WebLimits(queue=2))
    for number in range(2):
        ask_for(door, f"{REGISTRY}/team/app:v{number}")
    answer = door.post("/v1/scans", {"reference": f"{REGISTRY}/team/app:v3"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "queue-full")
    assert int(answer.headers["retry-after"]) > 0
    assert ask_for(door, f"{REGISTRY}/team/app:v1").json()["joined"] is True
    assert 'rafsight_scans_refused_total{source="api",code="queue-full"} 1\n' in door.get("/metrics").text


def test_deliveries_are_asked_for_by_name(open_door):
    target = Target(
        name="chat", kind=DeliveryKind.WEBHOOK, url="https://chat.example.com/x?key=hidden", secret="s" * 16
    )
    door = open_door(targets=(target,))
    ask_for(door, deliver=["chat"])
    listed = door.get("/v1/deliveries").json()
    assert [(one["target"], one["state"]) for one in listed["items"]] == [("chat", "held")]
    assert "hidden" not in json.dumps(listed)
    door.work()
    assert door.get("/v1/deliveries?state=due").json()["total"] == 1


def test_a_credential_is_with_the_workers_and_nowhere_else(door, tmp_path):
    secret = "wonder-land-of-a-robot"
    scan = ask_for(door, credential={"username": "robot$app", "password": secret}).json()
    lent = door.lending.find(scan["id"])
    assert (lent.username, lent.password) == ("robot$app", secret)
    assert secret not in json.dumps(scan)
    for path in tmp_path.iterdir():
        assert secret.encode() not in path.read_bytes()
    door.post("/v1/scans", {"reference": "10.0.0.1/a:v", "credential": {"password": secret}})
    assert len(door.lending.held()) == 1
    door.work()
    assert ask_for(door, fresh_for=60, credential={"password": secret}).json()["state"] == "done"
    assert len(door.lending.held()) == 1


def test_the_state_of_the_service(door):
    ask_for(door)
    status = door.get("/v1/status").json()
    assert (status["jobs"]["waiting"], status["workers"], status["replica"]) == (1, 2, "here")
    assert status["database"]["available"] is False
    assert door.get("/v1/databases").json()["available"] is False
    assert door.post("/v1/databases/rematch").status_code == 202
    assert door.crew.rematches == 1
    assert door.get("/v1/cache").json() == {"size": 0, "parts": []}


def test_the_probes(door):
    assert door.get("/probe/healthy").text == "healthy\n"
    assert door.get("/probe/ready").json() == {"ready": True, "store": True, "database": True, "workers": True}
    door.crew.is_alive = False
    answer = door.get("/probe/ready")
    assert (answer.status_code, answer.json()["workers"]) == (503, False)


def test_methods_that_an_address_does_not_take(door):
    answer = door.ask("PATCH", "/v1/scans/aaaaaaaaaaaaaaaaaaaaaa")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD"
    assert door.ask("HEAD", "/v1/jobs").status_code == 200


def test_a_name_server_that_does_not_answer(door, monkeypatch):
    """The client is answered in time, whatever the system's resolver does."""
    release = threading.Event()
    door.service.registries._resolve = lambda host, port: release.wait(60) or []
    monkeypatch.setattr("rafsight.interfaces.service.web.accepting._NAME_TIME", 0.2)
    began = time.monotonic()
    answer = door.post("/v1/scans", {"reference": REFERENCE})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "registry-refused")
    assert time.monotonic() - began < 30
    release.set()
