"""The whole conversation with Harbor: its client as the specification and its source have it, and a real registry.

What Harbor checks of metadata, that it gives a call five seconds, that it reads Refresh-After as a signed byte and follows
no redirection, that it sends a robot's name and password with each scan: all of that is played here.
"""

import base64
import time

import httpx
import pytest
from tests.access.registry.conftest import PROGRAM, push_layout, run_registry
from tests.access.registry.helpers import planted_manifest
from tests.access.registry.test_docker_registry import HTPASSWD
from tests.interfaces.service.web.running_service import command_line, files_with, running

pytestmark = pytest.mark.registry

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
GENERIC = "application/vnd.security.vulnerability.report; version=1.1"
NATIVE = "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"
SBOM = "application/vnd.security.sbom.report+json; version=1.0"
SEVERITIES = {"Unknown", "Negligible", "Low", "Medium", "High", "Critical"}
PASSWORD = "wonderland"
BASIC = base64.b64encode(f"alice:{PASSWORD}".encode()).decode()


class NotReady(Exception):
    def __init__(self, seconds):
        super().__init__(seconds)
        self.seconds = seconds


class Harbor:
    """Harbor's client of a scanner adapter."""

    def __init__(self, url, credential):
        self._client = httpx.Client(
            base_url=f"{url}/api/v1",
            timeout=5.0,
            auth=("rafsight", credential),
            follow_redirects=False,
            trust_env=False,
        )
        self.calls = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.close()

    def _send(self, method, path, expected, **more):
        began = time.monotonic()
        answer = self._client.request(method, path, **more)
        self.calls.append(time.monotonic() - began)
        if path.endswith("/report") and answer.status_code == 302:
            seconds = int(answer.headers.get("Refresh-After", "5"))
            assert -128 <= seconds <= 127
            raise NotReady(seconds)
        if answer.status_code != expected:
            raise RuntimeError(answer.json()["error"]["message"] if answer.content else str(answer.status_code))
        return answer

    def metadata_answer(self):
        accept = "application/vnd.scanner.adapter.metadata+json; version=1.0"
        return self._send("GET", "/metadata", 200, headers={"Accept": accept})

    def metadata(self):
        metadata = self.metadata_answer().json()
        scanner = metadata["scanner"]
        assert scanner["name"]
        assert scanner["vendor"]
        assert scanner["version"]
        assert metadata["capabilities"]
        for capability in metadata["capabilities"]:
            assert DOCKER in capability["consumes_mime_types"]
            assert {NATIVE, GENERIC, SBOM} & set(capability["produces_mime_types"])
        for name, value in metadata["properties"].items():
            assert isinstance(value, str)
            assert value, name
        return metadata

    def submit(self, registry, digest, tag, *, authorization, capability="vulnerability", repository="app"):
        produces = {"vulnerability": [GENERIC], "sbom": [SBOM]}[capability]
        parameters = {"sbom_media_types": ["application/spdx+json"]} if capability == "sbom" else None
        body = {
            "registry": {"url": f"http://{registry}", "authorization": authorization, "insecure": True},
            "artifact": {"repository": repository, "tag": tag, "digest": digest, "mime_type": OCI, "size": 1000},
            "enabled_capabilities": [{"type": capability, "produces_mime_types": produces, "parameters": parameters}],
        }
        headers = {
            "Content-Type": "application/vnd.scanner.adapter.scan.request+json; version=1.0",
            "Accept": "application/vnd.scanner.adapter.scan.response+json; version=1.0",
        }
        return self._send("POST", "/scan", 202, json=body, headers=headers).json()["id"]

    def report(self, scan_id, kind, **parameters):
        return self._send("GET", f"/scan/{scan_id}/report", 200, headers={"Accept": kind}, params=parameters).json()

    def poll(self, scan_id, kind, **parameters):
        """Ask until it is there; not as slowly as it is told, but it has to be told."""
        until = time.monotonic() + 60
        while True:
            try:
                return self.report(scan_id, kind, **parameters)
            except NotReady as wait:
                assert time.monotonic() < until
                time.sleep(min(wait.seconds, 0.05))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("harbor")


