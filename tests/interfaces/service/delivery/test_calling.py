"""One request: to exactly the address that was looked at, within its time, whatever comes back."""

import socket
import time

import pytest
from tests.access.registry.certificates import make_certificates
from tests.closed_port import closed_port
from tests.interfaces.service.delivery.receivers import answering, dripping, flooding, hanging_up, receiving, silent

from rafsight.interfaces.service.delivery.calling import Answer, Caller, connect_to
from rafsight.interfaces.service.delivery.faults import (
    MalformedTarget,
    TargetForbidden,
    TargetRefuses,
    TargetUnreachable,
    TargetUntrusted,
)
from rafsight.interfaces.service.delivery.targets import parse_target, rules_for

BODY = b'{"event":"scanned"}'
HEADERS = (("Content-Type", "application/json"), ("X-Rafsight-Event", "scanned"))
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def post(url, *, is_private=True, caller=None, **more):
    target = parse_target(url)
    return (caller or Caller(**more)).post(target, rules_for(target, is_private=is_private), headers=HEADERS, body=BODY)


def test_a_request_and_its_answer():
    with receiving(
        answering(202, "Retry-After: 7", "Date: Sun, 06 Nov 1994 08:49:37 GMT", body=b"ignored")
    ) as receiver:
        answer = post(receiver.url)
    assert answer == Answer(status=202, retry_after="7", date="Sun, 06 Nov 1994 08:49:37 GMT")
    assert receiver.line() == "POST /hook?key=abc HTTP/1.1"
    assert receiver.body() == BODY
    assert receiver.headers() == {
        "host": f"127.0.0.1:{receiver.port}",
        "content-type": "application/json",
        "x-rafsight-event": "scanned",
        "content-length": str(len(BODY)),
        "connection": "close",
    }


