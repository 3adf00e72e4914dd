"""The backend against the stand-in registry: what it asks, what it believes, what it costs."""

import hashlib
import json
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from tests.access.registry.helpers import Time, backend_for, largest_layer, planted_blob, planted_manifest

from rafsight.access.backend import DigestMismatch, NotFound, ShortRead
from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.errors import (
    InterruptedRead,
    RateLimited,
    RegistryBusy,
    RegistryDenied,
    RegistryMisbehaves,
    RegistryUnknown,
    RegistryUnreachable,
    UntrustedRedirect,
)
from rafsight.base.digest import MalformedDigest, digest_of
from rafsight.base.errors import RafsightError
from rafsight.testing.registry import PLANTED, Mischief, Registry, serve_layout
from rafsight.testing.registry_pages import Answer, error_answer

LAYER, CONTENT = largest_layer()
DIGEST, MANIFEST = planted_manifest()
MANIFESTS = "/manifests/"


def ranges(registry: Registry) -> list[str | None]:
    return [served.range for served in registry.log]


def test_manifest():
    with serve_layout(PLANTED) as registry:
        backend = backend_for(registry)
        document = backend.fetch_manifest("v6")
        backend.close()
        assert (document.digest, document.content) == (DIGEST, planted_blob(DIGEST))
        accepted = registry.log[0].call.header("accept") or ""
        for kind in (
            "oci.image.manifest.v1",
            "oci.image.index.v1",
            "docker.distribution.manifest.v2",
            "docker.distribution.manifest.list.v2",
        ):
            assert f"application/vnd.{kind}+json" in accepted
        assert (registry.log[0].call.header("user-agent") or "").startswith("rafsight/")
        assert registry.log[0].call.header("accept-encoding") == "identity"
        assert backend.place == f"{registry.host}/app"


@pytest.mark.parametrize(
    ("name", "mischief"),
    [
        (DIGEST, Mischief(only=MANIFESTS, flip=True)),
        ("v6", Mischief(only=MANIFESTS, flip=True)),
        ("v6", Mischief(only=MANIFESTS, headers=(("Docker-Content-Digest", "sha256:" + "0" * 64),))),
        (DIGEST, Mischief(only=MANIFESTS, headers=(("Docker-Content-Digest", "sha256:" + "0" * 64),))),
        ("v6", Mischief(only=MANIFESTS, headers=(("Docker-Content-Digest", "sha512:" + "0" * 128),))),
    ],
)
def test_manifest_that_is_another(name, mischief):
    with serve_layout(PLANTED, mischief=[mischief]) as registry:
        backend = backend_for(registry)
        with pytest.raises(DigestMismatch):
            backend.fetch_manifest(name)
        assert len(registry.log) == 1
        backend.close()


def test_manifest_without_a_digest_header_gets_one():
    with serve_layout(
        PLANTED, mischief=[Mischief(only=MANIFESTS, headers=(("Docker-Content-Digest", ""),))]
    ) as registry:
        backend = backend_for(registry)
        assert backend.fetch_manifest("v6").digest == DIGEST
        backend.close()


def test_manifest_by_sha512():
    wanted = "sha512:" + hashlib.sha512(planted_blob(DIGEST)).hexdigest()
    with serve_layout(PLANTED, gate=lambda call: Answer(content=planted_blob(DIGEST))) as registry:
        backend = backend_for(registry)
        assert backend.fetch_manifest(wanted).digest == wanted
        with pytest.raises(DigestMismatch):
            backend.fetch_manifest("sha512:" + "0" * 128)
        backend.close()


@pytest.mark.parametrize(
    ("content_type", "content", "expected"),
    [
        ("application/vnd.oci.image.index.v1+json; charset=utf-8", b"{}", "application/vnd.oci.image.index.v1+json"),
        (
            "text/plain",
            b'{"mediaType":"application/vnd.oci.image.index.v1+json"}',
            "application/vnd.oci.image.index.v1+json",
        ),
        ("application/json", b"{}", "application/json"),
        ("application/json", b' \n{"a":' + b"[" * 100_000, "application/json"),
        ("", b"\xef\xbb\xbf{", ""),
    ],
)
def test_media_type(content_type, content, expected):
    with serve_layout(
        PLANTED, gate=lambda call: Answer(headers=(("Content-Type", content_type),), content=content)
    ) as registry:
        backend = backend_for(registry)
        assert backend.fetch_manifest("v6").media_type == expected
        backend.close()