@pytest.fixture(scope="module")
def registry(folder, tmp_path_factory):
    """A registry that wants a password, with the planted Nydus image."""
    import urllib3

    if PROGRAM is None:
        pytest.skip("docker-registry is not installed")
    other = tmp_path_factory.mktemp("registry")
    (other / "htpasswd").write_text(HTPASSWD)
    with run_registry(other, other / "storage", "") as open_host, urllib3.PoolManager(retries=False) as pool:
        push_layout(pool, f"http://{open_host}/v2/app")
    auth = f"auth: {{htpasswd: {{realm: basic-realm, path: {other}/htpasswd}}}}\n"
    with run_registry(other, other / "storage", auth) as host:
        yield host


@pytest.fixture(scope="module")
def token(folder):
    done = command_line(folder, "token", "create", "--scope", "harbor", "--store", folder / "jobs.sqlite")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def service(folder, registry, token):
    with running(folder, token=token, registries={"allow": [registry]}) as service:
        yield service


@pytest.fixture
def harbor(service, token):
    with Harbor(service.url, token) as harbor:
        yield harbor


def digest_of(tag):
    return planted_manifest(tag)[0]


def test_from_registration_to_the_reports(harbor, registry, service, folder):
    metadata = harbor.metadata()
    assert metadata["properties"]["harbor.scanner-adapter/vulnerability-database-updated-at"].endswith("Z")
    scan_id = harbor.submit(registry, digest_of("v6"), "v6", authorization=f"Basic {BASIC}")
    report = harbor.poll(scan_id, GENERIC)
    assert report == harbor.report(scan_id, NATIVE)
    assert report["artifact"]["digest"] == digest_of("v6")
    assert report["artifact"]["repository"] == "app"
    assert report["severity"] == "Critical"
    ids = {item["id"] for item in report["vulnerabilities"]}
    assert {"CVE-2018-18074", "CVE-2019-10744"} <= ids
    for item in report["vulnerabilities"]:
        assert item["severity"] in SEVERITIES
        assert all(link.startswith("http") for link in item["links"])
    told = report["vendor_attributes"]
    assert told["format"] == "RAFS v6"
    assert told["bytes_fetched"] < 0.1 * told["image_bytes"]

    bill_id = harbor.submit(registry, digest_of("v6"), "v6", authorization=f"Basic {BASIC}", capability="sbom")
    bill = harbor.poll(bill_id, SBOM, sbom_media_type="application/spdx+json")
    assert bill["media_type"] == "application/spdx+json"
    assert {"requests", "lodash"} <= {package["name"] for package in bill["sbom"]["packages"]}

    assert max(harbor.calls) < 5
    assert files_with(folder, PASSWORD, BASIC) == []


def test_the_credential_is_used_and_each_request_has_its_own(harbor, registry):
    """Without one, or with another, the same registry gives nothing; a scan that failed says so."""
    for authorization in ("", "Basic " + base64.b64encode(b"alice:wrong").decode(), "Bearer nothing"):
        digest = "sha256:" + "e" * 64
        scan_id = harbor.submit(registry, digest, "", authorization=authorization)
        with pytest.raises(RuntimeError, match="docker login"):
            harbor.poll(scan_id, GENERIC)


def test_what_is_not_there_fails_and_says_so(harbor, registry):
    scan_id = harbor.submit(registry, "sha256:" + "f" * 64, "", authorization=f"Basic {BASIC}")
    with pytest.raises(RuntimeError, match="has no manifest"):
        harbor.poll(scan_id, GENERIC)


def test_refusals_are_in_words_that_harbor_shows(harbor, registry):
    with pytest.raises(RuntimeError, match="not one that this service talks to"):
        harbor.submit("169.254.169.254", digest_of("v6"), "v6", authorization="")
    with pytest.raises(RuntimeError, match="there is no scan here"):
        harbor.report("x" * 22, GENERIC)


def test_nobody_without_the_token(service):
    with Harbor(service.url, "guessed") as harbor, pytest.raises(RuntimeError, match="token"):
        harbor.metadata()


def test_the_log_tells_who_and_what_and_no_secret(service, folder, token, registry, harbor):
    """The line that belongs to an answer is known by its id: others asked the same, and a line may come later."""
    request = harbor.metadata_answer().headers["X-Request-Id"]
    (line,) = service.wait_for(lambda: [line for line in service.lines() if line.get("request") == request])
    assert (line["route"], line["status"]) == ("harbor_metadata", 200)
    assert files_with(folder, token, PASSWORD, BASIC) == []
