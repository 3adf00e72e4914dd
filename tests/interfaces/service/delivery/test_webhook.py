"""Notifications: how they are signed, what an answer means, and what receivers do with them."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from tests.closed_port import closed_port
from tests.interfaces.service.delivery.receivers import answering, dripping, hanging_up, receiving, silent

from rafsight.interfaces.service.delivery.calling import Caller
from rafsight.interfaces.service.delivery.faults import MalformedTarget
from rafsight.interfaces.service.delivery.outcome import ARRIVED, Verdict
from rafsight.interfaces.service.delivery.webhook import deliver, make_webhook, sign

ROOT = Path(__file__).resolve().parents[4]
EXAMPLE = ROOT / "examples/webhook_receiver.py"
SECRET = "0123456789abcdef"
BODY = b'{"event":"scanned"}'
NOW = 1_700_000_000.9


def send(url, body=BODY, *, is_private=True, caller=None, now=NOW, secret=SECRET, delivery_id="d1"):
    webhook = make_webhook(url, secret, is_private=is_private)
    return deliver(
        webhook, body, delivery_id=delivery_id, event="scanned", caller=caller or Caller(), clock=lambda: now
    )


class TestSignature:
    """HMAC-SHA256 over timestamp, dot, body."""

    VECTORS = (
        (b"0123456789abcdef", 1_700_000_000, b'{"event":"scanned"}',
         "5861adfe154ca1d940f8f1657cfa43c96f9ea7b46449fca055da44259aca3ae9"),
        (b"another secret of 28 letters", 1, b"", "fef32de01f649224e04a97a0f0ffc01a8c08b4959052ccedab245191844e05b0"),
    )  # fmt: skip

    def test_by_openssl(self):
        """Another implementation as the judge, where there is one."""
        for secret, timestamp, body, expected in self.VECTORS:
            assert sign(secret, timestamp, body) == f"sha256={expected}"
        secret, timestamp, body, expected = self.VECTORS[0]
        command = ["openssl", "dgst", "-sha256", "-hmac", secret.decode()]
        try:
            done = subprocess.run(command, input=b"%d." % timestamp + body, capture_output=True, check=True)
        except FileNotFoundError:
            pytest.skip("openssl is not installed")
        assert done.stdout.decode().split()[-1] == expected

    def test_each_part_counts(self):
        known = sign(b"s" * 16, 17, b"body")
        others = (sign(b"t" * 16, 17, b"body"), sign(b"s" * 16, 18, b"body"), sign(b"s" * 16, 17, b"bodY"))
        assert len({known, *others}) == 4
        assert sign(b"s" * 16, 1, b"7.body") != sign(b"s" * 16, 17, b"body") != sign(b"s" * 16, 17, b".body")

    def test_the_example_of_the_documentation(self):
        text = (ROOT / "docs/service-webhooks.md").read_text()
        assert f"sha256={self.VECTORS[0][3]}" in text


def test_what_is_sent():
    with receiving(answering(204)) as receiver:
        assert send(receiver.url) == ARRIVED
    headers = receiver.headers()
    assert headers["content-type"] == "application/json"
    assert headers["x-rafsight-delivery"] == "d1"
    assert headers["x-rafsight-event"] == "scanned"
    assert headers["x-rafsight-timestamp"] == "1700000000"
    assert headers["x-rafsight-signature-256"] == sign(SECRET.encode(), 1_700_000_000, BODY)
    assert re.fullmatch(r"rafsight/[0-9.]+\S*", headers["user-agent"])
    assert receiver.body() == BODY


def test_the_same_delivery_again_has_its_id_and_another_time():
    with receiving(answering(200)) as receiver:
        send(receiver.url, now=1000.0)
        send(receiver.url, now=2000.0)
    first, second = receiver.headers(0), receiver.headers(1)
    assert first["x-rafsight-delivery"] == second["x-rafsight-delivery"]
    assert first["x-rafsight-timestamp"] != second["x-rafsight-timestamp"]
    assert first["x-rafsight-signature-256"] != second["x-rafsight-signature-256"]
    assert receiver.body(0) == receiver.body(1)


class TestAnswers:
    """What becomes of an attempt."""

    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    def test_it_arrived(self, status):
        with receiving(answering(status)) as receiver:
            assert send(receiver.url) == ARRIVED

    @pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308, 400, 402, 405, 410, 413, 415, 422, 451, 501, 505])
    def test_never(self, status):
        with receiving(answering(status, "Location: http://127.0.0.1:1/", "Retry-After: 3")) as receiver:
            outcome = send(receiver.url)
        assert (outcome.verdict, outcome.code) == (Verdict.NEVER, "target-refuses")
        assert f"it answers {status}" in outcome.message
        assert outcome.retry_after is None

    @pytest.mark.parametrize("status", [401, 403, 404, 408, 425, 429, 500, 502, 503, 504, 599])
    def test_again(self, status):
        with receiving(answering(status, "Retry-After: 120")) as receiver:
            outcome = send(receiver.url)
        assert (outcome.verdict, outcome.retry_after) == (Verdict.AGAIN, 120.0)

    @pytest.mark.parametrize(
        ("headers", "wished"),
        [
            ((), None),
            (("Retry-After: soon",), None),
            (("Retry-After: -5",), None),
            (("Retry-After: 1e9",), None),
            (("Retry-After: 99999999999999",), 86_400.0),
            (("Retry-After: Sun, 06 Nov 1994 08:50:37 GMT", "Date: Sun, 06 Nov 1994 08:49:37 GMT"), 60.0),
            (("Retry-After: Sun, 06 Nov 1994 08:50:37 GMT", "Date: today"), None),
            (("Retry-After: Tue, 14 Nov 2023 22:14:20 GMT",), pytest.approx(59.1)),
            (("Retry-After: Sun, 06 Nov 1994 08:50:37 GMT",), 0.0),
        ],
    )
    def test_how_long_to_wait(self, headers, wished):
        with receiving(answering(503, *headers)) as receiver:
            assert send(receiver.url).retry_after == wished

    @pytest.mark.parametrize("answer", [silent, hanging_up, dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n")])
    def test_no_answer(self, answer):
        with receiving(answer) as receiver:
            outcome = send(receiver.url, caller=Caller(time_limit=0.2))
        assert outcome.verdict is not Verdict.DONE
        assert outcome.verdict is Verdict.AGAIN or outcome.code == "target-refuses"

    def test_nobody_there(self):
        with closed_port() as port:
            outcome = send(f"http://127.0.0.1:{port}/token")
        assert (outcome.verdict, outcome.code) == (Verdict.AGAIN, "target-unreachable")
        assert "token" not in outcome.message + outcome.remedy

    def test_one_that_may_not_be_called(self):
        with receiving(answering(200)) as receiver:
            outcome = send(receiver.url, is_private=False)
            assert receiver.requests == []
        assert (outcome.verdict, outcome.code) == (Verdict.NEVER, "target-forbidden")

    def test_a_name_that_is_not_there(self):
        def resolve(host, port):
            raise OSError(-2, "Name or service not known")

        outcome = send("https://hooks.example.com/token", caller=Caller(resolve=resolve))
        assert (outcome.verdict, outcome.code) == (Verdict.AGAIN, "target-unreachable")


class TestSettings:
    """What may be named."""

    def test_secrets_are_not_shown(self):
        webhook = make_webhook("https://hooks.example.com/path-with-a-token", SECRET)
        assert SECRET not in repr(webhook)
        assert "token" not in repr(webhook)

    @pytest.mark.parametrize("secret", ["", "short", "x" * 15])
    def test_short_secrets_are_refused(self, secret):
        with pytest.raises(
            MalformedTarget, match=r"https://hooks\.example\.com: its secret has fewer than 16"
        ) as caught:
            make_webhook("https://hooks.example.com/token", secret)
        assert not secret or secret not in str(caught.value)

    def test_what_is_no_url(self):
        with pytest.raises(MalformedTarget):
            make_webhook("hooks.example.com", SECRET)


class TestReceivers:
    """The example, and what the documentation shows of it."""

    @pytest.fixture
    def verify(self):
        return runpy.run_path(str(EXAMPLE))["verify"]

    def test_the_documentation_shows_the_example(self):
        block = re.search(r"```python\n(.*?)```", (ROOT / "docs/service-webhooks.md").read_text(), re.DOTALL)
        source = EXAMPLE.read_text()
        assert block[1].strip() in source

    def test_genuine_ones(self, verify):
        with receiving(answering(200)) as receiver:
            send(receiver.url)
        for later in (0, 299, -299):
            assert verify(SECRET.encode(), receiver.headers(), receiver.body(), now=NOW + later)

    def test_forged_and_old_ones(self, verify):
        with receiving(answering(200)) as receiver:
            send(receiver.url)
        headers, body, secret = receiver.headers(), receiver.body(), SECRET.encode()
        signature = headers["x-rafsight-signature-256"]

        def check(body=body, secret=secret, now=NOW, **changed):
            return verify(secret, {**headers, **changed}, body, now=now)

        assert check()
        assert not check(now=NOW + 302)
        assert not check(now=NOW - 302)
        assert not check(body=body + b" ")
        assert not check(secret=secret + b"x")
        for bad in ("", signature[:-1], signature.upper(), signature[7:], "sha1=" + signature[7:], "\xff" + signature):
            assert not check(**{"x-rafsight-signature-256": bad})
        for bad in ("", "1700000001", "-1700000000", "1700000000.0", "\u0661700000000", "1" * 5000):
            assert not check(**{"x-rafsight-timestamp": bad})
        assert not verify(secret, {}, body, now=NOW)

    def test_the_program(self, tmp_path):
        """It prints a notification once, however often it comes, and nothing that is forged."""
        told = {
            "delivery": "d1",
            "event": "scanned",
            "image": {"reference": "registry.example/app@sha256:1\u202e"},
            "summary": {"critical": 1, "high": 2, "is_complete": False},
            "new": {"added_count": 3, "removed_count": 0},
        }
        command = [sys.executable, str(EXAMPLE), "0"]
        environment = {"WEBHOOK_SECRET": SECRET, "PATH": "/usr/bin:/bin"}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as child:
            try:
                url = "http://" + child.stdout.readline().split()[-1] + "/"
                body = json.dumps(told).encode()
                deliveries = [deliver_now(url, body), deliver_now(url, body), deliver_now(url, body, secret="x" * 16)]
                failed = {
                    "delivery": "d2",
                    "event": "failed",
                    "image": told["image"],
                    "failure": {"message": "no\nthing"},
                }
                deliveries.append(deliver_now(url, json.dumps(failed).encode()))
            finally:
                child.terminate()
                out, err = child.communicate(timeout=60)
        assert [one.verdict for one in deliveries] == [Verdict.DONE, Verdict.DONE, Verdict.AGAIN, Verdict.DONE]
        assert out.splitlines() == [
            r"'registry.example/app@sha256:1\u202e': 1 critical, 2 high, 3 new, 0 gone, not everything was looked at",
            r"'registry.example/app@sha256:1\u202e': not scanned: 'no\nthing'",
        ]
        assert err == ""


def deliver_now(url, body, secret=SECRET):
    webhook = make_webhook(url, secret, is_private=True)
    return deliver(webhook, body, delivery_id="d1", event="scanned", caller=Caller())