@pytest.mark.parametrize("name", ["v6", DIGEST])
@pytest.mark.parametrize("content", [b"<!doctype html><title>Log in</title>", b"{}"])
@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/xhtml+xml", "Text/HTML"])
def test_a_login_page_is_no_manifest(name, content, content_type):
    page = Answer(headers=(("Content-Type", content_type),), content=content)
    with serve_layout(PLANTED, gate=lambda call: page) as registry:
        backend = backend_for(registry)
        with pytest.raises(RegistryMisbehaves, match="it answers a page") as caught:
            backend.fetch_manifest(name)
        assert "login page" in caught.value.advice
        assert len(registry.log) == 1
        backend.close()


@pytest.mark.parametrize(
    ("content_type", "content"),
    [("", b"\xff"), ("", b""), ("", b"<html>"), ("application/json", b"[]"), ("text/plain", b"Please log in")],
)
def test_what_is_no_object_and_has_no_digest_is_no_manifest(content_type, content):
    with serve_layout(
        PLANTED, gate=lambda call: Answer(headers=(("Content-Type", content_type),), content=content)
    ) as registry:
        backend = backend_for(registry)
        with pytest.raises(RegistryMisbehaves, match="manifest v6"):
            backend.fetch_manifest("v6")
        backend.close()


def test_damage_that_the_registry_itself_holds_is_the_images():
    answer = Answer(headers=(("Content-Type", "application/json"),), content=b"\xff")
    with serve_layout(PLANTED, gate=lambda call: answer) as registry:
        backend = backend_for(registry)
        assert backend.fetch_manifest(digest_of(b"\xff")).content == b"\xff"
        backend.close()


@pytest.mark.parametrize(
    "mischief",
    [
        Mischief(only=MANIFESTS, extra=9 << 20),
        Mischief(only=MANIFESTS, extra=9 << 20, chunked=True),
        Mischief(only=MANIFESTS, headers=(("Content-Encoding", "gzip"),)),
        Mischief(only=MANIFESTS, raw=b"SSH-2.0-OpenSSH_9.9\r\n"),
        Mischief(only=MANIFESTS, raw=b"HTTP/1.1 999999 X\r\n\r\n"),
        Mischief(only=MANIFESTS, huge_header=100_000),
        Mischief(only=MANIFESTS, many_headers=150),
        Mischief(only=MANIFESTS, status=302),
        Mischief(only=MANIFESTS, status=204),
        Mischief(only=MANIFESTS, status=418),
    ],
    ids=["long", "long-chunked", "gzip", "ssh", "status", "huge-header", "many-headers", "302", "204", "418"],
)
def test_manifests_that_no_registry_may_send(mischief):
    with serve_layout(PLANTED, mischief=[mischief]) as registry:
        backend = backend_for(registry)
        with pytest.raises(RegistryMisbehaves):
            backend.fetch_manifest("v6")
        assert len(registry.log) == 1
        assert backend.meter.cost.bytes_fetched <= (8 << 20) + 1
        backend.close()


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "v6?x=1", "sha256:1", "a" * 200, "-a", "v6\n"])
def test_names_that_cannot_stand_in_a_url(name):
    backend = backend_for("127.0.0.1:1")
    for call in (backend.fetch_manifest, backend.exists, backend.blob_size):
        with pytest.raises(MalformedDigest):
            call(name)
    with pytest.raises(MalformedDigest):
        backend.fetch_range(name, 0, 1)
    with pytest.raises(MalformedDigest), backend.open_blob(name):
        pass
    assert backend.meter.cost.requests == 0


def test_exists():
    with serve_layout(
        PLANTED, mischief=[Mischief(only="/manifests/v5", method="HEAD", status=503, times=1)]
    ) as registry:
        backend = backend_for(registry)
        assert backend.exists("v6")
        assert backend.exists(DIGEST)
        assert not backend.exists("v7")
        assert backend.exists("v5")
        assert backend.meter.cost.bytes_fetched == 0
        assert {served.call.method for served in registry.log} == {"HEAD"}
        backend.close()


