"""Hunts through the service: real processes, real answers, and their ends."""

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from rafsight.base.errors import Defect
from rafsight.interfaces.service.jobs.model import Paging
from rafsight.interfaces.service.web.api_hunts import HuntAnswer, HuntWish, task_of
from rafsight.interfaces.service.web.faults import TooBusy
from rafsight.interfaces.service.web.hunt_process import HuntTask
from rafsight.interfaces.service.web.hunting import begin_hunt
from rafsight.interfaces.service.web.settings import RegistrySettings, WebLimits
from rafsight.testing.registry import PLANTED, Mischief, serve_layout

LOCAL = RegistrySettings(allow=("127.0.0.1",))
QUESTION = {"paths": ["/usr/lib/**/METADATA"]}


def lines(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_named_images_are_asked(open_door):
    door = open_door(registries=LOCAL)
    with serve_layout(PLANTED) as registry:
        body = {"references": [registry.reference("v6"), registry.reference("v5")], **QUESTION}
        *images, summary = lines(door.post("/v1/hunts", body))
    assert [one["type"] for one in images] == ["image", "image"]
    assert all(len(one["files"]) == 5 for one in images)
    assert (summary["type"], summary["images"], summary["matches"]) == ("summary", 2, 2)


def test_known_images_are_asked_for_packages(open_door):
    door = open_door(registries=LOCAL)
    with serve_layout(PLANTED) as registry:
        for tag in ("v6", "v5"):
            door.post("/v1/scans", {"reference": registry.reference(tag)})
            claim = door.work()
            assert claim is not None
        body = {"known": True, "search": ":v6", "package": "pkg:pypi/requests", "version": "<2.20"}
        found = lines(door.post("/v1/hunts", body))
    assert found[-1]["type"] == "summary"


def test_an_image_that_is_not_there_is_told(open_door):
    door = open_door(registries=LOCAL)
    with serve_layout(PLANTED) as registry:
        body = {"references": [registry.reference("v9"), registry.reference("v6")], **QUESTION}
        kinds = [one["type"] for one in lines(door.post("/v1/hunts", body))]
    assert kinds == ["image", "failure", "summary"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({**QUESTION}, "unusable-field"),
        ({"known": True, **QUESTION}, "unusable-field"),
        ({"references": ["oci:/etc:v1"], **QUESTION}, "malformed-name"),
        ({"references": ["boot:/etc/passwd"], **QUESTION}, "malformed-name"),
        ({"references": ["169.254.169.254/a:v1"], **QUESTION}, "registry-refused"),
        ({"registry": "10.0.0.1", **QUESTION}, "registry-refused"),
        ({"registry": "a b", **QUESTION}, "malformed-name"),
        ({"references": ["127.0.0.1:1/a:v1"]}, "question-refused"),
        ({"references": ["127.0.0.1:1/a:v1"], "content": "("}, "question-refused"),
        ({"references": ["127.0.0.1:1/a:v1"], "size": "much"}, "question-refused"),
        ({"references": ["127.0.0.1:1/a:v1"], "yara": "no rule"}, "question-refused"),
    ],
)
def test_questions_that_are_none(open_door, body, code):
    answer = open_door(registries=LOCAL).post("/v1/hunts", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)


def test_registries_are_reached_as_the_settings_say(open_door):
    door = open_door(registries=RegistrySettings(allow=("127.0.0.1", "127.0.0.2"), plain_http=("127.0.0.1:*",)))
    door.post("/v1/scans", {"reference": "127.0.0.1:5000/app:v1"})
    assert door.store.jobs(Paging()).items[0].plain_http is True
    wish = HuntWish(references=("127.0.0.1:5000/app:v1", "127.0.0.2:5000/app:v1"), paths=("/x",))
    assert door.run(task_of(door.service, wish)).plain_hosts == ("127.0.0.1:5000",)


def test_no_hunts_at_all(open_door):
    door = open_door(registries=LOCAL, limits=WebLimits(hunts=0))
    answer = door.post("/v1/hunts", {"references": ["127.0.0.1:1/a:v1"], **QUESTION})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "service-busy")


def children():
    """Hunting processes that this one started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (process / "stat").read_bytes().rpartition(b")")[2].split()[1]
            if int(parent) == os.getpid() and b"hunt_process" in (process / "cmdline").read_bytes():
                found.append(process.name)
    return found


def test_a_client_that_goes_away_ends_the_hunt_and_makes_room(open_door):
    door = open_door(registries=LOCAL, limits=WebLimits(hunts=1))

    async def go_away(reference):
        task = await task_of(door.service, HuntWish(references=(reference,), paths=("/usr/**",)))
        answer = HuntAnswer(await begin_hunt(door.service, task))
        assert children()
        with pytest.raises(TooBusy):
            await begin_hunt(door.service, task)
        sent = []

        async def receive():
            await asyncio.sleep(0.1)
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        await answer({"type": "http"}, receive, send)
        assert [message["type"] for message in sent] == ["http.response.start"]
        await (await begin_hunt(door.service, task)).aclose()  # nobody even began to read

        async def fail(message):
            raise OSError("gone")

        with pytest.raises(BaseExceptionGroup):
            await HuntAnswer(await begin_hunt(door.service, task))({"type": "http"}, receive, fail)

    with serve_layout(PLANTED, mischief=[Mischief(only="/manifests/", hang=30.0)]) as registry:
        door.run(go_away(registry.reference("v6")))
    assert children() == []


def test_a_hunt_that_takes_too_long_is_ended(open_door):
    door = open_door(registries=LOCAL, limits=WebLimits(hunt_time=0.5))
    with serve_layout(PLANTED, mischief=[Mischief(only="/manifests/", hang=30.0)]) as registry:
        began = time.monotonic()
        found = lines(door.post("/v1/hunts", {"references": [registry.reference("v6")], **QUESTION}))
    assert found[-1]["code"] == "hunt-too-long"
    assert time.monotonic() - began < 25
    assert children() == []


def test_a_hunt_that_nobody_reads_ends_all_the_same(open_door):
    door = open_door(registries=LOCAL, limits=WebLimits(hunts=1, hunt_time=0.3))

    async def forget(reference):
        task = await task_of(door.service, HuntWish(references=(reference,), paths=("/usr/**",)))
        kept = await begin_hunt(door.service, task)
        until = time.monotonic() + 25
        while door.service.threads.hunts.borrowed_tokens:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        return kept

    with serve_layout(PLANTED, mischief=[Mischief(only="/manifests/", hang=30.0)]) as registry:
        door.run(forget(registry.reference("v6")))
    assert children() == []


def test_what_nobody_foresaw_is_in_the_log_and_nowhere_else(open_door):
    task = HuntTask(references=["127.0.0.1:1/a:v1"], question={"no_such_argument": 1}, request="r1")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "rafsight.interfaces.service.web.hunt_process"],
        input=msgspec.json.encode(task),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    line = json.loads(done.stderr)
    assert line["request"] == "r1"
    assert "no_such_argument" in line["trace"]
    door = open_door(registries=LOCAL)
    with pytest.raises(Defect, match="ended before it began"):
        door.run(begin_hunt(door.service, task))
    assert door.service.threads.hunts.borrowed_tokens == 0
