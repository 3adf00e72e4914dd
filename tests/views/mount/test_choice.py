"""Which engine serves an image."""

import os
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest

from rafsight.base.errors import HostLimit
from rafsight.interfaces.cli.view import ENGINES
from rafsight.views.mount.choice import NAMES, engines_for, mount_first
from rafsight.views.mount.engine import EngineUnfit, Served


class Fake:
    def __init__(self, name, did, *, error=None):
        self.name, self._did, self._error = name, did, error

    @contextmanager
    def mount(self, plan):
        self._did.append(f"try {self.name}")
        if self._error is not None:
            raise self._error
        yield Served(engine=self.name, how="", count_files=None)
        self._did.append(f"end {self.name}")


def unfit(name):
    return EngineUnfit(engine=name, why="it is a test")


def test_the_command_line_knows_the_names():
    assert ENGINES == NAMES
    for name in NAMES:
        engines = engines_for(name)
        assert [engine.name for engine in engines] == (["erofs", "fuse"] if name == "auto" else [name])


def test_an_unknown_name_is_said_before_anything_is_done():
    with pytest.raises(ValueError, match="no engine is called 'ntfs'; there are auto, erofs"):
        engines_for("ntfs")


def test_the_first_that_can_is_taken_and_those_before_are_said():
    did, said = [], []
    engines = (Fake("one", did, error=unfit("one")), Fake("two", did), Fake("three", did))
    with ExitStack() as stack:
        assert mount_first(engines, SimpleNamespace(listener=said.append), stack).engine == "two"
        assert did == ["try one", "try two"]
    assert did[-1] == "end two"
    wanted = ["not the engine one: the engine one cannot serve this image here: it is a test"]
    assert [event.message for event in said] == (wanted if os.geteuid() == 0 else [])


def test_the_last_ones_refusal_is_the_answer():
    engines = (Fake("one", [], error=unfit("one")), Fake("two", [], error=unfit("two")))
    with ExitStack() as stack, pytest.raises(HostLimit, match="engine two"):
        mount_first(engines, SimpleNamespace(listener=[].append), stack)


def test_an_error_that_no_other_engine_mends_is_the_answer():
    did = []
    engines = (Fake("one", did, error=KeyError("x")), Fake("two", did))
    with ExitStack() as stack, pytest.raises(KeyError):
        mount_first(engines, SimpleNamespace(listener=[].append), stack)
    assert did == ["try one"]
