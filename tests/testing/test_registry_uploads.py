"""The stand-in registry that can be pushed to, judged by clients that are not ours."""

import contextlib
import hashlib
import http.client
import json
import shutil
import socket
import subprocess

import pytest

from rafsight.base.digest import digest_of
from rafsight.testing.registry import PLANTED, Mischief, Registry, serve_writable

INDEX = json.loads((PLANTED / "index.json").read_bytes())
CONTENT = bytes(range(256)) * 10_000
DIGEST = digest_of(CONTENT)
UPLOADS = "/v2/team/app/blobs/uploads/"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
SKOPEO = shutil.which("skopeo")


@pytest.fixture
def registry(tmp_path):
    with serve_writable(tmp_path / "new" / "registry", layouts={"base": PLANTED}) as registry:
        yield registry


class Client:
    """One connection, so that what is left of a body shows in the next answer."""

    def __init__(self, registry: Registry) -> None:
        self.connection = http.client.HTTPConnection(registry.host, timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *about):
        self.connection.close()

    def __call__(self, method, path, body=None, **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body=body, headers=names, encode_chunked="Transfer-Encoding" in names)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def begin(self):
        status, headers, _ = self("POST", UPLOADS)
        assert status == 202
        return headers["Location"]


def ask(registry, method, path, body=None, **headers):
    with Client(registry) as client:
        return client(method, path, body, **headers)


def code(answer):
    return answer[0], json.loads(answer[2])["errors"][0]["code"]


def kept(registry, digest=DIGEST):
    return (registry.layout("team/app") / "blobs" / digest.replace(":", "/")).read_bytes()


def push(registry, content):
    with Client(registry) as client:
        answer = client("PUT", f"{client.begin()}&digest={digest_of(content)}", content)
        assert answer[0] == 201
        return digest_of(content)


class TestUploads:
    """Blobs, in every way that the specification knows."""

    def test_in_one_piece(self, registry):
        with Client(registry) as client:
            assert client("HEAD", f"/v2/team/app/blobs/{DIGEST}")[0] == 404
            status, headers, _ = client("PUT", f"{client.begin()}&digest={DIGEST}", CONTENT)
            assert (status, headers["Location"]) == (201, f"/v2/team/app/blobs/{DIGEST}")
            assert headers["Docker-Content-Digest"] == DIGEST
            status, headers, _ = client("HEAD", headers["Location"])
            assert (status, headers["Content-Length"]) == (200, str(len(CONTENT)))
            assert client("GET", f"/v2/team/app/blobs/{DIGEST}", Range="bytes=1-3")[2] == CONTENT[1:4]
        assert kept(registry) == CONTENT
        assert [served.received for served in registry.log] == [0, 0, len(CONTENT), 0, 0]

    def test_by_a_single_post(self, registry):
        assert ask(registry, "POST", f"{UPLOADS}?digest={DIGEST}", CONTENT)[0] == 201
        assert kept(registry) == CONTENT

    def test_in_pieces(self, registry):
        with Client(registry) as client:
            place = client.begin()
            for start, end in ((0, 999), (1000, 1_499_999)):
                status, headers, _ = client("PATCH", place, CONTENT[start : end + 1], Content_Range=f"{start}-{end}")
                assert (status, headers["Range"]) == (202, f"0-{end}")
                place = headers["Location"]
            status, headers, _ = client("PATCH", place, b"x", Content_Range="5-5")
            assert (status, headers["Range"]) == (416, "0-1499999")
            status, headers, _ = client("GET", place)
            assert (status, headers["Range"]) == (204, "0-1499999")
            assert client("PUT", f"{place}&digest={DIGEST}", CONTENT[1_500_000:])[0] == 201
        assert kept(registry) == CONTENT

    def test_in_chunks_without_a_length(self, registry):
        with Client(registry) as client:
            place = client.begin()
            pieces = (CONTENT[start : start + 70_000] for start in range(0, len(CONTENT), 70_000))
            assert client("PATCH", place, pieces, Transfer_Encoding="chunked")[0] == 202
            assert client("PUT", f"{place}&digest={DIGEST}")[0] == 201
        assert kept(registry) == CONTENT

    def test_sha512_and_nothing(self, registry):
        digest = "sha512:" + hashlib.sha512(b"").hexdigest()
        with Client(registry) as client:
            assert client("PUT", f"{client.begin()}&digest={digest}", b"")[0] == 201
        assert kept(registry, digest) == b""

    @pytest.mark.parametrize("digest", [digest_of(b"other"), "sha256:abc", "", "sha256:../../x", "md5:" + "0" * 32])
    def test_other_bytes_are_refused(self, registry, digest):
        with Client(registry) as client:
            place = client.begin()
            assert code(client("PUT", f"{place}&digest={digest}", CONTENT)) == (400, "DIGEST_INVALID")
            assert client("HEAD", f"/v2/team/app/blobs/{DIGEST}")[0] == 404

    def test_a_session_ends_once(self, registry):
        with Client(registry) as client:
            place = client.begin()
            assert code(client("PUT", place.replace("team/app", "other") + f"&digest={DIGEST}", b""))[0] == 404
            assert client("DELETE", place)[0] == 204
            for method in ("GET", "PATCH", "PUT", "DELETE"):
                assert client(method, place)[0] == 404
            assert code(client("PATCH", f"{UPLOADS}{'0' * 32}", b"x")) == (404, "BLOB_UPLOAD_UNKNOWN")

    def test_a_body_that_breaks_off_leaves_nothing(self, registry):
        with Client(registry) as client:
            place = client.begin()
            assert client("PATCH", place, CONTENT[:100])[0] == 202
        for head in (b"Content-Length: 500", b"Transfer-Encoding: chunked"):
            with socket.create_connection(("127.0.0.1", int(registry.host.partition(":")[2]))) as connection:
                connection.sendall(f"PATCH {place} HTTP/1.1\r\nHost: x\r\n".encode() + head + b"\r\n\r\n20\r\nabc")
        with Client(registry) as client:
            assert client("GET", place)[1]["Range"] == "0-99"
            assert client("PUT", f"{place}&digest={DIGEST}", CONTENT[100:])[0] == 201

    @pytest.mark.parametrize(
        "head",
        [
            b"Content-Length: -5\r\n\r\n",
            b"Content-Length: many\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n-5\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 5000,
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 200,
        ],
    )
    def test_bodies_that_are_not_framed(self, registry, head):
        with Client(registry) as client:
            place = client.begin()
        with socket.create_connection(("127.0.0.1", int(registry.host.partition(":")[2])), timeout=60) as connection:
            connection.sendall(f"PATCH {place} HTTP/1.1\r\nHost: x\r\n".encode() + head)
            with contextlib.suppress(ConnectionResetError):  # closed with bytes unread
                assert connection.recv(100) == b""
        assert ask(registry, "GET", place)[0] == 204

    def test_who_waits_to_be_told_to_go_on(self, registry):
        with Client(registry) as client:
            place = client.begin()
            assert client("PUT", f"{place}&digest={DIGEST}", CONTENT, Expect="100-continue")[0] == 201


