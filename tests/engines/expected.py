"""What every engine with a database found in the planted image, when its output was recorded."""

from rafsight.analysis.inventory import Ecosystem
from rafsight.base.severity import Severity
from rafsight.matching.finding import Status

FINDINGS = {
    "CVE-2099-1003": ("base-files", Severity.LOW, ("12.4+deb12u16",)),
    "CVE-2099-1001": ("busybox-static", Severity.HIGH, ("1:1.35.0-4+deb12u2",)),
    "CVE-2099-1002": ("busybox-static", Severity.MEDIUM, ()),
    "CVE-2021-3807": ("ansi-regex", Severity.HIGH, ("3.0.1",)),
    "CVE-2019-10744": ("lodash", Severity.CRITICAL, ("4.17.12",)),
    "CVE-2020-7598": ("minimist", Severity.MEDIUM, ("1.2.3",)),
    "CVE-2018-1000656": ("flask", Severity.HIGH, ("0.12.3",)),
    "CVE-2019-10906": ("jinja2", Severity.HIGH, ("2.10.1",)),
    "CVE-2022-23491": ("certifi", Severity.MEDIUM, ("2022.12.7",)),
    "CVE-2018-18074": ("requests", Severity.HIGH, ("2.20.0",)),
    "CVE-2019-11324": ("urllib3", Severity.HIGH, ("1.24.2",)),
    "CVE-2099-2003": ("urllib3", Severity.UNKNOWN, ()),
}
DEBS = {("base-files", "12.4+deb12u15"), ("busybox-static", "1:1.35.0-4+deb12u1+b1")}
NODES = {("ansi-regex", "3.0.0"), ("lodash", "4.17.11"), ("minimist", "1.2.0")}
WHEELS = {
    ("certifi", "2022.9.14"),
    ("flask", "0.12.2"),
    ("jinja2", "2.10"),
    ("requests", "2.19.1"),
    ("urllib3", "1.24.1"),
}
APP = ("planted", "1.0.0")
"""A package of the application itself."""


def findings_in(report):
    """Return findings as `FINDINGS` has them; each id once."""
    found = {one.id: (one.component.name.lower(), one.severity, one.fixed_versions) for one in report.findings}
    assert len(found) == len(report.findings)
    assert all(one.status is (Status.FIXED if one.fixed_versions else Status.AFFECTED) for one in report.findings)
    return found


def packages_in(report, kind):
    return {(one.name.lower(), one.version) for one in report.inventory.components if one.ecosystem is Ecosystem(kind)}


def component(report, name):
    (one,) = [each for each in report.inventory.components if each.name.lower() == name]
    return one


def finding(report, name):
    (one,) = [each for each in report.findings if each.id == name]
    return one


def reasons(report):
    return [(gap.reason.value, gap.subject) for gap in report.gaps]
