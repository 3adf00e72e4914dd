import re

import pytest
from tests.reports import samples
from tests.reports.every_report import REPORTS, TERMS
from tests.reports.golden_text import expect

from rafsight.reports.formats import render
from rafsight.reports.markdown import _safe
from rafsight.reports.terms import Terms


def test_looks_as_recorded():
    expect("scan.md", render(samples.FULL, "markdown", TERMS))


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_tables_keep_their_shape(report):
    columns = 0
    for line in render(report, "markdown", TERMS).splitlines():
        if not line.startswith("|"):
            columns = 0
            continue
        count = len(re.findall(r"(?<!\\)\|", line))
        assert columns in (0, count), line
        columns = count


def test_foreign_text_is_no_markup():
    text = render(samples.hostile_everywhere(), "markdown", TERMS)
    ours = re.sub(
        r"\]\(https?://[^\s()]*\)|<br>|^#+ |^> |^- |\*\*[\w ]+\*\*|\[|^\|.*---.*\|$", "", text, flags=re.MULTILINE
    )
    ours = re.sub(r"&#\d+;", "", ours)
    assert not re.search(r"[`*\[\]<>@#~]|www\.|://", ours), ours
    assert "](javascript" not in text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("libc6_2.36-9+deb12u8", "libc6_2.36-9+deb12u8"),
        ("@all", "&#64;all"),
        ("a|b", "a&#124;b"),
        ("http://x.example", "http&#58;//x.example"),
        ("www.x.example", "&#119;ww.x.example"),
        ("<b>", "&#60;b&#62;"),
        ("- item", "&#45; item"),
        ("one\ntwo", "one two"),
        ("*_`", "&#42;&#95;&#96;"),
    ],
)
def test_what_is_escaped(text, safe):
    assert _safe(text) == safe


def test_suppressed_findings_are_counted_or_listed():
    text = render(samples.FULL, "markdown", Terms(created="2026-11-23T22:50:00Z"))
    assert "## Suppressed" not in text
    assert "4 more are suppressed by" in text