class TestMounts:
    """Blobs of other repositories."""

    LAYER = json.loads((PLANTED / "blobs" / INDEX["manifests"][0]["digest"].replace(":", "/")).read_bytes())["layers"][
        0
    ]

    def test_of_one_that_can_only_be_read(self, registry):
        digest = self.LAYER["digest"]
        status, headers, _ = ask(registry, "POST", f"{UPLOADS}?mount={digest}&from=base")
        assert (status, headers["Location"]) == (201, f"/v2/team/app/blobs/{digest}")
        assert digest_of(kept(registry, digest)) == digest

    def test_of_one_that_was_pushed(self, registry):
        push(registry, CONTENT)
        assert ask(registry, "POST", f"/v2/other/blobs/uploads/?mount={DIGEST}&from=team/app")[0] == 201
        assert ask(registry, "GET", f"/v2/other/blobs/{DIGEST}")[2] == CONTENT

    @pytest.mark.parametrize(
        "query", [f"mount={DIGEST}&from=base", f"mount={DIGEST}", f"mount={DIGEST}&from=no", "mount=x&from=base"]
    )
    def test_what_is_not_there_becomes_an_upload(self, registry, query):
        with Client(registry) as client:
            status, headers, _ = client("POST", f"{UPLOADS}?{query}")
            assert status == 202
            assert client("PUT", f"{headers['Location']}&digest={DIGEST}", CONTENT)[0] == 201


def manifest(registry, **more):
    config = push(registry, b"{}")
    layer = push(registry, b"a layer")
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/x-config", "digest": config, "size": 2},
        "layers": [{"mediaType": "application/x-layer", "digest": layer, "size": 7}],
        **more,
    }


def put(registry, name, document, media_type=OCI_MANIFEST):
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return ask(registry, "PUT", f"/v2/team/app/manifests/{name}", content, Content_Type=media_type)


