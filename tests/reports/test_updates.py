from dataclasses import replace

import pytest
from rich.cells import cell_len
from tests.reports import samples

from rafsight.base.severity import Severity
from rafsight.reports.paint import Painter
from rafsight.reports.updates import render_updates, updates_of

PAINTER = Painter(colour=False, unicode=True)


def flaw(component, name, severity, *fixes, **more):
    return replace(samples.finding(component, name, severity, fixes, "", ""), **more)


def test_one_line_a_package_with_what_its_update_ends():
    found = [
        flaw(samples.LODASH, "CVE-2020-1", Severity.HIGH, "4.17.12"),
        flaw(samples.LODASH, "CVE-2020-2", Severity.LOW, "4.17.21"),
        flaw(samples.LODASH, "CVE-2020-3", Severity.CRITICAL),
        flaw(samples.LODASH, "CVE-2020-4", Severity.MEDIUM, "not a version"),
    ]
    (update,) = updates_of(found)
    assert (update.names, update.installed, update.version) == (("lodash",), "4.17.11", "4.17.21")
    assert [one.id for one in update.ended] == ["CVE-2020-1", "CVE-2020-2"]
    assert update.left == 1


def test_packages_of_one_source_are_one_line_and_a_flaw_counts_once():
    (update,) = updates_of(
        flaw(one, "CVE-2024-1", Severity.HIGH, "2.36-9+deb12u9") for one in (samples.LIBC_BIN, samples.LIBC)
    )
    assert update.names == ("libc-bin", "libc6")
    assert len(update.ended) == 1


def test_what_only_subscribers_get_stands_for_itself():
    found = [
        flaw(samples.LIBC, "CVE-2024-1", Severity.HIGH, "2.36-9+deb12u9"),
        flaw(samples.LIBC, "CVE-2024-2", Severity.HIGH, "2.36-9+esm1", fix_channel="Ubuntu Pro"),
    ]
    assert [(one.version, one.channel) for one in updates_of(found)] == [
        ("2.36-9+deb12u9", ""),
        ("2.36-9+esm1", "Ubuntu Pro"),
    ]


def test_the_most_urgent_first():
    others = [replace(samples.LODASH, name=name) for name in "abcd"]
    found = [
        flaw(others[0], "CVE-1", Severity.HIGH, "5.0.0"),
        flaw(others[1], "CVE-2", Severity.CRITICAL, "5.0.0"),
        flaw(others[2], "CVE-3", Severity.HIGH, "5.0.0", known_exploited=True),
        flaw(others[3], "CVE-4", Severity.HIGH, "5.0.0"),
        flaw(others[3], "CVE-5", Severity.LOW, "5.0.0"),
    ]
    assert [one.names[0] for one in updates_of(found)] == ["b", "c", "d", "a"]


@pytest.mark.parametrize("width", [30, 69, 70, 100])
def test_many_packages_are_counted_and_no_line_is_too_wide(width):
    found = [
        flaw(replace(samples.LODASH, name=f"package-{number:02}-" + "x" * number), "CVE-1", Severity.HIGH, "5.0.0")
        for number in range(50)
    ]
    lines = PAINTER.paint(render_updates(updates_of(found), width=width, painter=PAINTER)).splitlines()
    assert lines[0] == "What to update (50)"
    assert " ".join(lines).endswith("And 30 more packages, for nothing worse than HIGH.")
    assert all(cell_len(line) <= width for line in lines)
    assert not any("package-20" in line for line in lines)
