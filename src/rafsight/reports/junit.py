"""A scan as JUnit XML, which every pipeline shows: a suite for each target, a case for each finding.

A finding is a failure, what was suppressed a skipped case with its reason, what was not looked at an error; a target
without findings has one case that passes. This module alone decides that. Text is escaped, so that nothing is in it
that XML does not have.
"""

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from rafsight.analysis.inventory import LASTING_REASONS
from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.secrets.finding import Secret
from rafsight.base.text import escape
from rafsight.matching.finding import Finding
from rafsight.reports.document import ScanReport, Suppressed
from rafsight.reports.gaps import GAP_WORDS
from rafsight.reports.other_findings import describe_suppressed
from rafsight.reports.places import describe_evidence, secret_places
from rafsight.reports.ranking import describe_epss, finding_rank
from rafsight.reports.targets import Target, targets_of
from rafsight.reports.terms import Terms
from rafsight.reports.text import cut, whole
from rafsight.reports.verdict import counted

_COUNTS = ("tests", "failures", "errors", "skipped")
_DESCRIPTION = 4000


def render_scan_junit(report: ScanReport, terms: Terms) -> str:
    """Write a scan as JUnit XML.

    Args:
        report: as filtered.
        terms: the date.
    """
    root = ET.Element("testsuites", name=f"rafsight scan {_text(report.image.name)}")
    suites = [_package_suite(target, terms) for target in targets_of(report)]
    suites += [suite for suite in (_secret_suite(report, terms), _check_suite(report, terms)) if suite is not None]
    if report.gaps:
        suites.append(_suite("not looked at", "coverage", _gap_cases(report), terms))
    root.extend(suites)
    for name in _COUNTS:
        root.set(name, str(sum(int(suite.get(name) or 0) for suite in suites)))
    root.set("time", f"{report.seconds:.3f}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(name: str, kind: str, cases: Iterable[ET.Element], terms: Terms) -> ET.Element:
    suite = ET.Element("testsuite", name=_text(name))
    properties = ET.SubElement(suite, "properties")
    ET.SubElement(properties, "property", name="type", value=_text(kind))
    suite.extend(cases)
    found = suite.findall("testcase")
    suite.set("tests", str(len(found)))
    for count, child in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(child) is not None for case in found)))
    suite.set("time", "0.000")
    suite.set("timestamp", terms.created.removesuffix("Z"))
    return suite


def _case(name: str, owner: str) -> ET.Element:
    return ET.Element("testcase", name=_text(name), classname=_text(owner), time="0.000")


def _failure(case: ET.Element, message: str, kind: str, lines: Iterable[str]) -> ET.Element:
    child = ET.SubElement(case, "failure", message=_text(message), type=kind)
    child.text = "\n".join(_text(cut(line, _DESCRIPTION)) for text in lines for line in text.splitlines() if line)
    return case


def _skipped(one: Suppressed, owner: str) -> ET.Element:
    case = _case(describe_suppressed(one), owner)
    why = f"{one.status.replace('_', ' ')}, says {one.source}" + (f": {one.statement}" if one.statement else "")
    ET.SubElement(case, "skipped", message=_text(why))
    return case


def _package_suite(target: Target, terms: Terms) -> ET.Element:
    cases = [_finding_case(finding) for finding in sorted(target.findings, key=finding_rank)]
    cases += [
        _skipped(one, f"{one.finding.component.name}-{one.finding.component.version}")
        for one in target.suppressed
        if isinstance(one.finding, Finding)
    ]
    if not target.findings:
        amount = counted(len(target.components), "package", "packages")
        cases.append(_case(f"{amount} without findings", target.label))
    return _suite(target.title, target.type, cases, terms)


def _finding_case(finding: Finding) -> ET.Element:
    component = finding.component
    case = _case(f"[{finding.severity.name}] {finding.id}", f"{component.name}-{component.version}")
    fixed = " or ".join(finding.fixed_versions)
    lines = [
        f"{component.name} {component.version}: " + (f"fixed in {fixed}" if fixed else finding.status.value),
        *(f"in /{escape(path)}" for path in component.locations),
        "known to be exploited" if finding.known_exploited else "",
        f"EPSS {describe_epss(finding.epss)}" if finding.epss is not None else "",
        finding.description,
        finding.primary_url,
    ]
    return _failure(case, finding.title or finding.id, "vulnerability", lines)


def _secret_suite(report: ScanReport, terms: Terms) -> ET.Element | None:
    skipped = [_skipped(one, one.finding.rule_id) for one in report.suppressed if isinstance(one.finding, Secret)]
    if "secret" not in report.scanners and not (report.secrets or skipped):
        return None
    cases = [_secret_case(secret) for secret in report.secrets] or [_case("no secrets", "secrets")]
    return _suite("Secrets", "secret", [*cases, *skipped], terms)


def _secret_case(secret: Secret) -> ET.Element:
    places = secret_places(secret)
    case = _case(f"[{secret.severity.name}] {secret.rule_id} in {places[0]}", secret.rule_id)
    return _failure(case, secret.title, "secret", [*(f"in {place}" for place in places), secret.match, secret.remedy])


def _check_suite(report: ScanReport, terms: Terms) -> ET.Element | None:
    skipped = [_skipped(one, one.finding.id) for one in report.suppressed if isinstance(one.finding, Misconfiguration)]
    if "misconfig" not in report.scanners and not (report.misconfigurations or skipped):
        return None
    failed = [_check_case(check) for check in report.misconfigurations]
    ids = {check.id for check in report.misconfigurations} | {case.get("classname") for case in skipped}
    passed = max(report.check_count - len(ids), 0)
    cases = [*failed, *skipped, _case(f"{counted(passed, 'check', 'checks')} passed", "misconfiguration")]
    return _suite("Misconfiguration", "misconfig", cases, terms)


def _check_case(check: Misconfiguration) -> ET.Element:
    case = _case(f"[{check.severity.name}] {check.id}", check.id)
    places = [f"in {describe_evidence(evidence)}" for evidence in check.evidence]
    more = check.count - len(places)
    places += [f"and in {more:,} more"] if more > 0 and places else []
    return _failure(
        case, check.title, "misconfiguration", [check.message, *places, check.description, check.resolution]
    )


def _gap_cases(report: ScanReport) -> list[ET.Element]:
    """Make an error of each gap; what every scan of such an image leaves out is skipped, and fails no pipeline."""
    cases = []
    for gap in report.gaps:
        case = _case(gap.subject, gap.extractor or "coverage")
        message = _text(gap.detail or GAP_WORDS[gap.reason])
        if gap.reason in LASTING_REASONS:
            ET.SubElement(case, "skipped", message=message)
        else:
            ET.SubElement(case, "error", message=message, type=gap.reason.value)
        cases.append(case)
    return cases


def _text(text: str) -> str:
    return escape(whole(text))