class TestManifests:
    """Documents."""

    def test_by_tag_and_by_digest(self, registry):
        document = manifest(registry)
        content = json.dumps(document).encode()
        digest = digest_of(content)
        status, headers, _ = put(registry, "v1", document)
        assert (status, headers["Docker-Content-Digest"], headers["OCI-Subject"]) == (201, digest, None)
        assert put(registry, digest, document)[0] == 201
        for name in ("v1", digest):
            status, headers, body = ask(registry, "GET", f"/v2/team/app/manifests/{name}")
            assert (status, body, headers["Content-Type"]) == (200, content, OCI_MANIFEST)
        assert json.loads(ask(registry, "GET", "/v2/team/app/tags/list")[2])["tags"] == ["v1"]
        put(registry, "v1", document | {"annotations": {"a": "b"}})
        assert json.loads(ask(registry, "GET", "/v2/team/app/tags/list")[2])["tags"] == ["v1"]
        assert ask(registry, "GET", "/v2/team/app/manifests/v1")[2] != content
        assert ask(registry, "GET", f"/v2/team/app/manifests/{digest}")[2] == content

    def test_what_it_names_must_be_there(self, registry):
        document = manifest(registry)
        missing = {"mediaType": "application/x", "digest": DIGEST, "size": 1}
        for spoilt in (document | {"layers": [missing]}, document | {"config": missing}):
            assert code(put(registry, "v1", spoilt)) == (400, "MANIFEST_BLOB_UNKNOWN")
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [missing]}
        assert code(put(registry, "v1", index, OCI_INDEX)) == (400, "MANIFEST_BLOB_UNKNOWN")
        foreign = missing | {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar"}
        assert put(registry, "v1", document | {"layers": [foreign]})[0] == 201

    @pytest.mark.parametrize(
        ("name", "content", "media_type", "status"),
        [
            ("v1", b"{", OCI_MANIFEST, 400),
            ("v1", b"[]", OCI_MANIFEST, 400),
            ("v1", b"[" * 100_000, OCI_MANIFEST, 400),
            ("v1", b'{"mediaType":"x"}', OCI_MANIFEST, 400),
            ("v1", b'{"layers":[1,{"digest":2}],"config":"x","a":1}', OCI_MANIFEST, 201),
            ("sha256:" + "0" * 64, b'{"a":1}', OCI_MANIFEST, 400),
            (".hidden", b'{"a":1}', OCI_MANIFEST, 400),
            ("v1", b'{"a":"' + b"x" * 5_000_000 + b'"}', OCI_MANIFEST, 413),
        ],
    )
    def test_documents_that_are_none(self, registry, name, content, media_type, status):
        assert put(registry, name, content, media_type)[0] == status

    def test_a_layer_is_no_manifest(self, registry):
        push(registry, CONTENT)
        assert code(ask(registry, "GET", f"/v2/team/app/manifests/{DIGEST}")) == (404, "MANIFEST_UNKNOWN")

    def test_referrers(self, registry, tmp_path):
        subject = {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 1}
        content = json.dumps(manifest(registry, subject=subject, annotations={"a": "b"})).encode()
        digest = digest_of(content)
        assert put(registry, digest, content)[1]["OCI-Subject"] == DIGEST
        status, headers, body = ask(registry, "GET", f"/v2/team/app/referrers/{DIGEST}")
        assert (status, headers["Content-Type"]) == (200, OCI_INDEX)
        assert json.loads(body)["manifests"] == [
            {
                "mediaType": OCI_MANIFEST,
                "digest": digest,
                "size": len(content),
                "artifactType": "application/x-config",
                "annotations": {"a": "b"},
            }
        ]
        assert json.loads(ask(registry, "GET", f"/v2/none/referrers/{DIGEST}")[2])["manifests"] == []
        with serve_writable(tmp_path / "old", referrers=False) as old:
            content = json.dumps(manifest(old, subject=subject)).encode()
            status, headers, _ = put(old, "v1", content)
            assert (status, headers["OCI-Subject"]) == (201, None)
            assert ask(old, "GET", f"/v2/team/app/referrers/{DIGEST}")[0] == 404


def test_a_disk_that_does_not_take_it(registry, tmp_path):
    with Client(registry) as client:
        place = client.begin()
        shutil.rmtree(tmp_path / "new" / "registry" / ".uploads")
        assert code(client("PUT", f"{place}&digest={DIGEST}", CONTENT[:1000])) == (500, "UNKNOWN")
        assert client("GET", "/v2/")[0] == 200


class TestRepositories:
    """Which there are, and where."""

    @pytest.mark.parametrize("name", ["UPPER", "a//b", "..", "a/../b", "-a", "a+b", "x" * 256, ".uploads"])
    def test_names_that_cannot_be(self, registry, name):
        assert code(ask(registry, "POST", f"/v2/{name}/blobs/uploads/")) == (400, "NAME_INVALID")
        assert code(ask(registry, "PUT", f"/v2/{name}/manifests/v1", b"{}")) == (400, "NAME_INVALID")

    def test_some_can_only_be_read(self, registry):
        assert ask(registry, "GET", "/v2/base/manifests/v6")[0] == 200
        for method, path in (("POST", "blobs/uploads/"), ("PUT", "manifests/v1"), ("DELETE", "manifests/v1")):
            assert code(ask(registry, method, f"/v2/base/{path}", b"{}")) == (405, "UNSUPPORTED")
        assert ask(registry, "DELETE", "/v2/team/app/manifests/v1")[0] == 405
        assert ask(registry, "PUT", UPLOADS)[0] == 405

    def test_what_was_there_is_served_and_nothing_unfinished_stays(self, tmp_path):
        shutil.copytree(PLANTED, tmp_path / "team+planted")
        with serve_writable(tmp_path, repository="team/planted") as registry:
            status, headers, _ = ask(registry, "POST", "/v2/team/planted/blobs/uploads/")
            ask(registry, "PATCH", headers["Location"], CONTENT)
            assert status == 202
            assert ask(registry, "GET", "/v2/team/planted/manifests/v6")[0] == 200
            assert registry.reference("v6") == f"{registry.host}/team/planted:v6"
            assert registry.layout("team/planted") == tmp_path / "team+planted"
            with pytest.raises(KeyError):
                registry.layout("nothing")
        assert [path.name for path in tmp_path.iterdir()] == ["team+planted"]


class TestMischief:
    """What can be done to those who push."""

    def test_a_refusal_and_a_large_body(self, tmp_path):
        no = Mischief(only="/blobs/uploads/", method="PUT", status=500, times=1)
        with serve_writable(tmp_path, mischief=[no]) as registry, Client(registry) as client:
            small = CONTENT[:100_000]
            assert client("PUT", f"{client.begin()}&digest={digest_of(small)}", small)[0] == 500
            assert client("PUT", f"{client.begin()}&digest={digest_of(small)}", small)[0] == 201

    def test_a_body_that_nobody_wants_is_not_read_to_its_end(self, tmp_path):
        no = Mischief(only="/blobs/uploads/", method="PATCH", status=401)
        with serve_writable(tmp_path, mischief=[no]) as registry:
            with Client(registry) as client:
                place = client.begin()
            with socket.create_connection(("127.0.0.1", int(registry.host.partition(":")[2]))) as connection:
                head = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n"
                connection.sendall(head.encode() + bytes(1024 * 1024 + 1))
                answer = connection.recv(10_000)
            assert answer.startswith(b"HTTP/1.1 401")
            assert b"Connection: close" in answer

    def test_only_a_part_is_taken(self, tmp_path):
        cut = Mischief(only="/blobs/uploads/", method="PUT", take_only=1000, times=1)
        with serve_writable(tmp_path, mischief=[cut]) as registry, Client(registry) as client:
            place = client.begin()
            with pytest.raises(OSError):
                client("PUT", f"{place}&digest={DIGEST}", CONTENT)
            served = registry.log[-1]
            assert (served.call.method, served.status, served.received) == ("PUT", 0, 1000)

    def test_a_deed_without_an_answer(self, tmp_path):
        mute = Mischief(only="/blobs/uploads/", method="PUT", unanswered=True)
        with serve_writable(tmp_path, mischief=[mute]) as registry, Client(registry) as client:
            place = client.begin()
            with pytest.raises(http.client.RemoteDisconnected):
                client("PUT", f"{place}&digest={DIGEST}", CONTENT)
            assert kept(registry) == CONTENT


@pytest.mark.skipif(SKOPEO is None, reason="skopeo is not installed")
def test_skopeo_pushes_and_pulls(registry, tmp_path):
    def copy(source, target):
        command = [SKOPEO, "--insecure-policy", "copy", "-q", "--preserve-digests", "--src-tls-verify=false"]
        command += ["--dest-tls-verify=false", source, target]
        subprocess.run(command, check=True, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, timeout=60)

    copy(f"oci:{PLANTED}:v6", f"docker://{registry.host}/team/app:pushed")
    copy(f"docker://{registry.host}/team/app:pushed", f"oci:{tmp_path}/pulled:v6")
    entry = next(e for e in INDEX["manifests"] if e["annotations"]["org.opencontainers.image.ref.name"] == "v6")
    pulled = json.loads((tmp_path / "pulled" / "index.json").read_bytes())["manifests"][0]
    assert pulled["digest"] == entry["digest"]
    assert {"HEAD", "POST", "PATCH", "PUT"} <= {served.call.method for served in registry.log}
