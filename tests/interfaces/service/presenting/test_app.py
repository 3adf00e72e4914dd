"""The presenting registry over HTTP, in the process: what is sent, and that nobody waits for others."""

import asyncio
import time
from contextlib import asynccontextmanager

import httpx
import pytest

from rafsight import Options, Presenter
from rafsight.interfaces.service.presenting.app import build_presenting_app
from rafsight.testing.registry import PLANTED, Mischief, serve_layout
from rafsight.verbs.present.answers import Answer


@asynccontextmanager
async def client_of(presenter, **more):
    app = build_presenting_app(presenter, **more)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def presenter(tmp_path):
    with serve_layout(PLANTED) as registry:
        made = Presenter(registry.host, content="trivy", options=Options(cache_dir=tmp_path))
        yield made
        made.close()


def test_answers_go_out_as_they_are(presenter):
    async def ask():
        async with client_of(presenter) as client:
            manifest = await client.get("/v2/app/manifests/v6")
            assert manifest.status_code == 200
            layer = manifest.json()["layers"][0]
            blob = await client.get(f"/v2/app/blobs/{layer['digest']}", headers={"Range": "bytes=10-19"})
            assert (blob.status_code, len(blob.content)) == (206, 10)
            head = await client.head(f"/v2/app/blobs/{layer['digest']}")
            assert (head.status_code, head.headers["content-length"]) == (200, str(layer["size"]))
            assert head.content == b""
            lists = await client.get("/v2/app/tags/list?n=1")
            assert lists.json()["tags"] == ["v5"]
            refused = await client.put("/v2/app/manifests/v6", content=b"{}")
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
            traversal = await client.get("/v2/%2e%2e/manifests/v6")
            assert traversal.status_code == 400
            said = (await client.get("/rafsight/stats")).json()
            assert said["images_made"] == 1
            assert said["bytes_served"] > said["requests"] == 6
            assert (await client.get("/")).status_code == 200
            assert (await client.get("/other")).status_code == 404

    asyncio.run(ask())


def test_mounted_in_another_application(presenter):
    from starlette.applications import Starlette
    from starlette.routing import Mount

    async def ask():
        app = Starlette(routes=[Mount("/v2", app=build_presenting_app(presenter))])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
            assert (await client.get("/v2/")).status_code == 200
            assert (await client.get("/v2/app/manifests/v6")).json()["layers"]

    asyncio.run(ask())


def test_who_waits_for_the_registry_keeps_nobody_waiting(tmp_path):
    hang = Mischief(only="/manifests/", hang=60.0)
    with serve_layout(PLANTED, mischief=[hang]) as registry:
        presenter = Presenter(registry.host, options=Options(cache_dir=tmp_path, timeout=60))

        async def ask():
            async with client_of(presenter) as client:
                waiting = [asyncio.create_task(client.get("/v2/app/manifests/v6")) for _ in range(20)]
                assert await asyncio.to_thread(registry.wait_for_hang)
                began = time.monotonic()
                assert (await client.get("/v2/app/tags/list")).status_code == 200
                assert (await client.get("/rafsight/stats")).status_code == 200
                assert time.monotonic() - began < 30
                assert not any(task.done() for task in waiting)
                registry._server.closing.set()  # ends the hanging
                assert {task.status_code for task in await asyncio.gather(*waiting)} == {200}

        asyncio.run(ask())
        presenter.close()


class _Body:
    def __init__(self, pieces):
        self._pieces = pieces
        self.taken = 0
        self.closed = 0

    def pieces(self):
        for piece in self._pieces:
            self.taken += 1
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def close(self):
        self.closed += 1


class _Told:
    """A presenter that gives one answer."""

    def __init__(self, body):
        self.body = body

    def answer(self, method, path, query, headers):
        return Answer(status=200, headers=(("Content-Type", "x/y"),), body=self.body)


def run(body, receive=None, headers=()):
    sent = []

    async def wait():
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v2/x",
        "query_string": b"",
        "headers": list(headers),
    }
    app = build_presenting_app(_Told(body), only_addresses=bool(headers))
    asyncio.run(app(scope, receive or wait, send))
    return sent


def test_a_client_that_goes_away_leaves_nothing_open():
    async def gone():
        await asyncio.sleep(0.05)
        return {"type": "http.disconnect"}

    def endless():
        while True:
            time.sleep(0.005)
            yield b"x"

    body = _Body(endless())
    sent = run(body, gone)
    assert body.closed == 1
    assert all(message.get("more_body", True) for message in sent)


def test_a_body_that_breaks_off_is_not_ended():
    body = _Body([b"one", OSError("gone"), b"two"])
    sent = run(body)
    assert [message.get("body") for message in sent] == [None, b"one"]
    assert sent[-1]["more_body"] is True
    assert body.closed == 1


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"127.0.0.1:5080", 200),
        (b"localhost", 200),
        (b"[::1]:5080", 200),
        (b"evil.example", 421),
        (b"127.0.0.1.evil.example:5080", 421),
        (b"", 421),
    ],
)
def test_by_address_only_where_own_logins_are_used(host, status):
    """A page in a browser on this machine may have a name that leads here, and would read what its user may see."""
    assert run(_Body([b"x"]), headers=[(b"host", host)])[0]["status"] == status