class TestWhereItGoes:
    """Names that change their meaning."""

    def test_a_name_that_means_something_else_a_moment_later(self):
        """DNS rebinding: harmless when it is looked at, this machine ever after. It is asked once, and not again."""
        answers = iter([["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]])
        asked, connected = [], []

        def resolve(host, port):
            asked.append((host, port))
            return next(answers)

        with receiving(answering(200)) as trap, receiving(answering(204)) as receiver:

            def connect(address, port, timeout):
                connected.append((address, port))
                assert address == "93.184.216.34"
                return connect_to("127.0.0.1", receiver.port, timeout)  # stands in for the public address

            url = f"http://rebinding.example:{trap.port}/"
            answer = post(url, is_private=False, resolve=resolve, connect=connect)
            assert answer.status == 204
            assert asked == [("rebinding.example", trap.port)]
            assert connected == [("93.184.216.34", trap.port)]
            assert trap.requests == []
            assert receiver.headers()["host"] == f"rebinding.example:{trap.port}"
            with pytest.raises(TargetForbidden):  # the next attempt sees what the name means now
                post(url, is_private=False, resolve=resolve, connect=connect)
            assert len(connected) == 1

    def test_this_machine_is_not_called_unless_it_is_meant(self):
        with receiving(answering(200)) as receiver:
            with pytest.raises(TargetForbidden, match=f"http://127.0.0.1:{receiver.port} is not called"):
                post(receiver.url, is_private=False)
            assert receiver.requests == []

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_answers(self, status):
        with receiving(answering(200)) as trap:
            with receiving(answering(status, f"Location: http://127.0.0.1:{trap.port}/")) as receiver:
                assert post(receiver.url).status == status
            assert trap.requests == []

    def test_proxies_are_not_asked(self, monkeypatch):
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        with receiving(answering(200)) as receiver:
            assert post(receiver.url).status == 200

    def test_the_first_address_that_answers_is_taken(self):
        tried = []

        def connect(address, port, timeout):
            tried.append(address)
            if address != "127.0.0.3":
                raise ConnectionRefusedError(111, "Connection refused")
            return connect_to("127.0.0.1", port, timeout)

        found = [f"127.0.0.{number}" for number in range(1, 6)]
        with receiving(answering(200)) as receiver:
            assert post(receiver.url, resolve=lambda *name: found, connect=connect).status == 200
        assert tried == found[:3]

    def test_not_all_of_them_are_tried(self):
        tried = []

        def connect(address, port, timeout):
            tried.append(address)
            raise ConnectionRefusedError(111, "Connection refused")

        found = [f"127.0.0.{number}" for number in range(1, 9)]
        with pytest.raises(TargetUnreachable, match="connection refused"):
            post("http://localhost:9/", resolve=lambda *name: found, connect=connect)
        assert tried == found[:4]

    def test_nobody_is_there(self):
        with closed_port() as port, pytest.raises(TargetUnreachable, match="connection refused") as caught:
            post(f"http://127.0.0.1:{port}/secret")
        assert "secret" not in str(caught.value)


class TestTime:
    """Slow ones, and ones without an end."""

    @pytest.mark.parametrize(
        "answer",
        [
            silent,
            dripping(b"", b"H"),
            dripping(OK, b"X: y\r\n"),
            dripping(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ],
        ids=["silent", "line by letters", "header by header", "continue for ever"],
    )
    def test_slow_answers_are_cut(self, answer):
        began = time.monotonic()
        with receiving(answer) as receiver, pytest.raises((TargetUnreachable, TargetRefuses)) as caught:
            post(receiver.url, time_limit=0.3)
        assert time.monotonic() - began < 20
        assert not isinstance(caught.value, TargetUnreachable) or "no answer within 0.3 s" in str(caught.value)

    @pytest.mark.parametrize(
        ("start", "piece"),
        [
            (b"", b"x" * 65536),
            (OK, b"X: " + b"y" * 60000 + b"\r\n"),
            (OK + b"X: ", b"y" * 65536),
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        ],
        ids=["no line", "headers", "one header", "continue"],
    )
    def test_a_head_without_an_end_is_not_read(self, start, piece):
        says = pytest.raises(TargetRefuses, match="its answer is not HTTP")
        with receiving(flooding(start, piece)) as receiver, says:
            post(receiver.url, time_limit=10.0)

    def test_a_huge_body_is_not_read(self):
        head = OK + b"Content-Length: 999999999999\r\n\r\n"
        with receiving(flooding(head, bytes(65536))) as receiver:
            began = time.monotonic()
            assert post(receiver.url).status == 200
            assert time.monotonic() - began < 20

    def test_a_handshake_that_does_not_go_on(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            began = time.monotonic()
            with pytest.raises(TargetUnreachable, match="no answer within"):
                post(f"https://127.0.0.1:{server.getsockname()[1]}/", time_limit=0.3)
            assert time.monotonic() - began < 20


class TestStrangeAnswers:
    """What is no answer."""

    @pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x15\x03\x01\x00\x02\x02F"])
    def test_other_protocols(self, raw):
        fails = pytest.raises((TargetRefuses, TargetUnreachable))
        with receiving(lambda connection, receiver: connection.sendall(raw)) as receiver, fails:
            post(receiver.url)

    def test_one_that_hangs_up(self):
        with receiving(hanging_up) as receiver, pytest.raises((TargetUnreachable, TargetRefuses)):
            post(receiver.url)

    def test_one_that_answers_before_all_has_come(self):
        target = parse_target("http://127.0.0.1:1/")

        def early(connection, receiver):
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

        with receiving(early) as receiver:
            target = parse_target(receiver.url)
            answer = Caller().post(target, rules_for(target, is_private=True), headers=(), body=bytes(3_000_000))
        assert answer.status == 413


class TestTls:
    """Whom it trusts."""

    def url(self, receiver, host="localhost"):
        return f"https://{host}:{receiver.port}/"

    def test_an_authority_that_is_named(self, certificates):
        with receiving(answering(200), tls=certificates.server.server_context()) as receiver:
            ca_files = (certificates.authority.certificate,)
            assert post(self.url(receiver), ca_files=ca_files).status == 200
            assert post(self.url(receiver, "127.0.0.1"), ca_files=ca_files).status == 200

    def test_the_name_of_the_url_counts_and_not_the_address(self, certificates):
        with receiving(answering(200), tls=certificates.server.server_context()) as receiver:
            caller = Caller(ca_files=(certificates.authority.certificate,), resolve=lambda *name: ["127.0.0.1"])
            assert post(self.url(receiver, "registry.test"), caller=caller).status == 200
            with pytest.raises(TargetUntrusted, match=r"other\.test") as caught:
                post(self.url(receiver, "other.test"), caller=caller)
            assert not caught.value.permanent
            assert len(receiver.requests) == 1

    def test_a_stranger(self, certificates):
        with receiving(answering(200), tls=certificates.server.server_context()) as receiver:
            for caller in (Caller(), Caller(ca_files=(certificates.stranger.certificate,))):
                with pytest.raises(TargetUntrusted, match=r"https://localhost:[0-9]+ is not trusted"):
                    post(self.url(receiver), caller=caller)
            assert receiver.requests == []

    def test_plain_http_where_https_was_meant(self):
        with receiving(answering(200)) as receiver, pytest.raises((TargetUntrusted, TargetUnreachable)):
            post(self.url(receiver), time_limit=0.5)

    def test_a_file_without_certificates(self, tmp_path):
        (tmp_path / "ca.pem").write_text("nothing")
        with receiving(answering(200)) as receiver:
            for name in ("ca.pem", "none.pem"):
                with pytest.raises(MalformedTarget, match="holds no certificates"):
                    post(self.url(receiver), ca_files=(tmp_path / name,))