def test_range():
    with serve_layout(PLANTED) as registry:
        backend = backend_for(registry)
        for offset, size in [(0, 1), (0, len(CONTENT)), (1000, 70_000), (len(CONTENT) - 3, 3), (5, 0)]:
            assert backend.fetch_range(LAYER, offset, size) == CONTENT[offset : offset + size]
        assert ranges(registry)[2] == "bytes=1000-70999"
        assert backend.meter.cost.requests == len(registry.log) == 4  # nothing is asked for nothing
        assert backend.supports_ranges
        backend.close()


@pytest.mark.parametrize(("offset", "size"), [(len(CONTENT) - 5, 10), (len(CONTENT), 1), (len(CONTENT) * 2, 10)])
def test_range_beyond_the_end(offset, size):
    with serve_layout(PLANTED) as registry:
        backend = backend_for(registry)
        with pytest.raises(ShortRead) as caught:
            backend.fetch_range(LAYER, offset, size)
        assert caught.value.permanent
        assert len(registry.log) == 1
        backend.close()


def test_broken_range_is_continued():
    time = Time()
    with serve_layout(PLANTED, mischief=[Mischief(drop_after=3000, times=2)]) as registry:
        backend = backend_for(registry, time=time)
        assert backend.fetch_range(LAYER, 100, 10_000) == CONTENT[100:10_100]
        assert ranges(registry) == ["bytes=100-10099", "bytes=3100-10099", "bytes=6100-10099"]
        assert backend.meter.cost.requests == 3
        assert backend.meter.cost.bytes_fetched == 10_000
        assert len(time.slept) == 2
        backend.close()


@pytest.mark.parametrize(
    "mischief",
    [Mischief(drop_after=0), Mischief(hang_up=True), Mischief(drop_after=10, chunked=True), Mischief(short_by=10_000)],
    ids=repr,
)
def test_patience_ends(mischief):
    time = Time()
    with serve_layout(PLANTED, mischief=[mischief]) as registry:
        backend = backend_for(registry, time=time)
        with pytest.raises((ShortRead, RegistryUnreachable)) as caught:
            backend.fetch_range(LAYER, 100, 10_000)
        assert not caught.value.permanent
        assert len(registry.log) == backend.meter.cost.requests == 5
        assert len(time.slept) == 4
        backend.close()


def test_short_answer_is_continued():
    with serve_layout(PLANTED, mischief=[Mischief(short_by=400, times=1)]) as registry:
        backend = backend_for(registry)
        assert backend.fetch_range(LAYER, 0, 1000) == CONTENT[:1000]
        assert ranges(registry) == ["bytes=0-999", "bytes=600-999"]
        backend.close()


def test_longer_answers_are_cut():
    with serve_layout(PLANTED, mischief=[Mischief(extra=5 << 20), Mischief(only="nothing")]) as registry:
        backend = backend_for(registry)
        assert backend.fetch_range(LAYER, 10, 1000) == CONTENT[10:1010]
        assert backend.meter.cost.bytes_fetched == 1000
        assert backend.fetch_range(LAYER, 20, 1000) == CONTENT[20:1020]  # on a connection of its own
        backend.close()


def test_chunked_answers():
    with serve_layout(PLANTED, mischief=[Mischief(chunked=True)]) as registry:
        backend = backend_for(registry)
        assert backend.fetch_range(LAYER, 10, 100_000) == CONTENT[10:100_010]
        with backend.open_blob(LAYER) as pieces:
            assert b"".join(pieces) == CONTENT
        backend.close()


@pytest.mark.parametrize(
    "said",
    [
        "bytes 0-999/2000000",
        "bytes 101-1100/2000000",
        "bytes */2000000",
        "lines 100-1099/2000000",
        "bytes 100-99/2000000",
        "bytes 100-1099",
        "x" * 5000,
        "bytes \u0661\u0660\u0660-1099/9",
    ],
)
def test_wrong_content_range(said):
    with serve_layout(
        PLANTED, mischief=[Mischief(headers=(("Content-Range", said.encode().decode("latin-1")),))]
    ) as registry:
        backend = backend_for(registry)
        with pytest.raises(RegistryMisbehaves, match="byte 100 was asked for"):
            backend.fetch_range(LAYER, 100, 1000)
        assert len(registry.log) == 1
        backend.close()


def test_multipart_is_not_understood():
    headers = (("Content-Range", ""), ("Content-Type", "multipart/byteranges; boundary=x"))
    with serve_layout(PLANTED, mischief=[Mischief(headers=headers)]) as registry:
        backend = backend_for(registry)
        with pytest.raises(RegistryMisbehaves):
            backend.fetch_range(LAYER, 100, 1000)
        backend.close()


