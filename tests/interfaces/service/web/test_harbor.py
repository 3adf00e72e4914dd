"""Harbor's scanner API, answer by answer; `test_harbor_conversation.py` plays the whole of it."""

import base64
import json

import pytest
from tests.interfaces.service.orders import LASTING, PASSING
from tests.interfaces.service.web.doors import DIGEST, REGISTRY
from tests.reports import samples

from rafsight.interfaces.service.web.harbor import parse_authorization
from rafsight.interfaces.service.web.settings import HarborSettings, WebLimits

GENERIC = "application/vnd.security.vulnerability.report; version=1.1"
NATIVE = "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"
RAW = "application/vnd.scanner.adapter.vuln.report.raw"
SBOM = "application/vnd.security.sbom.report+json; version=1.0"
REQUEST_TYPE = "application/vnd.scanner.adapter.scan.request+json; version=1.0"
ERROR_TYPE = "application/vnd.scanner.adapter.error+json; version=1.0"
OCI = "application/vnd.oci.image.manifest.v1+json"


def request(**changes):
    body = {
        "registry": {"url": f"http://{REGISTRY}", "authorization": ""},
        "artifact": {"repository": "library/app", "digest": DIGEST, "tag": "v1", "mime_type": OCI, "size": 1234},
    }
    for name, value in changes.items():
        part, _, key = name.partition("__")
        if key:
            body[part] = {**body[part], key: value}
        else:
            body[part] = value
    return body


def post(door, body=None, kind=REQUEST_TYPE):
    content = json.dumps(request() if body is None else body).encode()
    return door.ask("POST", "/api/v1/scan", content=content, headers={"Content-Type": kind})


def scanned(door, report=samples.PLANTED):
    scan_id = post(door).json()["id"]
    door.work(report)
    return f"/api/v1/scan/{scan_id}/report"


def assert_error(answer, status, word=""):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == ERROR_TYPE
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message"}
    assert word in body["error"]["message"]


class TestMetadata:
    @pytest.mark.parametrize("version", ["1.0", "1.1"])
    def test_is_what_harbor_checks(self, door, version):
        accept = f"application/vnd.scanner.adapter.metadata+json; version={version}"
        answer = door.get("/api/v1/metadata", headers={"Accept": accept})
        assert answer.headers["content-type"] == accept
        metadata = answer.json()
        assert all(metadata["scanner"][name] for name in ("name", "vendor", "version"))
        assert [one["type"] for one in metadata["capabilities"]] == ["vulnerability", "sbom"]
        for capability in metadata["capabilities"]:
            assert {"application/vnd.docker.distribution.manifest.v2+json", OCI} <= set(
                capability["consumes_mime_types"]
            )
            assert {NATIVE, GENERIC, SBOM} & set(capability["produces_mime_types"])
        assert all(isinstance(value, str) and value for value in metadata["properties"].values())

    def test_an_old_harbor_takes_vulnerabilities_alone(self, open_door):
        door = open_door(harbor=HarborSettings(sbom=False, bearer=True))
        metadata = door.get("/api/v1/metadata").json()
        assert [one["type"] for one in metadata["capabilities"]] == ["vulnerability"]
        assert metadata["properties"]["harbor.scanner-adapter/registry-authorization-type"] == "Bearer"
        assert_error(post(door, request(enabled_capabilities=[{"type": "sbom"}])), 501, "sbom")


