import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from tests.reports import samples
from tests.reports.golden_text import expect

from rafsight.access.counting import Cost
from rafsight.analysis.inventory import GapReason, Inventory
from rafsight.reports.gaps import GAP_WORDS
from rafsight.reports.paint import Style
from rafsight.reports.selection import filter_findings
from rafsight.reports.table import describe_cost, render_table

WIDTHS = (40, 60, 69, 70, 79, 80, 100, 120, 200)


def render(report, width=100, colour=False, unicode=True, **more):
    return render_table(report, width=width, colour=colour, unicode=unicode, **more)


@pytest.mark.parametrize("width", [50, 80, 100, 120, 200])
def test_looks_as_recorded(width):
    expect(f"table-{width}.txt", render(samples.PLANTED, width))


def test_looks_as_recorded_in_colour():
    expect("table-100-colour.txt", render(samples.PLANTED, 100, colour=True))


def test_looks_as_recorded_in_ascii():
    expect("table-80-ascii.txt", render(samples.PLANTED, 80, unicode=False))


def test_hostile_text_looks_as_recorded():
    expect("table-100-hostile.txt", render(samples.hostile(), 100))


def test_list_of_packages_looks_as_recorded():
    expect("table-80-packages.txt", render(samples.CLEAN, 80, list_all=True))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("report", [samples.PLANTED, samples.hostile()], ids=["planted", "hostile"])
def test_no_line_is_wider_than_the_terminal(report, width):
    for line in render(report, width, list_all=True).splitlines():
        assert cell_len(line) <= width, line


@pytest.mark.parametrize("width", WIDTHS)
def test_colour_adds_nothing_but_colour(width):
    for report in (samples.PLANTED, samples.hostile()):
        coloured = render(report, width, colour=True)
        assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == render(report, width)


@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_text_never_reaches_the_terminal(width):
    text = render(samples.hostile(), width, list_all=True)
    assert all(character.isprintable() or character == "\n" for character in text)


def test_ascii_is_ascii():
    for report in (samples.PLANTED, samples.hostile()):
        assert render(report, unicode=False, list_all=True).isascii()


@settings(deadline=None, max_examples=60)
@given(text=st.text(max_size=200), width=st.integers(30, 220), unicode=st.booleans())
def test_any_text_keeps_the_table_whole(text, width, unicode):
    component = replace(samples.LODASH, name=text, version=text, locations=(text.encode("utf-8", "surrogatepass"),))
    found = samples.finding(component, text, samples.Severity.HIGH, (text,), text, text)
    gap = samples.Gap(reason=GapReason.MALFORMED, subject=text, detail=text)
    report = replace(samples.PLANTED, findings=(found, *samples.PLANTED.findings), gaps=(gap,))
    rendered = render(report, width, unicode=unicode, list_all=True)
    for line in rendered.split("\n"):
        assert cell_len(line) <= width
        assert line.isprintable()


def test_packages_of_one_source_share_a_row():
    text = render(samples.PLANTED, 200)
    assert text.count("CVE-2024-5535 ") == 1
    assert re.search(r"^libssl3, openssl +CVE-2024-5535 +CRITICAL +fixed +3\.0\.14", text, re.MULTILINE)


def test_the_same_package_in_two_places_shares_rows_and_names_both():
    text = render(samples.PLANTED, 120)
    assert text.count("CVE-2018-18074 ") == 1
    assert "in /opt/venv/lib/python3.11/site-packages/requests-2.19.1.dist-info/METADATA" in text
    assert "in /usr/lib/python3/dist-packages/requests-2.19.1.dist-info/METADATA" in text


def test_what_differs_is_not_joined():
    other = replace(samples.OPENSSL, version="3.0.14-1~deb12u1+b1")
    found = [
        replace(finding, component=other) if finding.component is samples.OPENSSL else finding
        for finding in samples.PLANTED.findings
    ]
    text = render(replace(samples.PLANTED, findings=tuple(found)), 200)
    assert text.count("CVE-2024-5535 ") == 2


