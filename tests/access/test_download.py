import hashlib
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from http.server import ThreadingHTTPServer
from threading import Thread

import pytest
from tests.access.file_server import Handler, running
from tests.access.registry.certificates import make_certificates
from tests.closed_port import closed_port

from rafsight.access.download import (
    DownloadBroken,
    DownloadBusy,
    Downloaded,
    DownloadMissing,
    DownloadNotStored,
    DownloadRefused,
    DownloadTerms,
    Unchanged,
    UnusableUrl,
    Version,
    download,
)
from rafsight.access.registry.errors import UnusableEndpoint
from rafsight.access.retry import Retrier, RetryPolicy
from rafsight.base.events import Advanced, Finished, Started

CONTENT = os.urandom(300_000)
TERMS = DownloadTerms(retrier=Retrier(policy=RetryPolicy(attempts=3), sleep=lambda seconds: None), read_timeout=10)


@pytest.fixture
def server():
    with running() as files:
        yield files


def entries(path):
    return sorted(item.name for item in path.iterdir())


def test_a_file_comes_with_its_digest_and_version(server, tmp_path):
    served = server.serve("/a.zip", CONTENT, last_modified="Mon, 02 Nov 2026 10:00:00 GMT")
    events = []
    result = download(f"{server.url}/a.zip", tmp_path / "deep" / "a.zip", terms=TERMS, listener=events.append)
    assert isinstance(result, Downloaded)
    assert result.path.read_bytes() == CONTENT
    assert (result.size, result.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert result.version == Version(etag=served.tag, last_modified="Mon, 02 Nov 2026 10:00:00 GMT")
    assert entries(tmp_path / "deep") == ["a.zip"]
    assert isinstance(events[0], Started)
    assert events[0].total == len(CONTENT)
    assert sum(event.amount for event in events if isinstance(event, Advanced)) == len(CONTENT)
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize("by", ["etag", "last_modified"])
def test_a_known_version_is_not_sent_again(server, tmp_path, by):
    served = server.serve("/a.zip", CONTENT, last_modified="Mon, 02 Nov 2026 10:00:00 GMT")
    known = Version(etag=served.tag) if by == "etag" else Version(last_modified=served.last_modified)
    assert download(f"{server.url}/a.zip", tmp_path / "a.zip", known=known, terms=TERMS) == Unchanged()
    assert [(request.status, request.sent) for request in server.requests] == [(304, 0)]
    assert entries(tmp_path) == []
    served.content, served.last_modified = b"new", "Tue, 03 Nov 2026 10:00:00 GMT"
    assert isinstance(download(f"{server.url}/a.zip", tmp_path / "a.zip", known=known, terms=TERMS), Downloaded)
    assert (tmp_path / "a.zip").read_bytes() == b"new"


def test_what_broke_off_goes_on_where_it_stopped(server, tmp_path):
    server.serve("/a.zip", CONTENT, break_after=[100_000, 50_000])
    result = download(f"{server.url}/a.zip", tmp_path / "a.zip", terms=TERMS)
    assert isinstance(result, Downloaded)
    assert result.path.read_bytes() == CONTENT
    assert server.statuses() == [200, 206, 206]
    assert sum(request.sent for request in server.requests) == len(CONTENT)
    assert entries(tmp_path) == ["a.zip"]


def test_another_call_goes_on_too(server, tmp_path):
    served = server.serve("/a.zip", CONTENT, break_after=[100_000, 10, 10, 10])
    with pytest.raises(DownloadBroken) as caught:
        download(f"{server.url}/a.zip", tmp_path / "a.zip", terms=TERMS)
    assert not caught.value.permanent
    assert entries(tmp_path) == ["a.zip.part", "a.zip.part.mark"]
    served.break_after.clear()
    result = download(f"{server.url}/a.zip", tmp_path / "a.zip", known=Version(etag='"old"'), terms=TERMS)
    assert isinstance(result, Downloaded)
    assert result.path.read_bytes() == CONTENT
    assert server.requests[-1].headers["range"] == "bytes=100020-"
    assert server.statuses()[-1] == 206


def test_another_version_begins_anew(server, tmp_path):
    served = server.serve("/a.zip", CONTENT, break_after=[100_000, 0, 0])
    with pytest.raises(DownloadBroken):
        download(f"{server.url}/a.zip", tmp_path / "a.zip", terms=TERMS)
    served.content = os.urandom(50_000)
    served.break_after.clear()
    result = download(f"{server.url}/a.zip", tmp_path / "a.zip", terms=TERMS)
    assert isinstance(result, Downloaded)
    assert result.path.read_bytes() == served.content
    assert server.statuses()[-1] == 200


@pytest.mark.parametrize("how", [{"etag": "-"}, {"etag": 'W/"weak"'}, {"ignores_ranges": True}, {"chunked": True}])
def test_without_a_way_to_go_on_the_whole_file_comes_again(server, tmp_path, how):
    server.serve("/a.zip", CONTENT, break_after=[100_000], **how)
    result = download(f"{server.url}/a.zip", tmp_path / "a.zip", terms=TERMS)
    assert isinstance(result, Downloaded)
    assert result.path.read_bytes() == CONTENT


def test_a_server_that_goes_on_elsewhere_is_asked_from_the_start(server, tmp_path):
    served = server.serve("/a.zip", CONTENT, break_after=[100_000])
    served.answers = []
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:1000])
    (tmp_path / "a.zip.part.mark").write_text(served.tag)
    served.break_after.clear()
    served.answers = [(206, {"Content-Range": "bytes 5-10/300000"})]
    result = download(f"{server.url}/a.zip", tmp_path / "a.zip", terms=TERMS)
    assert isinstance(result, Downloaded)
    assert result.path.read_bytes() == CONTENT
    assert server.statuses() == [206, 200]


