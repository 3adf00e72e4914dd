"""The parts of `rafsight serve` together: pushes, deliveries, newer advisories, the presenting registry, HTTPS."""

import hashlib
import hmac
import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
import urllib3
from tests.access.registry.certificates import make_pair
from tests.access.registry.conftest import PROGRAM, push_layout, run_registry
from tests.access.registry.helpers import planted_blob, planted_manifest
from tests.interfaces.service.web.running_service import (
    command_line,
    files_with,
    import_advisories,
    running,
)

import rafsight
from rafsight.testing.registry import PLANTED, Mischief, serve_layout

SECRET = "a shared secret of sixteen"
INDEX = {"Accept": "application/vnd.oci.image.index.v1+json"}


@pytest.mark.registry
def test_what_is_pushed_to_a_real_registry_is_scanned(tmp_path):
    """And its report is put beside it there, which the registry tells of, too: that is no image, and not scanned."""
    if PROGRAM is None:
        pytest.skip("docker-registry is not installed")
    events = {"registry-secret": SECRET, "harbor-secret": SECRET}
    rules = [{"repository": "app", "tag": "v5", "scan": False}, {"deliver": ["beside"]}]
    more = {"rules": rules, "targets": {"beside": {"referrer": "sarif"}}}
    with running(tmp_path, registries={"allow": ["127.0.0.1"]}, events=events, **more) as service:
        notifications = (
            "notifications:\n  events: {includereferences: true}\n  endpoints:\n"
            f"    - {{name: rafsight, url: '{service.url}/events/registry', timeout: 5s, threshold: 3, backoff: 1s,\n"
            f"       headers: {{Authorization: ['Bearer {SECRET}']}}}}\n"
        )
        with (
            run_registry(tmp_path, tmp_path / "storage", notifications) as host,
            urllib3.PoolManager(retries=False) as pool,
        ):
            push_layout(pool, f"http://{host}/v2/app")
            digest = planted_manifest("v6")[0]
            report = service.wait_for(lambda: known(service, digest))
            assert report["image"]["reference"] == f"{host}/app@{digest}"
            assert report["summary"]["worst"] == "critical"
            service.wait_for(lambda: service.client.get("/v1/deliveries?state=done").json()["total"])
            listing = rafsight.Attachments().listed(f"{host}/app:v6")
            assert [one.artifact_type for one in listing.artifacts] == ["application/sarif+json"]
            fallback = httpx.get(f"http://{host}/v2/app/manifests/{digest.replace(':', '-')}", headers=INDEX)
            assert fallback.status_code == 200, "this registry has no API for referrers"
            push_tag(pool, f"http://{host}/v2/app", "later", digest)  # its event comes after those of the artifact
            service.wait_for(lambda: service.client.get("/v1/images?search=:later").json()["total"])
            jobs = service.client.get("/v1/jobs").json()["items"]
            assert [job["image"]["reference"] for job in jobs] == [f"{host}/app@{digest}"]
            metrics = service.client.get("/metrics").text
            assert 'rafsight_events_total{kind="registry",outcome="no-rule"} 1\n' in metrics
    assert {path.suffix for path in files_with(tmp_path, SECRET)} == {
        ".yaml",
        ".yml",
    }  # of the service, of the registry


def push_tag(pool, base, tag, digest):
    content = planted_blob(digest)
    headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    assert pool.request("PUT", f"{base}/manifests/{tag}", body=content, headers=headers).status == 201


def known(service, digest):
    answer = service.client.get(f"/v1/images/{digest}")
    return answer.json() if answer.status_code == 200 else None


def test_a_registry_cannot_lead_the_service_to_where_it_may_not_go(tmp_path):
    """What is on the list sends us to another address of this machine; nothing is asked there, unless that is listed."""
    with (
        serve_layout(PLANTED) as inside,
        serve_layout(PLANTED, mischief=[Mischief(only="/blobs/", redirect_to=inside.url)]) as registry,
    ):
        with running(tmp_path, registries={"allow": [registry.host]}) as service:
            scan = service.ended(service.scan(registry.reference("v6")))
            assert (scan["state"], scan["failure"]["code"]) == ("failed", "registry-forbidden")
            assert inside.log == ()
        with running(tmp_path, registries={"allow": [registry.host, inside.host]}) as service:
            assert service.ended(service.scan(registry.reference("v6")))["state"] == "done"
            assert inside.log


