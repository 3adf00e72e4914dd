import json
from dataclasses import replace

import pytest
from rich.cells import cell_len
from tests.reports import samples
from tests.reports.golden_text import expect

from rafsight.matching.schema import SourceFacts
from rafsight.matching.store import Coverage, DatabaseStatus
from rafsight.reports.database import render_status, render_status_json


def source(name, count, location, **more):
    return SourceFacts(
        kind="dump",
        name=name,
        location=location,
        sha256="0" * 64,
        imported="2026-11-23T08:00:00Z",
        newest="2026-08-21T12:34:56Z",
        record_count=count,
        **more,
    )


STATUS = DatabaseStatus(
    path="/var/lib/rafsight/advisories.sqlite",
    size=34_567_890,
    built="2026-11-23T08:00:00Z",
    newest_record="2026-08-21T12:34:56Z",
    record_count=16_809,
    exploited_count=1500,
    likelihood_count=0,
    digest="sha256:" + "f" * 64,
    sources=(
        source("Debian", 7814, "https://osv-vulnerabilities.storage.googleapis.com/Debian/all.zip", withdrawn_count=3),
        source("PyPI", 7258, "/srv/advisories/PyPI/all.zip", malformed_count=1),
        source("npm", 1737, "/srv/advisories/npm/all.zip"),
    ),
    coverage=(Coverage(base="Debian", release="12", record_count=3506),),
)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_looks_as_recorded(width):
    expect(f"database-{width}.txt", render_status(STATUS, width=width, colour=False, unicode=True))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_hostile_places_stay_in_their_column(width):
    hostile = replace(STATUS, sources=(source(samples.ESCAPES, 1, samples.ESCAPES * 10),), path=samples.ESCAPES)
    text = render_status(hostile, width=width, colour=False, unicode=False)
    assert text.isascii()
    assert all(character.isprintable() or character == "\n" for character in text)
    assert all(cell_len(line) <= width for line in text.splitlines())


def test_an_empty_database_has_no_table():
    empty = replace(STATUS, sources=(), newest_record="", record_count=0)
    text = render_status(empty, width=80, colour=False, unicode=True)
    assert "0, newest of an unknown day" in text
    assert "Source" not in text


def test_json_has_every_field():
    document = json.loads(render_status_json(STATUS))
    assert document["record_count"] == 16_809
    assert document["sources"][0]["withdrawn_count"] == 3
    assert document["coverage"] == [{"base": "Debian", "release": "12", "record_count": 3506}]


def test_scores_are_told_with_their_date():
    epss = replace(source("first", 290_000, "epss.csv.gz"), kind="epss", newest="2026-11-22T12:55:00Z")
    status = replace(STATUS, likelihood_count=290_000, sources=(*STATUS.sources, epss))
    text = render_status(status, width=120, colour=False, unicode=True)
    assert "Likely    290,000 probabilities of exploitation (EPSS), of 2026-11-22\n" in text
    assert json.loads(render_status_json(status))["likelihood_count"] == 290_000