def test_a_part_that_is_the_whole_is_fetched_again(server, tmp_path):
    served = server.serve("/a.zip", CONTENT)
    (tmp_path / "a.zip.part").write_bytes(CONTENT)
    (tmp_path / "a.zip.part.mark").write_text(served.tag)
    assert isinstance(download(f"{server.url}/a.zip", tmp_path / "a.zip", terms=TERMS), Downloaded)
    assert server.statuses() == [416, 200]


def test_a_missing_file_is_said_at_once(server, tmp_path):
    with pytest.raises(DownloadMissing, match="404"):
        download(f"{server.url}/nothing", tmp_path / "a", terms=TERMS)
    assert len(server.requests) == 1


def test_a_busy_server_is_asked_again_a_few_times(server, tmp_path):
    served = server.serve("/a", b"x", answers=[(503, {}), (429, {"Retry-After": "1"})])
    assert isinstance(download(f"{server.url}/a", tmp_path / "a", terms=TERMS), Downloaded)
    served.answers = [(503, {})] * 9
    with pytest.raises(DownloadBusy):
        download(f"{server.url}/a", tmp_path / "a", terms=TERMS)
    assert len(served.answers) == 6


@pytest.mark.parametrize("status", [401, 403, 204, 304, 501])
def test_any_other_answer_is_refused(server, tmp_path, status):
    server.serve("/a", b"x", answers=[(status, {})])
    with pytest.raises(DownloadRefused, match=str(status)):
        download(f"{server.url}/a", tmp_path / "a", terms=TERMS)


def test_redirects_are_followed_within_bounds(server, tmp_path):
    server.serve("/a", b"x")
    server.serve("/there", b"", answers=[(302, {"Location": "/a"})])
    result = download(f"{server.url}/there", tmp_path / "a", terms=TERMS)
    assert isinstance(result, Downloaded)
    assert result.path.read_bytes() == b"x"
    server.serve("/loop", b"", answers=[(302, {"Location": "/loop"})] * 20)
    with pytest.raises(DownloadRefused, match="without end"):
        download(f"{server.url}/loop", tmp_path / "a", terms=TERMS)
    server.serve("/away", b"", answers=[(302, {"Location": "file:///etc/passwd"})])
    with pytest.raises(UnusableUrl):
        download(f"{server.url}/away", tmp_path / "a", terms=TERMS)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_larger_than_allowed_is_given_up(server, tmp_path, chunked):
    server.serve("/a", CONTENT, chunked=chunked)
    with pytest.raises(DownloadRefused, match="larger"):
        download(f"{server.url}/a", tmp_path / "a", terms=replace(TERMS, size_limit=1000))
    assert entries(tmp_path) == []


