import hashlib
import re
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from tests.reports import samples
from tests.reports.every_report import REPORTS, TERMS

from rafsight.reports.formats import render
from rafsight.reports.page.document import _asset
from rafsight.reports.terms import Terms

VOID = {"br", "col", "input", "link", "meta"}


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed in order, and what stands in style and script is kept."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.scripts, self.styles, self.text = [], [], [], [], []
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
        assert self.open.pop() == tag

    def handle_data(self, data):
        kept = {"script": self.scripts, "style": self.styles}.get(self.open[-1] if self.open else "", self.text)
        kept.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page(report=samples.FULL, terms=TERMS):
    return Reader(render(report, "html", terms))


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_nothing_foreign_becomes_markup(report):
    read = page(report, Terms(created=TERMS.created, list_all=True))
    assert (len(read.scripts), len(read.styles)) == (1, 1)
    assert (read.scripts[0], read.styles[0]) == (_asset("page.js"), _asset("page.css"))
    for tag, attributes in read.elements:
        assert tag not in ("img", "iframe", "object", "embed", "base", "link", "audio", "video", "b>", "use", "image")
        assert not any(name.startswith("on") or name in ("style", "src", "srcset", "action") for name in attributes)
        assert attributes.get("href", "#").startswith(("#", "http://", "https://"))
        assert tag != "a" or "href" in attributes


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_the_policy_allows_the_two_parts_and_no_request(report):
    read = page(report)
    (policy,) = [one["content"] for one in read.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts.pop("default-src") == "'none'"
    assert parts.pop("base-uri") == parts.pop("form-action") == "'none'"
    for name, content in (("style-src", read.styles[0]), ("script-src", read.scripts[0])):
        assert parts.pop(name) == f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
    assert parts == {}
    assert not re.search(r"url\(|@import|https?:", read.styles[0])
    assert not re.search(r"fetch|XMLHttp|import|innerHTML|eval|https?:|document\.write", read.scripts[0])


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_names_are_alone_and_there(report):
    read = page(report)
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for _, attributes in read.elements:
        assert attributes.get("aria-labelledby", ids[0]) in ids
        href = attributes.get("href", "")
        assert not href.startswith("#") or href[1:] in ids


def test_the_script_finds_what_it_looks_for():
    read = page()
    ids = {attributes["id"] for _, attributes in read.elements if "id" in attributes}
    assert set(re.findall(r'byId\("(\w+)"\)', read.scripts[0])) <= ids
    keys = {attributes["data-key"] for attributes in read.all("button") if "data-key" in attributes}
    rows = [attributes for attributes in read.all("tr") if "data-rank" in attributes]
    assert len(rows) == 15
    for row in rows:
        assert {f"data-{key}" for key in keys} <= set(row)
        assert {"data-severity", "data-scanner", "data-fixable"} <= set(row)


def test_rows_come_in_the_order_of_risk():
    rows = [attributes for attributes in page().all("tr") if "data-rank" in attributes]
    assert [row["data-rank"] for row in rows] == sorted(row["data-rank"] for row in rows)
    ids = [row["data-id"] for row in rows]
    assert ids.index("aws-access-key-id") < ids.index("CVE-2024-2961") < ids.index("CVE-2018-1000656")


def test_the_picture_shows_bytes_and_findings():
    read = page()
    assert [one["class"] for one in read.all("svg")] == ["treemap wide", "treemap narrow"]
    tiles = {one["data-path"]: one["aria-label"] for one in read.all("a") if "data-path" in one}
    assert tiles == {
        "/usr/lib/": "/usr/lib: 92.0 MB in 2,600 files, 5 findings, the worst is HIGH",
        "/opt/venv/": "/opt/venv: 3.3 MB in 410 files, 3 findings, the worst is HIGH",
        "/srv/app/": "/srv/app: 44.0 MB in 2,900 files, 3 findings, the worst is CRITICAL",
        "/usr/local/": "/usr/local: 8.4 MB in 51 files, 1 finding, the worst is MEDIUM",
        "/etc/": "/etc: 900.0 kB in 320 files, 1 finding, the worst is HIGH",
    }
    assert page(samples.PLANTED).all("svg") == []


def test_packages_are_listed_on_demand():
    assert "packages" not in {one.get("id") for one in page().all("section")}
    read = page(terms=Terms(created=TERMS.created, list_all=True))
    assert "packages" in {one.get("id") for one in read.all("section")}
    assert "base-files" in read.text


def test_suppressed_findings_and_gaps_are_always_there():
    text = "".join(page(terms=Terms(created=TERMS.created)).text)
    assert "vulnerable_code_not_in_execute_path" in text
    assert "/opt/models/METADATA" in text


def test_no_finding_is_no_table():
    read = page(samples.CLEAN)
    assert "table" not in {one.get("id") for one in read.all("table")}
    assert "No vulnerabilities found." in read.text


def test_hidden_marks_are_shown():
    text = render(samples.hostile_everywhere(), "html", TERMS)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00-\x08\x0b-\x1f\x7f-\x9f]", text)
    assert "\\u202e" in text


def luminance(colour):
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("number", range(3))
def test_colours_can_be_told_apart(number):
    """4.5 to 1, as WCAG 2.2 wants it for text of this size, in each of the themes."""
    blocks = re.findall(r"color-scheme: (?:light|dark);([^}]*)}", _asset("page.css"))
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", blocks[number]))
    for text in ("text", "quiet", "link", "alarm", "warning", "good"):
        assert contrast(colours[text], colours["card"]) >= 4.5, text
        assert contrast(colours[text], colours["page"]) >= 4.5, text
    for tone in ("critical", "high", "medium", "low", "unknown"):
        assert contrast(colours["on-badge"], colours[tone]) >= 4.5, tone
        assert contrast(colours[tone], colours["card"]) >= 3, tone
    assert contrast(colours["text"], colours["clear"]) >= 4.5
    assert contrast(colours["text"], colours["mark"]) >= 4.5
    assert contrast(colours["card"], colours["alarm"]) >= 4.5
    assert contrast(colours["focus"], colours["card"]) >= 3


def test_the_dark_theme_is_the_same_by_preference_and_by_switch():
    blocks = re.findall(r"color-scheme: dark;([^}]*)}", _asset("page.css"))
    first, second = (" ".join(block.split()) for block in blocks)
    assert first == second


def test_many_findings_take_a_moment():
    many = replace(samples.FULL, findings=samples.FULL.findings * 300)
    assert len(render(many, "html", TERMS)) < 40 * len(render(samples.FULL, "html", TERMS))
