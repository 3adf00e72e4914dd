import io
import json
import logging
import subprocess
import sys

import pytest

from rafsight.interfaces.service.web.logs import LOGGER, REQUEST, JsonLines, complain, say


@pytest.fixture
def lines():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    level = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    assert stream.getvalue().isascii()
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(level)


def test_a_line(lines):
    token = REQUEST.set("abc")
    say("answered", status=200, ms=1.5, paths=["a", "b"], nothing=None, is_it=True)
    REQUEST.reset(token)
    (line,) = lines()
    assert line["time"].endswith("Z")
    assert (line["level"], line["message"], line["request"]) == ("info", "answered", "abc")
    assert (line["status"], line["ms"], line["paths"], line["nothing"], line["is_it"]) == (
        200,
        1.5,
        ["a", "b"],
        None,
        True,
    )


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31mred", "a\x00b\x7f", "\u202eevil", '{"level": "x"}', "\ud800"])
def test_no_text_of_a_stranger_can_forge_a_line(lines, text):
    say("image", name=text)
    (line,) = lines()
    assert all(character.isprintable() for character in line["name"])
    assert line["level"] == "info"


def test_fields_cannot_take_the_place_of_others(lines):
    say("image", time="never", message_="x", level=logging.WARNING, logger="other")
    (line,) = lines()
    assert line["time"] != "never"
    assert line["logger"] == "rafsight.service"


def test_numbers_that_json_does_not_have(lines):
    say("odd", ms=float("nan"), other=float("inf"))
    assert [lines()[0][name] for name in ("ms", "other")] == [None, None]


def test_long_values_are_cut(lines):
    say("long", name="x" * 10_000)
    assert len(lines()[0]["name"]) == 2000


def test_an_exception_has_its_place(lines):
    try:
        int("what\nit was")
    except ValueError as error:
        complain("it failed", error, code="x")
    (line,) = lines()
    assert line["level"] == "error"
    assert "test_logs.py" in line["trace"]
    assert "\n" not in line["trace"]


def test_what_python_writes_by_itself_is_a_line_too():
    code = (
        "import threading, warnings; from rafsight.interfaces.service.web.logs import catch_strays, configure\n"
        "configure(); catch_strays(); warnings.warn('look out', stacklevel=1)\n"
        "thread = threading.Thread(target=lambda: 1 / 0, name='of-ours'); thread.start(); thread.join()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    warned, ended = [json.loads(line) for line in done.stderr.splitlines()]
    assert "look out" in warned["message"]
    assert (ended["thread"], "ZeroDivisionError" in ended["trace"]) == ("of-ours", True)