class TestScan:
    @pytest.mark.parametrize("version", ["1.0", "1.1"])
    def test_is_taken(self, door, version):
        answer = post(door, kind=f"application/vnd.scanner.adapter.scan.request+json; version={version}")
        assert answer.status_code == 202
        assert answer.headers["content-type"] == "application/vnd.scanner.adapter.scan.response+json; version=1.0"
        request_, job = door.store.request(answer.json()["id"])
        assert job.place.reference == f"{REGISTRY}/library/app@{DIGEST}"
        assert (job.plain_http, job.source, job.scanners) == (True, "harbor", ("vuln",))
        assert request_.place.tag == "v1"

    def test_is_taken_with_capabilities(self, door):
        wanted = [
            {
                "type": "sbom",
                "produces_mime_types": [SBOM],
                "parameters": {"sbom_media_types": ["application/spdx+json"]},
            }
        ]
        assert post(door, request(enabled_capabilities=wanted)).status_code == 202
        assert post(door, request(enabled_capabilities=None)).status_code == 202
        assert post(door, request(enabled_capabilities=[])).status_code == 202
        nothing = [{"type": "vulnerability", "produces_mime_types": None, "parameters": None}]
        assert post(door, request(enabled_capabilities=nothing)).status_code == 202
        assert post(door, request(enabled_capabilities=[{"produces_mime_types": [GENERIC]}])).status_code == 202

    def test_a_digest_in_the_place_of_the_tag(self, door):
        answer = post(door, request(artifact__tag=DIGEST))
        assert door.store.request(answer.json()["id"])[0].place.tag == ""

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ("no object", 400),
            ({"registry": {"url": 1}, "artifact": {}}, 400),
            ({}, 422),
            ({"registry": {"url": f"http://{REGISTRY}"}, "artifact": {}}, 422),
            (request(artifact__digest=""), 422),
            (request(artifact__repository=""), 422),
            (request(registry__url=""), 422),
            (request(registry__url="ftp://127.0.0.1:5000"), 422),
            (request(registry__url="http://u:p@127.0.0.1:5000"), 422),
            (request(registry__url="http://127.0.0.1:5000/../x"), 422),
            (request(registry__url="http://169.254.169.254"), 422),
            (request(registry__url="http://127.0.0.1:5001"), 422),
            (request(artifact__digest="sha256:1"), 422),
            (request(artifact__repository="../../etc"), 422),
            (request(artifact__mime_type="application/vnd.oci.image.index.v1+json"), 501),
            (request(enabled_capabilities=[{"type": "malware"}]), 501),
            (request(enabled_capabilities=[{"type": "sbom", "produces_mime_types": ["text/plain"]}]), 501),
            (request(registry__authorization="Digest abc"), 422),
        ],
    )
    def test_what_is_none_is_refused_in_harbors_words(self, door, body, status):
        assert_error(post(door, body), status)
        assert door.store.counts().jobs["waiting"] == 0

    def test_another_kind_of_body(self, door):
        assert_error(post(door, kind="text/xml"), 415)

    def test_a_full_queue(self, open_door):
        door = open_door(limits=WebLimits(queue=1))
        assert post(door).status_code == 202
        answer = post(door, request(artifact__digest="sha256:" + "b" * 64))
        assert_error(answer, 429)
        assert answer.headers["retry-after"]

    def test_a_robots_password_is_lent_and_not_kept(self, door, tmp_path):
        secret = "robots-never-sleep"
        value = "Basic " + base64.b64encode(f"robot$x:{secret}".encode()).decode()
        scan_id = post(door, request(registry__authorization=value)).json()["id"]
        lent = door.lending.find(scan_id)
        assert (lent.username, lent.password) == ("robot$x", secret)
        assert door.store.request(scan_id)[0].is_lent
        for path in tmp_path.iterdir():
            content = path.read_bytes()
            assert secret.encode() not in content
            assert value[6:].encode() not in content


@pytest.mark.parametrize(
    "text", ["Basic", "Basic !", "Basic " + base64.b64encode(b"nobody").decode(), "Bearer", "x", "Basic Og=="]
)
def test_an_authorization_that_is_none_is_not_told(text):
    with pytest.raises(Exception, match=r"registry\.authorization") as caught:
        parse_authorization(text)
    assert text.partition(" ")[2] == "" or text.partition(" ")[2] not in str(caught.value)


def test_authorizations():
    assert parse_authorization(" ") is None
    token = parse_authorization("bearer abc.def")
    assert (token.username, token.password) == ("", "abc.def")
    account = parse_authorization("BASIC " + base64.b64encode(b"robot$a+b:p:w").decode())
    assert (account.username, account.password) == ("robot$a+b", "p:w")


