"""The reports that each format is tried with, and what checks a document takes to be sound."""

import json
from dataclasses import replace

from tests.reports import samples

from rafsight.reports.formats import render
from rafsight.reports.terms import Terms

CREATED = "2026-11-23T22:50:00Z"
TERMS = Terms(created=CREATED, show_suppressed=True)
EMPTY = replace(
    samples.CLEAN, inventory=replace(samples.CLEAN.inventory, distribution=None, components=()), database=None
)
REPORTS = {
    "full": samples.FULL,
    "planted": samples.PLANTED,
    "clean": samples.CLEAN,
    "gaps": samples.CLEAN_WITH_GAPS,
    "no-database": samples.WITHOUT_DATABASE,
    "empty": EMPTY,
    "hostile": samples.hostile(),
    "hostile-everywhere": samples.hostile_everywhere(),
}


def document(report, name, terms=TERMS):
    """Render as JSON and read it."""
    text = render(report, name, terms)
    assert text.isascii()
    return json.loads(text)
