"""Hunts from a page: real ones, what a page refuses, and that answers leave one by one."""

import asyncio
import base64
import json

import pytest
from starlette.requests import ClientDisconnect
from tests.interfaces.service.pages.serving import Reader
from tests.interfaces.service.pages.stories import LONG
from tests.reports import samples

from rafsight.interfaces.service.pages.hunts import MOST_IMAGES, GrowingPage
from rafsight.interfaces.service.pages.rendering import Renderer
from rafsight.interfaces.service.pages.visits import Visit
from rafsight.interfaces.service.web.settings import RegistrySettings
from rafsight.interfaces.service.web.tokens import Identity
from rafsight.testing.registry import PLANTED, serve_layout

PACKAGE = {"images": "named", "package": "pkg:pypi/requests", "version": "<2.20"}


@pytest.fixture(scope="module")
def registry():
    with serve_layout(PLANTED, repository="team/app") as served:
        yield served


@pytest.fixture
def visitor(visit, empty, registry):
    return visit(empty, registries=RegistrySettings(allow=(registry.host,)))


def test_named_images_are_asked_for_a_package(visitor, registry):
    references = f"{registry.reference('v6')}\r\n\r\n {registry.reference('nope')} "
    answer = visitor.send("/hunt", PACKAGE | {"references": references})
    assert answer.status_code == 200
    words = Reader(answer.text).words
    assert f"{registry.reference('v6')} requests 2.19.1" in words
    assert f"{registry.reference('nope')} could not be asked" in words
    assert "Done. 1 image answered, 1 of them with what was looked for." in words
    assert words.index("Done.") > words.index("could not be asked")


def test_known_images_are_asked_for_a_file(visitor, empty, registry):
    for repository, tag in (("team/app", "v6"), ("team/other", "v6")):
        empty.scan(repository, samples.CLEAN, tag=tag, registry=registry.host)
    fields = {"images": "known", "search": "team/app", "paths": "/etc/os-*\r\n/etc/nothing"}
    answer = visitor.send("/hunt", fields)
    words = Reader(answer.text).words
    assert "known ones with \u201cteam/app\u201d in their names" in words
    assert "team/other" not in words
    assert "Done." in words


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        (PACKAGE, 422, "no image is named"),
        (PACKAGE | {"references": "evil.example/a:b"}, 422, "is not one that this service talks to"),
        (PACKAGE | {"references": "<b>"}, 422, "this is no"),
        (PACKAGE | {"references": "127.0.0.1:1/a:b\n" * (MOST_IMAGES + 1)}, 422, f"asks {MOST_IMAGES} at most"),
        (PACKAGE | {"images": "known", "search": "nothing-like-it"}, 422, "the service knows no such image"),
        ({"images": "named", "references": "{v6}"}, 422, "nothing is asked"),
        (PACKAGE | {"references": "{v6}", "version": "?"}, 422, "?"),
        ({"images": "named", "references": "{v6}", "sha256": "x"}, 422, "x"),
        ({"images": "named", "references": "{v6}", "paths": "x" * 2000}, 400, "the request is not usable"),
    ],
)
def test_what_a_page_does_not_ask_stays_in_the_form(visitor, registry, fields, status, words):
    fields = {name: value.replace("{v6}", registry.reference("v6")) for name, value in fields.items()}
    answer = visitor.send("/hunt", fields)
    assert answer.status_code == status, answer.text
    page = Reader(answer.text)
    assert words in page.words or words in answer.text
    if status == 422:
        assert next(one for one in page.all("input") if one["name"] == "package")["value"] == fields.get("package", "")


def visit_of():
    return Visit(
        service=None,
        request=None,
        identity=Identity(name="anonymous", scopes=frozenset(("hunt",))),
        place="hunt",
        form={},
        renderer=Renderer(""),
        form_key="x",
    )


class Lines:
    """Lines that are there, and then none for a long time, if they shall hang."""

    def __init__(self, *lines, hang=False):
        self.waiting = [json.dumps(line).encode() for line in lines]
        self.hang = hang
        self.is_closed = False

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.waiting:
            return self.waiting.pop(0)
        if self.hang:
            await asyncio.sleep(60)
        raise StopAsyncIteration

    async def aclose(self):
        self.is_closed = True