class TestReport:
    def test_not_yet(self, door):
        place = f"/api/v1/scan/{post(door).json()['id']}/report"
        answer = door.get(place, headers={"Accept": GENERIC})
        assert answer.status_code == 302
        assert 1 <= int(answer.headers["refresh-after"]) <= 127
        assert answer.headers["location"] == place
        assert answer.content == b""
        door.work(failure=PASSING, retry_in=3_600_000)
        answer = door.get(place, headers={"Accept": GENERIC})
        assert (answer.status_code, answer.headers["refresh-after"]) == (302, "60")

    @pytest.mark.parametrize("kind", [GENERIC, NATIVE])
    @pytest.mark.parametrize("spaces", [True, False])
    def test_vulnerabilities(self, door, kind, spaces):
        place = scanned(door)
        answer = door.get(place, headers={"Accept": kind if spaces else kind.replace(" ", "")})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == kind
        report = answer.json()
        assert report["severity"] == "Critical"
        assert report["artifact"] == {"repository": "library/app", "digest": DIGEST, "tag": "v1", "mime_type": OCI}
        assert len(report["vulnerabilities"]) > 5

    def test_raw(self, door):
        answer = door.get(scanned(door), headers={"Accept": RAW})
        assert answer.headers["content-type"] == RAW
        assert answer.json()["SchemaVersion"] == 2

    @pytest.mark.parametrize("media_type", ["application/spdx+json", "application/vnd.cyclonedx+json"])
    def test_sbom(self, door, media_type):
        place = scanned(door)
        answer = door.get(place, headers={"Accept": SBOM}, params={"sbom_media_type": media_type})
        assert answer.headers["content-type"] == SBOM
        report = answer.json()
        assert report["media_type"] == media_type
        assert {"packages", "components"} & set(report["sbom"])

    def test_an_sbom_without_its_media_type(self, door):
        place = scanned(door)
        assert_error(door.get(place, headers={"Accept": SBOM}), 400, "sbom_media_type")
        assert_error(door.get(place, headers={"Accept": SBOM}, params={"sbom_media_type": "text/plain"}), 400)
        assert_error(door.get(place, headers={"Accept": SBOM}, params={"sbom": "application/spdx+json"}), 400)

    def test_another_kind(self, door):
        place = scanned(door)
        assert_error(door.get(place, headers={"Accept": "application/vnd.other; version=1.0"}), 501)
        assert_error(door.get(place, headers={"Accept": GENERIC.replace("1.1", "9.9")}), 501)
        assert door.get(place).headers["content-type"] == GENERIC

    def test_nobody_asked_for_it(self, door):
        assert_error(door.get("/api/v1/scan/aaaaaaaaaaaaaaaaaaaaaa/report", headers={"Accept": GENERIC}), 404)
        assert_error(door.get("/api/v1/scan/x/report", headers={"Accept": GENERIC}), 404)
        assert_error(door.get("/api/v1/nothing"), 404)
        assert_error(door.post("/api/v1/metadata"), 405)

    def test_a_scan_that_failed(self, door):
        place = f"/api/v1/scan/{post(door).json()['id']}/report"
        door.work(failure=LASTING)
        assert_error(door.get(place, headers={"Accept": GENERIC}), 500, LASTING.message)

    def test_a_scan_that_was_cancelled(self, door):
        scan_id = post(door).json()["id"]
        door.store.cancel(door.store.request(scan_id)[1].id)
        assert_error(door.get(f"/api/v1/scan/{scan_id}/report", headers={"Accept": GENERIC}), 500, "cancelled")

    def test_what_was_not_looked_at_can_be_an_error(self, open_door):
        door = open_door(harbor=HarborSettings(fail_incomplete=True))
        assert door.get(scanned(door, samples.CLEAN), headers={"Accept": GENERIC}).status_code == 200
        scan_id = post(door, request(artifact__digest="sha256:" + "b" * 64)).json()["id"]
        door.work(samples.CLEAN_WITH_GAPS)
        answer = door.get(f"/api/v1/scan/{scan_id}/report", headers={"Accept": GENERIC})
        assert_error(answer, 500, "too little")

    def test_a_report_that_was_pruned(self, door):
        place = scanned(door)
        door.store.prune(older_than=None, size_limit=0, keep_requests=1_000_000)
        assert_error(door.get(place, headers={"Accept": GENERIC}), 404)


def test_a_fresh_report_is_taken_and_an_old_one_is_not(open_door):
    door = open_door()
    scanned(door)
    scan_id = post(door).json()["id"]
    assert door.get(f"/api/v1/scan/{scan_id}/report", headers={"Accept": GENERIC}).status_code == 200
    other = open_door(harbor=HarborSettings(fresh_for=0))
    scan_id = post(other).json()["id"]
    assert other.get(f"/api/v1/scan/{scan_id}/report", headers={"Accept": GENERIC}).status_code == 302
