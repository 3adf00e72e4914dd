"""Sizes, times, rates, headers and the last net, with an application of our own behind the guard."""

import asyncio
import json

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rafsight.interfaces.service.jobs.faults import StoreUnreachable
from rafsight.interfaces.service.web.faults import TooManyRequests
from rafsight.interfaces.service.web.guard import Guard, Rates
from rafsight.interfaces.service.web.metrics import Metrics
from rafsight.interfaces.service.web.settings import WebLimits


async def echo(scope, receive, send):
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"{len(body)}")(scope, receive, send)


def exchange(app, *, method="GET", path="/x", query=b"", headers=(), parts=(b"",), pauses=0.0, metrics=None, **limits):
    """One request; returns status, headers and body."""
    sent = []
    messages = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]

    async def receive():
        if messages:
            await asyncio.sleep(pauses)
            return messages.pop(0)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("192.0.2.1", 1),
    }
    guard = Guard(app, limits=WebLimits(**limits), metrics=metrics or Metrics())
    asyncio.run(guard(scope, receive, send))
    start = sent[0]
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], found, b"".join(message.get("body", b"") for message in sent[1:])


def code(answer):
    return json.loads(answer[2])["error"]["code"]


def test_a_body_within_its_bounds():
    status, headers, body = exchange(echo, parts=(b"a" * 10, b"b" * 10), headers=[("content-length", "20")], body=20)
    assert (status, body) == (200, b"20")
    assert "connection" not in headers


@pytest.mark.parametrize(
    ("headers", "parts"),
    [
        ([("content-length", "21")], (b"",)),
        ([("content-length", "9" * 400)], (b"",)),
        ([("transfer-encoding", "chunked")], (b"a" * 15, b"a" * 15)),
        ([("content-length", "5")], (b"a" * 30,)),
    ],
)
def test_a_body_that_is_too_large(headers, parts):
    answer = exchange(echo, parts=parts, headers=headers, body=20)
    assert (answer[0], code(answer)) == (413, "body-too-large")
    assert answer[1]["connection"] == "close"


def test_a_body_that_does_not_come():
    answer = exchange(echo, parts=(b"a", b"b"), headers=[("content-length", "2")], pauses=0.1, body_time=0.05)
    assert (answer[0], code(answer)) == (408, "request-too-slow")
    assert answer[1]["connection"] == "close"


def test_an_address_that_is_too_long():
    answer = exchange(echo, path="/" + "a" * 50, query=b"b" * 60, address=100)
    assert (answer[0], code(answer)) == (414, "address-too-long")


def test_headers_that_are_too_many_or_too_large():
    many = [(f"x{number}", "") for number in range(101)]
    for headers in ([("a", "b" * (40 * 1024))], many):
        answer = exchange(echo, headers=headers)
        assert (answer[0], code(answer)) == (431, "headers-too-large")


def test_a_method_that_nobody_knows():
    assert exchange(echo, method="TRACE")[0] == 400


def test_every_answer_has_its_headers():
    _, headers, _ = exchange(echo)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert len(headers["x-request-id"]) == 16


def test_a_page_may_have_what_is_ours_and_nothing_else():
    _, headers, _ = exchange(Response("<p>", media_type="text/html"))
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_the_application_has_the_last_word_about_headers():
    app = Response("", headers={"Cache-Control": "max-age=5", "Content-Security-Policy": "sandbox"})
    _, headers, _ = exchange(app)
    assert (headers["cache-control"], headers["content-security-policy"]) == ("max-age=5", "sandbox")


@pytest.mark.parametrize(
    ("given", "is_taken"), [("abc-1.2_X", True), ("a b", False), ("a\nb", False), ("a" * 65, False)]
)
def test_an_id_of_the_client_is_taken_if_it_is_harmless(given, is_taken):
    _, headers, _ = exchange(echo, headers=[("x-request-id", given)])
    assert (headers["x-request-id"] == given) is is_taken


@pytest.mark.parametrize("path", ["/x", "/api/v1/x"])
def test_what_nobody_foresaw_is_a_number_for_the_client_and_the_rest_for_the_log(path, caplog):
    async def fail(scope, receive, send):
        raise ZeroDivisionError("a secret detail")

    status, headers, body = exchange(fail, path=path)
    assert status == 500
    assert b"secret" not in body
    assert headers["x-request-id"] in body.decode()
    assert "Traceback" not in body.decode()
    assert any(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in caplog.records)
    assert set(json.loads(body)["error"]) == (
        {"message"} if path.startswith("/api/v1/") else {"code", "message", "remedy"}
    )


def test_what_this_machine_lacks_is_nobodys_business():
    async def fail(scope, receive, send):
        raise StoreUnreachable(store="postgresql://db.inside", why="no route to 10.1.2.3")

    answer = exchange(fail)
    assert (answer[0], code(answer)) == (503, "not-now")
    assert b"inside" not in answer[2]
    assert answer[1]["retry-after"]


def test_an_answer_that_breaks_off_is_not_made_whole():
    async def fail(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ZeroDivisionError

    with pytest.raises(ConnectionAbortedError):
        exchange(fail)


def test_a_client_that_went_away_is_no_mistake_of_ours(caplog):
    metrics = Metrics()

    async def leave(scope, receive, send):
        await Request(scope, receive).body()

    async def gone():
        return {"type": "http.disconnect"}

    async def send(message):
        raise AssertionError("nobody is there")

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": [(b"content-length", b"5")]}
    asyncio.run(Guard(leave, limits=WebLimits(), metrics=metrics)(scope, gone, send))
    assert 'status="499"' in metrics.render()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


class TestRates:
    def test_a_burst_and_then_the_rate(self):
        now = [0.0]
        rates = Rates(10.0, 3, clock=lambda: now[0])
        for _ in range(3):
            rates.check("a")
        for _ in range(5):
            with pytest.raises(TooManyRequests):
                rates.check("a")
        rates.check("b")
        now[0] += 0.1
        rates.check("a")
        with pytest.raises(TooManyRequests):
            rates.check("a")
        now[0] += 100
        for _ in range(3):
            rates.check("a")
        with pytest.raises(TooManyRequests):
            rates.check("a")

    def test_no_rate(self):
        rates = Rates(0, 1)
        for _ in range(10):
            rates.check("a")

    def test_memory_is_bounded(self):
        rates = Rates(1.0, 1)
        for number in range(30_000):
            rates.check(str(number))
        assert len(rates._left) == 10_000

    def test_the_answer_says_when(self):
        metrics = Metrics()
        limits = {"rate": 1.0, "burst": 1}
        guard = Guard(echo, limits=WebLimits(**limits), metrics=metrics)
        statuses = []

        async def ask():
            async def send(message):
                if message["type"] == "http.response.start":
                    statuses.append((message["status"], dict(message["headers"]).get(b"retry-after")))

            async def receive():
                return {"type": "http.request", "body": b""}

            scope = {
                "type": "http",
                "method": "GET",
                "path": "/",
                "query_string": b"",
                "headers": [],
                "client": ("a", 1),
            }
            await guard(scope, receive, send)

        asyncio.run(ask())
        asyncio.run(ask())
        assert [status for status, _ in statuses] == [200, 429]
        assert statuses[1][1]