class Browser:
    """The other end of an answer; goes away after some parts."""

    def __init__(self, patience=10**6):
        self.patience = patience
        self.parts = []
        self.gone = asyncio.Event()

    async def receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if message.get("body"):
            self.parts.append(message["body"].decode())
        if len(self.parts) >= self.patience:
            self.gone.set()
            await asyncio.sleep(0)


async def show(lines, browser, *, seconds=30.0):
    page = GrowingPage(visit_of(), lines, "HEAD<!-- answers -->TAIL", seconds=seconds)
    await page({"type": "http", "asgi": {"spec_version": "2.3"}}, browser.receive, browser.send)


def image(**more):
    return {"type": "image", "digest": "sha256:x", "names": ["a/b:c"], "files": [], "packages": [], "unseen": []} | more


SUMMARY = {
    "type": "summary",
    "images": 1,
    "matches": 0,
    "unseen": 0,
    "requests": 2,
    "bytes_fetched": 3,
    "seconds": 1.25,
}


def test_each_answer_leaves_when_it_is_there_and_the_hunt_ends_with_the_visit():
    async def story():
        lines, browser = Lines(image(), image(names=["d/e:f"]), hang=True), Browser(patience=3)
        async with asyncio.timeout(10):
            await show(lines, browser)
        assert browser.parts[0] == "HEAD"
        assert "a/b:c" in browser.parts[1]
        assert "d/e:f" in browser.parts[2]
        assert len(browser.parts) == 3
        assert lines.is_closed

    asyncio.run(story())


def test_a_hunt_ends_that_nobody_began_to_look_at():
    async def story():
        lines = Lines(image(), hang=True)

        async def broken(message):
            raise OSError

        with pytest.raises(ClientDisconnect):
            await GrowingPage(visit_of(), lines, "<!-- answers -->")(
                {"type": "http", "asgi": {"spec_version": "2.4"}}, Browser().receive, broken
            )
        assert lines.is_closed

    asyncio.run(story())


def all_pieces(*lines, seconds=30.0, hang=False):
    async def story():
        source, browser = Lines(*lines, hang=hang), Browser()
        await show(source, browser, seconds=seconds)
        assert source.is_closed
        return browser.parts

    return asyncio.run(story())


def test_a_hunt_that_takes_too_long_says_so():
    got = all_pieces(image(), seconds=0.05, hang=True)
    assert "Not done." in got[-2]
    assert got[-1] == "TAIL"


def test_a_hunt_that_ends_without_its_end_says_so():
    assert "Not done." in all_pieces(image())[-2]
    assert "Not done." not in "".join(all_pieces(image(), SUMMARY))
    ended = all_pieces({"type": "error", "code": "hunt-ended", "message": "the hunt ended <b>"})
    assert "the hunt ended &lt;b&gt;" in ended[1]
    assert len(ended) == 3


def test_nothing_looked_at_is_never_nothing_found():
    got = "".join(all_pieces(image(), image(unseen=[{"subject": "/x", "why": "too large"}]), SUMMARY))
    words = Reader(f"<ol>{got.removeprefix('HEAD').removesuffix('TAIL')}</ol>").words
    assert "a/b:c nothing a/b:c nothing in what was looked at" in words
    assert "Not looked at: /x (too large)" in words


def test_hostile_answers_are_shown_not_obeyed():
    hostile = samples.MARKUP + samples.ESCAPES
    dirty = {"path": "?", "path_b64": base64.b64encode(b"/a\xff<b>").decode()}
    file = {"type": "l", "size": 1, "mode": "0777", "uid": 0, "gid": 0, "mtime": 0, **dirty, "target": hostile}
    file["evidence"] = [{"kind": "content", "text": hostile}]
    package = {
        "purl": hostile,
        "name": hostile + LONG,
        "version": hostile,
        "locations": [dirty],
        "advisories": [hostile],
    }
    found = image(names=[hostile, hostile], files=[file] * 60, packages=[package] * 60)
    got = "".join(all_pieces(found, {"type": "failure", "names": [], "code": "x", "message": hostile}, SUMMARY))
    assert "<script" not in got
    assert "<img" not in got
    assert "\u202e" not in got
    assert "\x1b" not in got
    assert "/a\\xff&lt;b&gt;" in got
    assert "and 10 more files" in got
    assert "and 10 more packages" in got
    assert "x" * 1000 not in got