def test_server_without_ranges():
    with serve_layout(PLANTED, mischief=[Mischief(ignore_range=True)]) as registry:
        backend = backend_for(registry)
        before = backend.supports_ranges
        assert backend.fetch_range(LAYER, 50_000, 1000) == CONTENT[50_000:51_000]
        assert (before, backend.supports_ranges) == (True, False)
        assert backend.meter.cost.bytes_fetched == 51_000  # the head that came along, and nothing after it
        with pytest.raises(ShortRead):
            backend.fetch_range(LAYER, len(CONTENT) - 5, 10)
        backend.close()


def test_restarts_are_no_progress():
    """Without ranges every attempt brings the same bytes again: they buy no further attempts."""
    with serve_layout(PLANTED, mischief=[Mischief(ignore_range=True, drop_after=1_100_000)]) as registry:
        backend = backend_for(registry)
        with pytest.raises(InterruptedRead, match="broke off after 1100000 of"):
            backend.fetch_range(LAYER, 0, len(CONTENT))
        assert len(registry.log) == 5
        backend.close()


def test_progress_buys_attempts(tmp_path):
    """A large blob may need more attempts than a small one."""
    content = os.urandom(7 << 20)
    digest = digest_of(content)
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    (tmp_path / "blobs" / digest.replace(":", "/")).write_bytes(content)
    (tmp_path / "index.json").write_text('{"manifests":[]}')
    with serve_layout(tmp_path, mischief=[Mischief(drop_after=1 << 20)]) as registry:
        backend = backend_for(registry)
        assert backend.fetch_range(digest, 0, len(content)) == content
        with backend.open_blob(digest) as pieces:
            assert b"".join(pieces) == content
        assert len(registry.log) == 14
        backend.close()


def test_blob_as_a_stream():
    with serve_layout(PLANTED) as registry:
        backend = backend_for(registry)
        with backend.open_blob(LAYER) as stream:
            pieces = list(stream)
        assert b"".join(pieces) == CONTENT
        assert max(map(len, pieces)) <= 1 << 20
        assert ranges(registry) == [None]
        backend.close()


@pytest.mark.parametrize("more", [{}, {"ignore_range": True}, {"chunked": True}], ids=str)
def test_broken_stream_is_continued(more):
    with serve_layout(PLANTED, mischief=[Mischief(drop_after=500_000, times=2, **more)]) as registry:
        backend = backend_for(registry)
        with backend.open_blob(LAYER) as pieces:
            assert b"".join(pieces) == CONTENT
        wanted = [None, "bytes=500000-", "bytes=1000000-" if "ignore_range" not in more else "bytes=500000-"]
        assert ranges(registry) == wanted
        backend.close()


def test_stream_left_early_closes_its_connection():
    with serve_layout(PLANTED) as registry:
        backend = backend_for(registry)
        with backend.open_blob(LAYER) as pieces:
            first = next(pieces)
        assert CONTENT.startswith(first)
        assert backend.meter.cost.bytes_fetched < len(CONTENT)
        assert backend.fetch_range(LAYER, 0, 10) == CONTENT[:10]
        backend.close()


def test_stream_that_never_gets_on():
    time = Time()
    with serve_layout(
        PLANTED, mischief=[Mischief(drop_after=0, after=1), Mischief(drop_after=100, times=1)]
    ) as registry:
        backend = backend_for(registry, time=time)
        with pytest.raises(InterruptedRead, match="broke off after 100"), backend.open_blob(LAYER) as pieces:
            list(pieces)
        assert backend.meter.cost.requests == 5
        assert len(time.slept) == 4
        backend.close()


def test_stream_of_a_blob_that_changes_size():
    def gate(call):
        return (
            Answer(status=206, headers=(("Content-Range", "bytes 1000-1999/2000"),), content=b"x" * 1000)
            if call.header("range")
            else None
        )

    with serve_layout(PLANTED, gate=gate, mischief=[Mischief(drop_after=1000, times=1)]) as registry:
        backend = backend_for(registry)
        with pytest.raises(RegistryMisbehaves, match="has 2000 now"), backend.open_blob(LAYER) as pieces:
            list(pieces)
        backend.close()