def test_marks_are_said():
    text = render(samples.PLANTED)
    assert "Known to be exploited (CISA KEV): CVE-2024-2961." in text
    assert "Malicious packages: event-stream-helper." in text
    assert text.count("known exploited") == 2  # at the finding, and at the update that mends it
    assert text.count("malware") == 1


def test_every_gap_is_listed_with_its_reason():
    text = render(samples.PLANTED)
    assert "Not looked at (4)" in text
    for gap in samples.GAPS:
        assert gap.subject in text
        assert f"{GAP_WORDS[gap.reason]}: {gap.detail}" in text


def test_every_reason_has_words():
    assert set(GAP_WORDS) == set(GapReason)


def test_clean_says_so():
    text = render(samples.CLEAN)
    assert "No vulnerabilities found." in text
    assert "not looked at" not in text.lower()


def test_clean_with_gaps_says_both():
    text = render(samples.CLEAN_WITH_GAPS)
    assert "No vulnerabilities found." not in text
    assert "No vulnerabilities found in what was looked at." in text
    coloured = render(samples.CLEAN_WITH_GAPS, colour=True)
    assert f"\x1b[{Style.WARNING}mNo vulnerabilities found in what was looked at." in coloured
    assert "4 things were not looked at: see the end." in text


def test_without_a_database_nothing_is_called_clean():
    text = render(samples.WITHOUT_DATABASE)
    assert "No vulnerabilities found" not in text
    assert "Vulnerabilities were not looked for" in text


def test_filters_are_said():
    nothing = render(filter_findings(replace(samples.PLANTED, gaps=()), severities=frozenset()))
    assert "No vulnerability passes the filters." in nothing
    assert "18 more were left out by filters." in nothing
    assert "No vulnerabilities found" not in nothing
    partly = render(filter_findings(samples.PLANTED, severities=frozenset()))
    assert "No vulnerability in what was looked at passes the filters." in partly


def test_an_image_of_which_nothing_could_be_read_never_looks_clean():
    empty = replace(samples.CLEAN, inventory=replace(samples.CLEAN.inventory, components=()))
    gap = samples.Gap(reason=GapReason.UNREADABLE, subject="/var/lib/dpkg/status", detail="The digest differs.")
    text = render(replace(empty, gaps=(gap,)), colour=True)
    assert f"\x1b[{Style.ALARM}mNothing could be looked at" in text
    assert "No vulnerabilities found" not in text
    assert "Nothing could be looked at" not in render(replace(samples.CLEAN, gaps=(gap,)))
    assert "Nothing could be looked at" not in render(replace(empty, gaps=samples.GAPS))


def test_exploited_flaws_that_filters_hide_are_named():
    medium = filter_findings(samples.PLANTED, severities=frozenset({samples.Severity.LOW}))
    assert "Known to be exploited, but left out by filters: CVE-2024-2961." in render(medium)
    assert "left out by filters: CVE" not in render(samples.PLANTED)


@pytest.mark.parametrize(
    ("requests", "fetched", "size", "said"),
    [
        (14, 812_345, 61_200_000, "812.3 kB of 61.2 MB (1.3%) fetched in 14 requests and 0.83 s"),
        (1, 100, 61_200_000, "100 B of 61.2 MB (less than 0.1%) fetched in 1 request and 0.83 s"),
        (0, 0, 1000, "0 B of 1.0 kB (0%) fetched in 0 requests and 0.83 s"),
        (3, 1200, 1000, "1.2 kB of 1.0 kB fetched in 3 requests and 0.83 s"),
        (3, 1200, 0, "1.2 kB fetched in 3 requests and 0.83 s"),
    ],
)
def test_cost_is_one_line(requests, fetched, size, said):
    report = replace(
        samples.PLANTED,
        cost=Cost(requests=requests, bytes_fetched=fetched),
        image=replace(samples.IMAGE, image_size=size),
    )
    assert describe_cost(report) == said


