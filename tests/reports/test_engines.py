"""The list of foreign engines, for people and for programs."""

import json
from dataclasses import replace

import pytest
from rich.cells import cell_len
from tests.reports import samples

from rafsight.reports.engines import FoundEngine, render_engines, render_engines_json

USABLE = FoundEngine(
    name="syft",
    path="/usr/bin/syft",
    version="1.18.1",
    usable=True,
    problem="",
    remedy="",
    covers="Packages.",
    needs="nothing",
    oldest="1.0.0",
    views=("archive", "mount"),
)
MISSING = replace(
    USABLE,
    name="osv-scanner",
    path="",
    version="",
    usable=False,
    problem="it is not installed",
    remedy="Install it.",
    views=("archive",),
)


def render(*engines, width=80, colour=False, unicode=True):
    return render_engines(engines, width=width, colour=colour, unicode=unicode)


def test_looks():
    assert render(USABLE, MISSING).splitlines() == [
        "syft 1.18.1  usable",
        "  Program  /usr/bin/syft",
        "  Covers   Packages.",
        "  Needs    nothing",
        "  Views    archive, mount",
        "  Oldest   1.0.0",
        "",
        "osv-scanner  not usable",
        "  Problem  it is not installed",
        "  Remedy   Install it.",
        "  Covers   Packages.",
        "  Needs    nothing",
        "  Views    archive",
        "  Oldest   1.0.0",
    ]


def test_colours_only_where_they_are_wanted():
    assert "\x1b[" in render(USABLE, MISSING, colour=True)
    assert "\x1b[" not in render(USABLE, MISSING)


@pytest.mark.parametrize("width", [0, 40, 60, 80, 200])
def test_hostile_words_stay_in_their_column(width):
    hostile = replace(
        MISSING,
        path=samples.ESCAPES,
        version=samples.ESCAPES,
        problem=samples.ESCAPES * 20,
        remedy="long " * 100,
        covers="word" * 100,
    )
    text = render(hostile, width=width, unicode=False)
    assert text.isascii()
    assert all(character.isprintable() or character == "\n" for character in text)
    title, *rest = text.splitlines()
    assert title.endswith("not usable")
    assert all(cell_len(line) <= max(width, 40) for line in rest)


def test_for_programs():
    document = json.loads(render_engines_json((USABLE, MISSING)))
    assert [one["name"] for one in document["engines"]] == ["syft", "osv-scanner"]
    assert document["engines"][0] == {
        "name": "syft",
        "path": "/usr/bin/syft",
        "version": "1.18.1",
        "usable": True,
        "problem": "",
        "remedy": "",
        "covers": "Packages.",
        "needs": "nothing",
        "oldest": "1.0.0",
        "views": ["archive", "mount"],
    }
    assert render_engines_json(()).isascii()
    assert json.loads(render_engines_json(())) == {"engines": []}


def test_paths_that_are_no_text_survive_as_json():
    odd = replace(USABLE, path="/bin/\udcff\x1b")
    text = render_engines_json((odd,))
    assert text.isascii()
    assert json.loads(text)["engines"][0]["path"] == odd.path