def test_blob_size():
    with serve_layout(PLANTED) as registry:
        backend = backend_for(registry)
        assert backend.blob_size(LAYER) == len(CONTENT)
        assert backend.meter.cost.bytes_fetched == 0
        with pytest.raises(NotFound):
            backend.blob_size("sha256:" + "0" * 64)
        backend.close()


@pytest.mark.parametrize("more", [{"status": 405}, {"status": 403}, {"headers": (("Content-Length", "?"),)}], ids=str)
@pytest.mark.parametrize("get", [Mischief(only="nothing"), Mischief(ignore_range=True)], ids=["ranges", "no-ranges"])
def test_blob_size_without_head(more, get):
    with serve_layout(PLANTED, mischief=[Mischief(method="HEAD", **more), get]) as registry:
        backend = backend_for(registry)
        assert backend.blob_size(LAYER) == len(CONTENT)
        assert registry.log[-1].range == "bytes=0-0"
        assert backend.meter.cost.bytes_fetched <= 64 * 1024
        backend.close()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_busy_registry_is_asked_again(status):
    time = Time()
    retry = Mischief(only="", method="", status=status, headers=(("Retry-After", "3"),), times=2)
    with serve_layout(PLANTED, mischief=[retry]) as registry:
        backend = backend_for(registry, time=time)
        assert backend.fetch_manifest("v6").digest == DIGEST
        assert backend.meter.cost.requests == len(registry.log) == 3
        assert time.slept == [3, 3]
        assert backend.meter.cost.bytes_fetched == sum(served.sent for served in registry.log)  # errors cost, too
        backend.close()


def test_retry_after_as_a_date():
    time = Time()
    headers = (("Date", "Mon, 23 Nov 2026 12:00:00 GMT"), ("Retry-After", "Mon, 23 Nov 2026 12:00:09 GMT"))
    answer = error_answer(429, "TOOMANYREQUESTS", "slow down", headers)
    left = [answer]
    with serve_layout(PLANTED, gate=lambda call: left.pop() if left else None) as registry:
        backend = backend_for(registry, time=time)
        backend.fetch_manifest("v6")
        backend.close()
    assert time.slept == [9]


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (503, RegistryBusy)])
def test_busy_for_good(status, kind):
    with serve_layout(
        PLANTED, mischief=[Mischief(only="", status=status, headers=(("Retry-After", "3600"),))]
    ) as registry:
        backend = backend_for(registry)
        with pytest.raises(kind) as caught:
            backend.fetch_manifest("v6")
        assert caught.value.retry_after == 3600
        assert backend.meter.cost.requests == 1  # an hour is not waited for
        backend.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 415, 451, 501])
def test_permanent_answers_are_not_asked_for_again(status):
    with serve_layout(PLANTED, mischief=[Mischief(only="", method="", status=status)]) as registry:
        backend = backend_for(registry)
        calls = [
            lambda: backend.fetch_manifest("v6"),
            lambda: backend.fetch_range(LAYER, 0, 1),
            backend.tags,
            backend.ping,
        ]
        for number, call in enumerate(calls, start=1):
            with pytest.raises((NotFound, RegistryDenied, RegistryMisbehaves)):
                call()
            assert backend.meter.cost.requests == number
        backend.close()


def test_not_found_says_what():
    with serve_layout(PLANTED) as registry:
        backend, elsewhere = backend_for(registry), backend_for(registry, repository="other")
        with pytest.raises(NotFound, match="/app has no manifest v9"):
            backend.fetch_manifest("v9")
        with pytest.raises(NotFound, match="/app has no blob sha256:0"):
            backend.fetch_range("sha256:" + "0" * 64, 0, 1)
        with pytest.raises(NotFound, match="/other has no such repository"):
            elsewhere.fetch_manifest("v6")
        backend.close()
        elsewhere.close()


def test_nobody_there():
    time = Time()
    backend = backend_for("127.0.0.1:1", time=time)
    with pytest.raises(RegistryUnreachable, match="connection refused"):
        backend.fetch_manifest("v6")
    assert backend.meter.cost.requests == 5
    assert len(time.slept) == 4


@pytest.mark.parametrize("host", ["registry.invalid", "a" * 64 + ".invalid", "a..invalid"])
def test_no_such_name(host):
    backend = backend_for(host)
    with pytest.raises((RegistryUnknown, RegistryUnreachable)):  # without any network the resolver may only say "later"
        backend.fetch_manifest("v6")


