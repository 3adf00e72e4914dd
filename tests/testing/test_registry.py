"""The stand-in registry itself, judged by a client that is not ours."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from rafsight.testing.registry import PLANTED, Mischief, Registry, serve_layout

INDEX = json.loads((PLANTED / "index.json").read_bytes())
DIGEST = INDEX["manifests"][0]["digest"]
MANIFEST = json.loads((PLANTED / "blobs" / DIGEST.replace(":", "/")).read_bytes())
LAYER = MANIFEST["layers"][0]["digest"]
CONTENT = (PLANTED / "blobs" / LAYER.replace(":", "/")).read_bytes()


def ask(registry: Registry, path: str, method: str = "GET", **headers: str):
    connection = http.client.HTTPConnection(registry.host, timeout=60)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_pages():
    with serve_layout(PLANTED, repository="team/app") as registry:
        assert ask(registry, "/v2/")[0] == 200
        status, headers, content = ask(registry, "/v2/team/app/manifests/v6")
        assert (status, headers["Docker-Content-Digest"]) == (200, DIGEST)
        assert headers["Content-Type"] == "application/vnd.oci.image.manifest.v1+json"
        assert json.loads(content) == MANIFEST
        assert ask(registry, f"/v2/team/app/manifests/{DIGEST}")[2] == content
        status, headers, content = ask(registry, "/v2/team/app/manifests/v6", "HEAD")
        assert (status, content, int(headers["Content-Length"]) > 100) == (200, b"", True)
        assert json.loads(ask(registry, "/v2/team/app/tags/list")[2]) == {"name": "team/app", "tags": ["v5", "v6"]}
        status, headers, content = ask(registry, "/v2/team/app/tags/list?n=1")
        assert json.loads(content)["tags"] == ["v5"]
        assert headers["Link"] == '</v2/team/app/tags/list?n=1&last=v5>; rel="next"'
        assert json.loads(ask(registry, "/v2/team/app/tags/list?n=1&last=v5")[2])["tags"] == ["v6"]
        assert registry.reference("v6") == f"{registry.host}/team/app:v6"
        assert registry.reference(DIGEST) == f"{registry.host}/team/app@{DIGEST}"


@pytest.mark.parametrize(
    ("wanted", "status", "said", "expected"),
    [
        (None, 200, None, CONTENT),
        ("bytes=0-0", 206, f"bytes 0-0/{len(CONTENT)}", CONTENT[:1]),
        ("bytes=10-19", 206, f"bytes 10-19/{len(CONTENT)}", CONTENT[10:20]),
        ("bytes=10-", 206, f"bytes 10-{len(CONTENT) - 1}/{len(CONTENT)}", CONTENT[10:]),
        (f"bytes=10-{len(CONTENT) * 2}", 206, f"bytes 10-{len(CONTENT) - 1}/{len(CONTENT)}", CONTENT[10:]),
        (f"bytes={len(CONTENT)}-", 416, f"bytes */{len(CONTENT)}", b""),
        ("lines=1-2", 200, None, CONTENT),
    ],
)
def test_ranges(wanted, status, said, expected):
    with serve_layout(PLANTED) as registry:
        headers = {} if wanted is None else {"Range": wanted}
        answer = ask(registry, f"/v2/app/blobs/{LAYER}", **headers)
        assert (answer[0], answer[1]["Content-Range"], answer[2]) == (status, said, expected)
        assert registry.log[0].range == wanted
        assert registry.log[0].sent == len(expected)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/app/manifests/v7", "MANIFEST_UNKNOWN"),
        ("/v2/other/manifests/v6", "NAME_UNKNOWN"),
        ("/v2/app/blobs/sha256:" + "0" * 64, "BLOB_UNKNOWN"),
        ("/v2/app/blobs/../../index.json", "UNSUPPORTED"),
        ("/v2/app/blobs/sha256:..%2f", "BLOB_UNKNOWN"),
        ("/", "UNSUPPORTED"),
    ],
)
def test_not_found(path, code):
    with serve_layout(PLANTED) as registry:
        status, _, content = ask(registry, path)
        assert status == 404
        assert json.loads(content)["errors"][0]["code"] in (code, "NAME_UNKNOWN")


def test_read_only():
    with serve_layout(PLANTED) as registry:
        assert ask(registry, "/v2/app/manifests/v6", "PUT")[0] == 405


def test_many_repositories(tmp_path):
    (tmp_path / "index.json").write_text('{"manifests":[]}')
    with serve_layout({"a": PLANTED, "b/c": tmp_path}, repository="b/c") as registry:
        assert ask(registry, "/v2/a/manifests/v6")[0] == 200
        assert ask(registry, "/v2/b/c/manifests/v6")[0] == 404
        assert registry.repository == "b/c"


def test_mischief_counts():
    with serve_layout(PLANTED, mischief=[Mischief(status=503, after=1, times=2)]) as registry:
        path = f"/v2/app/blobs/{LAYER}"
        assert [ask(registry, path)[0] for _ in range(5)] == [200, 503, 503, 200, 200]
        assert ask(registry, "/v2/app/manifests/v6")[0] == 200
        registry.forget()
        assert registry.log == ()


def test_closes_with_connections_open():
    with serve_layout(PLANTED, mischief=[Mischief(only="", hang=60, after=1)]) as registry:
        idle = http.client.HTTPConnection(registry.host, timeout=60)
        idle.request("GET", "/v2/")
        assert idle.getresponse().read() == b"{}"
        hanging = http.client.HTTPConnection(registry.host, timeout=60)
        hanging.request("GET", "/v2/")
    idle.close()
    hanging.close()


def test_who_reads_the_log_does_not_wait_for_a_call_that_hangs():
    with serve_layout(PLANTED, mischief=[Mischief(only="/manifests/", hang=60)]) as registry:
        hanging = http.client.HTTPConnection(registry.host, timeout=60)
        hanging.request("GET", "/v2/app/manifests/v6")
        assert registry.wait_for_hang()
        assert registry._server.busy == 0
        assert ask(registry, "/v2/")[0] == 200
        assert [served.call.path for served in registry.log] == ["/v2/"]
    hanging.close()


def test_parallel_ranges():
    with serve_layout(PLANTED) as registry, ThreadPoolExecutor(8) as threads:
        wanted = [f"bytes={start}-{start + 999}" for start in range(0, 50_000, 1000)]
        parts = threads.map(lambda one: ask(registry, f"/v2/app/blobs/{LAYER}", Range=one)[2], wanted)
        assert b"".join(parts) == CONTENT[:50_000]
        assert sum(served.sent for served in registry.log) == 50_000
