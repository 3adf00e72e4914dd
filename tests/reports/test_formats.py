from dataclasses import replace

import pytest
from tests.reports import samples
from tests.reports.every_report import REPORTS, TERMS

from rafsight.reports.formats import FORMATS, NAMES, UnknownFormat, format_named, render


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_every_format_takes_every_report(report, name):
    text = render(report, name, TERMS)
    assert text.endswith("\n")
    assert text.encode()
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("table", "markdown", "html")])
def test_documents_do_not_depend_on_the_time_it_took(name):
    later = replace(samples.FULL, started="2027-01-01T00:00:00Z")
    assert render(samples.FULL, name, TERMS) == render(later, name, TERMS)


@pytest.mark.parametrize("name", [form.name for form in FORMATS if not form.is_bill])
def test_nothing_is_lost_silently(name):
    """A report that filters and ignore files emptied does not look like that of a clean image."""
    emptied = replace(samples.FULL, findings=(), secrets=(), misconfigurations=(), gaps=(), suppressed=())
    assert render(replace(emptied, suppressed=samples.SUPPRESSED), name, TERMS) != render(emptied, name, TERMS)
    assert render(replace(emptied, gaps=samples.GAPS), name, TERMS) != render(emptied, name, TERMS)


def test_names_are_found():
    assert [format_named(form.name) for form in FORMATS] == list(FORMATS)
    assert all(name in UnknownFormat.remedy for name in NAMES)
    with pytest.raises(UnknownFormat):
        format_named("xml")


def test_bills_are_marked():
    assert [form.name for form in FORMATS if form.is_bill] == ["cyclonedx", "spdx"]