@pytest.mark.parametrize(
    "url", ["", "ftp://host/a", "file:///etc/passwd", "http://", "https://host:x/", "http://a b/", "http://h\n/", "/a"]
)
def test_what_is_no_address_is_refused(tmp_path, url):
    with pytest.raises(UnusableUrl):
        download(url, tmp_path / "a", terms=TERMS)


def test_a_place_that_takes_no_file_is_said(server, tmp_path):
    server.serve("/a", b"x")
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadNotStored):
        download(f"{server.url}/a", tmp_path / "file" / "a", terms=TERMS)


def test_nobody_listens(tmp_path):
    with running() as server:
        url = server.url
    with pytest.raises(DownloadBroken):
        download(f"{url}/a", tmp_path / "a", terms=TERMS)


def test_the_proxy_of_the_environment_is_used(server, tmp_path):
    server.serve("http://advisories.example/a", b"through the proxy")
    script = "import sys; from pathlib import Path; from rafsight.access.download import download; download(sys.argv[1], Path(sys.argv[2]))"
    names = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    subprocess.run(
        [sys.executable, "-c", script, "http://advisories.example/a", str(tmp_path / "a")],
        env={**names, "http_proxy": server.url},
        check=True,
    )
    assert (tmp_path / "a").read_bytes() == b"through the proxy"


def refused(url, tmp_path, **more):
    with pytest.raises((DownloadRefused, DownloadBroken)) as caught:
        download(url, tmp_path / "a.zip", terms=replace(TERMS, **more))
    assert "Connection" not in str(caught.value).replace("connection", "")
    assert "port=" not in str(caught.value)
    return caught.value


def test_a_name_without_address_is_said_in_plain_words(tmp_path):
    error = refused("http://no-such-host.invalid/all.zip", tmp_path)
    assert str(error).startswith("http://no-such-host.invalid/all.zip cannot be downloaded: the name ")
    assert "no-such-host.invalid has no address" in str(error) or "name server" in str(error)


def test_a_closed_port_is_said_in_plain_words(tmp_path):
    with closed_port() as port:
        error = refused(f"http://127.0.0.1:{port}/a.zip", tmp_path)
    assert str(error) == f"http://127.0.0.1:{port}/a.zip cannot be downloaded: connection refused"
    assert not error.permanent


def test_a_silent_server_is_given_up_after_the_timeout(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        error = refused(f"http://127.0.0.1:{listener.getsockname()[1]}/a.zip", tmp_path, read_timeout=0.1)
    assert str(error).endswith(": no bytes came within the time-out")


def test_what_breaks_off_is_said_in_plain_words(server, tmp_path):
    server.serve("/a.zip", CONTENT, break_after=[0, 0, 0])
    error = refused(f"{server.url}/a.zip", tmp_path)
    assert str(error).endswith(": the connection broke in the middle of an answer")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def locked(server, certificates):
    """Serve the same files behind TLS."""
    guarded = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    guarded.files = server
    guarded.socket = certificates.server.server_context().wrap_socket(guarded.socket, server_side=True)
    thread = Thread(target=guarded.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"https://127.0.0.1:{guarded.server_port}"
    finally:
        guarded.shutdown()
        thread.join()
        guarded.server_close()


def test_an_authority_of_our_own_is_trusted_if_it_is_named(server, certificates, tmp_path):
    server.serve("/a.zip", CONTENT)
    with locked(server, certificates) as address:
        error = refused(f"{address}/a.zip", tmp_path)
        assert error.permanent
        assert "cannot be downloaded: its certificate is not trusted (" in str(error)
        terms = replace(TERMS, ca_files=(certificates.authority.certificate,))
        assert isinstance(download(f"{address}/a.zip", tmp_path / "a.zip", terms=terms), Downloaded)


def test_a_file_without_certificates_is_refused(certificates, tmp_path):
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(UnusableEndpoint, match=r"no\.pem"):
        download("https://127.0.0.1:1/a", tmp_path / "a", terms=replace(TERMS, ca_files=(tmp_path / "no.pem",)))