def test_the_presenting_registry_is_part_of_it_if_it_is_wanted(tmp_path):
    with serve_layout(PLANTED) as registry:
        present = {"upstream": registry.host, "engine": "syft"}
        with running(tmp_path, workers=0, present=present) as service:
            assert service.client.get("/v2/").status_code == 200
            answer = service.client.get("/v2/app/manifests/v6", timeout=30.0)
            assert answer.status_code == 200
            layers = answer.json()["layers"]
            assert {layer["mediaType"] for layer in layers} == {"application/vnd.oci.image.layer.v1.tar"}
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert service.client.put("/v2/app/manifests/v7", content=b"{}").status_code in (403, 405)
            assert service.client.get("/rafsight/stats").json()["images_made"] == 1
            assert 'route="present"' in service.client.get("/metrics").text
        with running(tmp_path, workers=0) as service:
            assert service.client.get("/v2/").status_code == 404


def test_https(tmp_path):
    pair = make_pair(tmp_path, "service")
    tls = {"certificate": str(pair.certificate), "key": str(pair.key)}
    with running(tmp_path, workers=0, tls=tls) as service:
        url = service.url.replace("http://", "https://")
        context = ssl.create_default_context(cafile=str(pair.certificate))
        with httpx.Client(verify=context, trust_env=False) as client:
            assert client.get(f"{url}/probe/healthy").text == "healthy\n"
    broken = {"listen": "127.0.0.1:0", "tls": {"certificate": str(tmp_path / "nothing.pem")}}
    (tmp_path / "serve.yaml").write_text(json.dumps(broken))
    done = command_line(tmp_path, "serve", "--config", tmp_path / "serve.yaml")
    assert (done.returncode, "nothing.pem" in done.stderr) == (2, True)


class Receiver(BaseHTTPRequestHandler):
    """Takes notifications."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signed = self.headers["X-Rafsight-Timestamp"].encode() + b"." + body
        signature = "sha256=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(signature, self.headers["X-Rafsight-Signature-256"])
        self.server.told.append(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def receiving():
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.told = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_results_and_news_are_delivered(tmp_path):
    """From a scan with few advisories to a newer database, and each time to somebody who checks the signature."""
    database = import_advisories(tmp_path)
    whole = database.read_bytes()
    database.unlink()
    one = sorted((PLANTED.parent / "advisories").rglob("*.json"))[:1]
    rafsight.Advisories(database).take(one)
    with receiving() as receiver, serve_layout(PLANTED) as registry:
        port = receiver.server_address[1]
        hook = {"webhook": f"http://127.0.0.1:{port}/x", "secret": SECRET, "private": True}
        settings = {"targets": {"here": hook}, "news": ["here"], "registries": {"allow": ["127.0.0.1"]}}
        with running(tmp_path, **settings) as service:
            scan = service.ended(service.scan(registry.reference("v6"), deliver=["here"]))
            service.wait_for(lambda: receiver.told)
            assert (receiver.told[0]["event"], receiver.told[0]["image"]["tag"]) == ("scanned", "v6")
            before = scan["report"]["summary"]
            newer = tmp_path / "newer.sqlite"
            newer.write_bytes(whole)
            newer.replace(database)
            assert service.client.post("/v1/databases/rematch").status_code == 202
            news = service.wait_for(lambda: service.client.get("/v1/news").json()["items"])
            assert news[0]["added_count"] > 5
            service.wait_for(lambda: len(receiver.told) > 1)
            assert receiver.told[1]["event"] == "news"
            report = service.client.get(f"/v1/reports/{scan['report']['id']}").json()
            assert report["summary"]["high"] > before["high"]
            assert report["matched"] > scan["report"]["matched"]
            # that both have arrived is known here before the service has written it down
            service.wait_for(lambda: states_of(service.client.get("/v1/deliveries").json()) == ["done", "done"])


def states_of(listing):
    return [one["state"] for one in listing["items"]]
