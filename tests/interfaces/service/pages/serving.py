"""The pages without a network, and on a port of this machine."""

import asyncio
import re
import socket
import threading
from contextlib import contextmanager
from html.parser import HTMLParser

import httpx
import uvicorn
from tests.interfaces.service.web.doors import ADDRESS, IdleCrew, settings_for

from rafsight.interfaces.service.pages.routes import routes
from rafsight.interfaces.service.web.app import build_app, make_service
from rafsight.interfaces.service.web.tokens import new_token, token_digest
from rafsight.interfaces.service.workers.lending import Lending

VOID = frozenset(("img", "input", "link", "meta", "br"))
FORM_FIELD = re.compile(r'name="form-token" value="([0-9a-f]{64})"')


class Visitor:
    """The service with its pages, and somebody who looks at them, with cookies."""

    def __init__(self, settings, store, *, address=ADDRESS):
        self.crew = IdleCrew()
        self.service = make_service(settings, store, crew=self.crew, lending=Lending(), replica="replica-1")
        self.app = build_app(self.service, pages=routes(self.service))
        self.store = store
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=address)

    def close(self):
        self._runner.run(self._client.aclose())
        self._runner.close()

    @property
    def cookies(self):
        return self._client.cookies

    def run(self, awaitable):
        return self._runner.run(awaitable)

    def get(self, path, **more):
        return self._runner.run(self._client.get(path, **more))

    def send(self, path, fields, *, page=None, **more):
        """Send a form as a browser does, from the page that has it."""
        shown = self.get(page or path)
        token = FORM_FIELD.search(shown.text)
        pairs = [("form-token", token[1] if token else "")]
        for name, value in fields.items():
            pairs += [(name, one) for one in (value if isinstance(value, list) else [value])]
        return self.post(path, pairs, **more)

    def post(self, path, pairs, **more):
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | more.pop("headers", {})
        content = str(httpx.QueryParams(pairs)).encode()
        return self._runner.run(self._client.post(path, content=content, headers=headers, **more))

    def log_in(self, *scopes):
        """Make a token, and log in with it."""
        token = make_token(self.store, *scopes)
        answer = self.send("/login", {"token": token, "next": "/"})
        assert answer.status_code == 303
        return token


def make_token(store, *scopes, expires=None):
    token = new_token()
    store.add_token(token_digest(token), name="a person", scopes=scopes, expires=expires)
    return token


@contextmanager
def serving(folder, store, **settings):
    """Serve the pages; yields their address, which ends without a slash."""
    listener = socket.create_server(("127.0.0.1", 0))
    ready, kept = threading.Event(), []

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets=sockets)
            ready.set()

    async def serve():
        service = make_service(
            settings_for(folder, **settings), store, crew=IdleCrew(), lending=Lending(), replica="replica-1"
        )
        app = build_app(service, pages=routes(service))
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=2)
        kept.append(Server(config))
        await kept[0].serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(60)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        kept[0].should_exit = True
        thread.join()
        listener.close()


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), (tag, names)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self):
        return " ".join(self.text.split())
