import json
from dataclasses import replace

import pytest
from tests.reports import samples

from rafsight.analysis.inventory import GapReason
from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli.scan import MalformedEpoch, creation_date, render
from rafsight.interfaces.cli.scan_policy import exit_status_of
from rafsight.interfaces.cli.terminal import A_FILE
from rafsight.reports.selection import filter_findings

CLEAN_BUT_GAPS = samples.CLEAN_WITH_GAPS
UNREADABLE = samples.Gap(reason=GapReason.UNREADABLE, subject="/var/lib/dpkg/status", detail="The digest differs.")
UNREADABLE_PARTS = replace(samples.CLEAN, gaps=(*samples.GAPS, UNREADABLE))
FOUND_WITHOUT_GAPS = replace(samples.PLANTED, gaps=())


@pytest.mark.parametrize(
    ("report", "on_findings", "allow_incomplete", "status"),
    [
        (samples.CLEAN, 0, False, 0),
        (samples.CLEAN, 1, False, 0),
        (FOUND_WITHOUT_GAPS, 0, False, 0),
        (FOUND_WITHOUT_GAPS, 5, False, 5),
        (CLEAN_BUT_GAPS, 0, False, ExitStatus.INCOMPLETE),
        (CLEAN_BUT_GAPS, 5, False, ExitStatus.INCOMPLETE),
        (CLEAN_BUT_GAPS, 5, True, 0),
        (samples.PLANTED, 5, False, 5),
        (samples.PLANTED, 0, False, ExitStatus.INCOMPLETE),
        (samples.PLANTED, 0, True, 0),
        (samples.WITHOUT_DATABASE, 0, False, ExitStatus.INCOMPLETE),
        (UNREADABLE_PARTS, 0, True, ExitStatus.INCOMPLETE),
        (UNREADABLE_PARTS, 5, True, ExitStatus.INCOMPLETE),
        (replace(UNREADABLE_PARTS, findings=samples.PLANTED.findings), 5, True, 5),
    ],
)
def test_exit_status(report, on_findings, allow_incomplete, status):
    assert exit_status_of(report, on_findings=on_findings, allow_incomplete=allow_incomplete) == status


def test_formats():
    table = render(samples.PLANTED, "table", created=None, list_all=False, terminal=A_FILE)
    assert table.startswith("Image    127.0.0.1:5000/planted:v6\n")
    assert "\x1b" not in table
    assert (
        json.loads(render(samples.PLANTED, "json", created=None, list_all=False, terminal=A_FILE))["CreatedAt"]
        == samples.PLANTED.started
    )
    dated = render(samples.PLANTED, "json", created="2001-02-03T04:05:06Z", list_all=True, terminal=A_FILE)
    assert json.loads(dated)["CreatedAt"] == "2001-02-03T04:05:06Z"
    assert json.loads(dated)["Results"][0]["Packages"]


def test_terminal_decides_the_look():
    terminal = replace(A_FILE, width=50, colour=True, unicode=False)
    table = render(samples.PLANTED, "table", created=None, list_all=False, terminal=terminal)
    assert "\x1b[" in table
    assert table.isascii()
    assert "-" * 50 in table
    assert "-" * 51 not in table


@pytest.mark.parametrize(
    ("epoch", "date"),
    [
        (None, None),
        ("", None),
        ("0", "1970-01-01T00:00:00Z"),
        ("1700000000", "2023-11-14T22:13:20Z"),
        ("253402300799", "9999-12-31T23:59:59Z"),
    ],
)
def test_source_date_epoch(epoch, date):
    assert creation_date(epoch) == date


@pytest.mark.parametrize("epoch", ["-1", "now", "1.5", "253402300800", "9" * 100, "\u0661"])
def test_what_is_no_epoch_is_refused(epoch):
    with pytest.raises(MalformedEpoch):
        creation_date(epoch)


def test_headers_of_a_kernel_do_not_set_the_exit_status_of():
    headers = samples.finding(samples.OPENSSL, "CVE-2024-1", samples.Severity.LOW, kernel_headers=True)
    report = replace(samples.PLANTED, findings=(headers,), gaps=())
    assert exit_status_of(report, on_findings=1, allow_incomplete=False) == ExitStatus.OK


def test_unimportant_flaws_never_set_the_exit_status_of():
    flaw = samples.finding(samples.OPENSSL, "CVE-2007-6755", samples.Severity.LOW)
    report = filter_findings(replace(samples.CLEAN, unimportant=(flaw,)), show_unimportant=True)
    assert exit_status_of(report, on_findings=1, allow_incomplete=False) == ExitStatus.OK
    assert "CVE-2007-6755" in render(report, "table", created=None, list_all=False, terminal=A_FILE)