def test_silence():
    with serve_layout(PLANTED, mischief=[Mischief(only="", hang=30, times=1)]) as registry:
        backend = backend_for(registry, read_timeout=1.0)
        assert backend.fetch_manifest("v6").digest == DIGEST
        assert backend.meter.cost.requests == 2
        backend.close()


def test_dripping_body_is_cut():
    """A few bytes now and then keep a read time-out quiet; the pace does not."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                    while not stop.wait(0.02):
                        connection.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    backend = backend_for(f"127.0.0.1:{listener.getsockname()[1]}", read_timeout=0.5)
    try:
        with pytest.raises(RegistryUnreachable, match="less than 1024 bytes"):
            backend.fetch_manifest("v6")
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        backend.close()


def test_redirected_blobs():
    with (
        serve_layout(PLANTED) as storage,
        serve_layout(PLANTED, gate=only_alice, mischief=[Mischief(method="", redirect_to=storage.url)]) as registry,
    ):
        backend = backend_for(registry, credentials=ALICE)
        backend.fetch_manifest("v6")
        registry.forget()
        for offset in (0, 5000, 9000):
            assert backend.fetch_range(LAYER, offset, 100) == CONTENT[offset : offset + 100]
        with backend.open_blob(LAYER) as pieces:
            assert b"".join(pieces) == CONTENT
        assert backend.blob_size(LAYER) == len(CONTENT)
        assert len(registry.log) == 2  # the first range, and HEAD
        assert registry.log[0].call.header("authorization") is not None
        assert ranges(storage) == ["bytes=0-99", "bytes=5000-5099", "bytes=9000-9099", None, None]
        for served in storage.log:
            assert served.call.header("authorization") is None
        backend.close()


ALICE = Credentials(source="the test", username="alice", password="wonderland")


def only_alice(call):
    if call.header("authorization") == "Basic YWxpY2U6d29uZGVybGFuZA==":
        return None
    return error_answer(401, "UNAUTHORIZED", "authentication required", (("WWW-Authenticate", 'Basic realm="r"'),))


def test_storage_that_fails_is_left():
    refusing = [Mischief(after=1, times=1, status=403), Mischief(after=1, times=1, hang_up=True)]
    with (
        serve_layout(PLANTED, mischief=refusing) as storage,
        serve_layout(PLANTED, mischief=[Mischief(redirect_to=storage.url)]) as registry,
    ):
        backend = backend_for(registry)
        for offset in range(6):
            assert backend.fetch_range(LAYER, offset, 100) == CONTENT[offset : offset + 100]
        assert len(registry.log) == 3
        backend.close()


def test_redirects_in_a_circle():
    with serve_layout(PLANTED, gate=lambda call: Answer(status=302, headers=(("Location", call.path),))) as registry:
        backend = backend_for(registry)
        with pytest.raises(UntrustedRedirect):
            backend.fetch_range(LAYER, 0, 1)
        assert len(registry.log) == 6
        backend.close()


def test_tags_by_pages():
    def gate(call):
        if "tags/list" not in call.path:
            return None
        number = int(call.path.rpartition("last=t")[2]) if "last=" in call.path else 0
        page = ",".join(f'"t{one}"' for one in range(number + 1, number + 4))
        more = (("Link", f'</v2/app/tags/list?n=3&last=t{number + 3}>; rel="next"'),) if number < 9 else ()
        return Answer(headers=more, content=b'{"name":"app","tags":[' + page.encode() + b"]}")

    with serve_layout(PLANTED, gate=gate) as registry:
        backend = backend_for(registry)
        assert backend.tags() == tuple(f"t{number}" for number in range(1, 13))
        assert len(registry.log) == 4
        backend.close()


@pytest.mark.parametrize(
    ("content", "link"),
    [
        (b"<html>", ""),
        (b'{"tags":["a/b"]}', ""),
        (b'{"tags":["\\u001b[31m"]}', ""),
        (b'{"tags":[7]}', ""),
        (b'{"tags":' + b"[" * 100_000, ""),
        (b'{"tags":["a"]}', '</v2/app/tags/list?last=a>; rel="next"'),  # for ever
        (b'{"tags":["a"]}', '<http://127.0.0.2/v2/app/tags/list>; rel="next"'),
        (b'{"tags":["a"]}', '<ftp://a/>; rel="next"'),
        (b" " * (9 << 20), ""),
    ],
)
def test_tags_that_no_registry_may_send(content, link):
    with serve_layout(PLANTED, gate=lambda call: Answer(headers=(("Link", link),), content=content)) as registry:
        backend = backend_for(registry)
        with pytest.raises((RegistryMisbehaves, UntrustedRedirect)):
            backend.tags()
        assert len(registry.log) <= 1000
        backend.close()


@pytest.mark.parametrize("content", [b'{"name":"app","tags":null}', b"{}", b'{"tags":[]}'])
def test_no_tags(content):
    with serve_layout(PLANTED, gate=lambda call: Answer(content=content)) as registry:
        backend = backend_for(registry)
        assert backend.tags() == ()
        backend.close()


def test_threads_share_one_token():
    """Also when it goes stale for all of them at the same moment."""
    issued: list[str] = []
    valid = ""

    def gate(call):
        nonlocal valid
        if call.path.startswith("/token"):
            valid = f"T{len(issued)}"
            issued.append(valid)
            return Answer(content=json.dumps({"token": valid}).encode())
        if valid and call.header("authorization") == f"Bearer {valid}":
            return None
        realm = f'Bearer realm="http://{call.header("host")}/token",service="s"'
        return error_answer(401, "UNAUTHORIZED", "no", (("WWW-Authenticate", realm),))

    with serve_layout(PLANTED, gate=gate) as registry, ThreadPoolExecutor(8) as threads:
        backend = backend_for(registry)
        for expected in (1, 2, 3):
            parts = list(threads.map(lambda offset: backend.fetch_range(LAYER, offset, 10), range(40)))
            assert parts == [CONTENT[offset : offset + 10] for offset in range(40)]
            assert len(issued) == expected
            valid = ""
        backend.close()


def test_keeps_connections():
    """One connection serves one thread, whatever it asks."""
    peers = set()

    def gate(call):
        peers.add(threading.get_ident())  # the server has a thread for each connection

    with serve_layout(PLANTED, gate=gate) as registry:
        backend = backend_for(registry)
        backend.fetch_manifest("v6")
        backend.exists("v6")
        backend.exists("v9")
        backend.blob_size(LAYER)
        backend.fetch_range(LAYER, 0, 70_000)
        backend.fetch_range(LAYER, 9, 100)
        with pytest.raises(NotFound):
            backend.fetch_manifest("v9")
        backend.tags()
        with backend.open_blob(LAYER) as pieces:
            list(pieces)
        backend.close()
    assert len(peers) == 1


def test_child_of_a_fork_has_connections_of_its_own():
    with serve_layout(PLANTED) as registry:
        backend = backend_for(registry)
        backend.fetch_range(LAYER, 0, 10)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # 3.12: the registry's threads are not needed in the child
            child = os.fork()
        if child == 0:
            status = 1
            with suppress(RafsightError):
                status = 0 if backend.fetch_range(LAYER, 10, 10) == CONTENT[10:20] else 2
            os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert backend.fetch_range(LAYER, 20, 10) == CONTENT[20:30]
        backend.close()


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (Mischief(only="", status=401), RegistryDenied),
        (Mischief(only="", status=404), NotFound),
        (Mischief(only="", status=418), RegistryMisbehaves),
        (Mischief(only="", status=429), RateLimited),
        (Mischief(only="", status=503), RegistryBusy),
        (Mischief(only="", hang_up=True), RegistryUnreachable),
        (Mischief(only="", redirect_to="ftp://x"), UntrustedRedirect),
        (Mischief(only="", drop_after=1), RegistryUnreachable),
    ],
)
def test_every_error_says_what_to_do(trouble, kind):
    with serve_layout(PLANTED, mischief=[trouble]) as registry:
        backend = backend_for(registry)
        with pytest.raises(kind) as caught:
            backend.fetch_manifest("v6")
        assert type(caught.value) is kind
        assert caught.value.advice.endswith(".")
        assert "{" not in str(caught.value) + caught.value.advice
        assert registry.host in str(caught.value)
        backend.close()


def test_verified_bytes_are_the_callers_job():
    with serve_layout(PLANTED, mischief=[Mischief(flip=True)]) as registry:
        backend = backend_for(registry)
        with backend.open_blob(LAYER) as pieces:
            assert digest_of(b"".join(pieces)) != LAYER
        backend.close()