def test_places_beyond_three_are_counted():
    copies = [samples.node("lodash", "4.17.11", f"app{number}".encode()) for number in range(6)]
    found = tuple(samples.finding(copy, "CVE-2019-10744", samples.Severity.HIGH) for copy in copies)
    text = render(replace(samples.PLANTED, findings=found))
    assert "in /app2/lodash/package.json" in text
    assert "in /app3/lodash/package.json" not in text
    assert "and in 3 more places" in text


def test_headers_of_a_kernel_are_marked_and_explained():
    headers = samples.finding(
        samples.deb("linux-libc-dev", "6.1.1-1", "linux"), "CVE-2024-1", samples.Severity.LOW, kernel_headers=True
    )
    text = render(replace(samples.PLANTED, findings=(headers,)))
    assert "kernel headers" in text
    assert "1 finding is about headers of a kernel that does not run here" in text


def test_unimportant_flaws_are_counted_and_not_listed():
    flaw = samples.finding(samples.OPENSSL, "CVE-2007-6755", samples.Severity.LOW)
    text = render(replace(samples.PLANTED, unimportant=(flaw,)))
    assert "1 flaw is unimportant by the distribution's own word" in text
    assert "CVE-2007-6755" not in text


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_unimportant_flaws_are_listed_on_demand_and_marked(width):
    flaw = samples.finding(samples.OPENSSL, "CVE-2007-6755", samples.Severity.LOW)
    report = filter_findings(replace(samples.CLEAN, unimportant=(flaw,)), show_unimportant=True)
    text = " ".join(render(report, width).split())
    assert "No vulnerabilities found." in text
    assert "1 flaw is unimportant by the distribution's own word and marked, and not counted." in text
    assert "CVE-2007-6755" in text
    assert "0 vulnerabilities: none. 1 unimportant." in text
    assert re.search("CVE-2007-6755.* unimportant", text)
    both = render(replace(report, findings=samples.PLANTED.findings), 200)
    assert "18 vulnerabilities found." in both
    assert len(re.findall("^ +unimportant", both, re.MULTILINE)) == 1


def test_a_fix_says_where_it_is_to_be_had():
    flaw = samples.finding(
        samples.OPENSSL, "CVE-2024-2", samples.Severity.LOW, ("3.0.2-0ubuntu1.99",), fix_channel="Ubuntu Pro"
    )
    text = " ".join(render(replace(samples.PLANTED, findings=(flaw,)), 200).split())
    assert "3.0.2-0ubuntu1.99" in text
    assert "(Ubuntu" in text


@pytest.mark.parametrize("width", [60, 100])
def test_everything_looks_as_recorded(width):
    expect(f"table-{width}-everything.txt", render(samples.FULL, width, show_suppressed=True))


@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_secrets_and_checks_keep_the_table_whole(width):
    for unicode in (True, False):
        text = render(samples.hostile_everywhere(), width, unicode=unicode, show_suppressed=True)
        assert unicode or text.isascii()
        for line in text.splitlines():
            assert cell_len(line) <= width, line
            assert line.isprintable()


def test_what_was_suppressed_is_counted_or_listed():
    text = render(samples.FULL)
    assert "4 more are suppressed by .rafsightignore, .trivyignore and app.openvex.json" in text
    assert "CVE-2010-4756" not in text
    assert "nobody hands us patterns" in render(samples.FULL, show_suppressed=True)


def test_a_scan_that_looked_for_no_packages_does_not_say_that_there_are_none():
    report = replace(
        samples.CLEAN,
        scanners=("secret",),
        database=None,
        inventory=Inventory(distribution=None, components=(), gaps=()),
    )
    text = render(report, 80)
    assert "Packages" not in text
    assert "System" not in text
    assert "Database" not in text
