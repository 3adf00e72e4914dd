"""A check as JUnit XML, which every pipeline shows: a suite for each image, a case for each step.

A broken rule is a failure, what could not be looked at an error, a warning a line of output (a failure if warnings
count). This module alone decides that. Text is escaped, so that nothing is in it that XML does not have.
"""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from rafsight.base.text import escape
from rafsight.formats.judge import Fault, Weight
from rafsight.reports.check_summary import RuleCount, all_steps, by_rule, unchecked_by_reason
from rafsight.reports.check_text import describe_facts
from rafsight.reports.soundness import Checked, CheckReport, Step


def render_junit(report: CheckReport, *, strict: bool = False) -> str:
    """Write a check as JUnit XML.

    Args:
        report: the check.
        strict: warnings are failures.
    """
    root = ET.Element("testsuites", name="rafsight check")
    suites = [_suite(report, image, strict=strict) for image in report.images]
    root.extend(suites)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name) or 0) for suite in suites)))
    root.set("time", _seconds(sum(step.seconds for step in all_steps(report.images))))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(report: CheckReport, image: Checked, *, strict: bool) -> ET.Element:
    is_known = bool(image.format) or len(report.images) > 1
    name = f"{report.reference}: {image.title}" if is_known else report.reference
    suite = ET.Element("testsuite", name=escape(name))
    known = [(key, value) for key in ("format", "manifest_digest", "platform") if (value := getattr(image, key))]
    properties = ET.SubElement(suite, "properties") if known else suite
    for key, value in known:
        ET.SubElement(properties, "property", name=key, value=escape(value))
    cases = [_case(step, name, strict=strict) for step in image.steps]
    suite.extend(cases)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(_having(cases, "failure")))
    suite.set("errors", str(_having([case for case in cases if case.find("failure") is None], "error")))
    suite.set("skipped", str(_having(cases, "skipped")))
    suite.set("time", _seconds(sum(step.seconds for step in image.steps)))
    suite.set("timestamp", report.started.removesuffix("Z"))
    return suite


def _having(cases: Sequence[ET.Element], child: str) -> int:
    return sum(case.find(child) is not None for case in cases)


def _case(step: Step, suite: str, *, strict: bool) -> ET.Element:
    """Make a case; its children are in the order that schemas want: skipped, errors, failures, output."""
    case = ET.Element("testcase", name=step.name, classname=escape(suite), time=_seconds(step.seconds))
    rules = by_rule(step)
    if step.skipped:
        ET.SubElement(case, "skipped", message=escape(step.skipped))
    left = [
        (escape(f"could not look at {subject}"), escape(why))
        for subjects, why in unchecked_by_reason(step)
        for subject in subjects
    ]
    unknown = [one for one in rules if one.rule.weight is Weight.UNKNOWN]
    _add(case, "error", [(_heading(one), _places(one)) for one in unknown] + left, unknown)
    failures = [one for one in rules if one.rule.weight is Weight.BROKEN or (strict and one.rule.weight is Weight.ODD)]
    _add(case, "failure", [(_heading(one), _places(one)) for one in failures], failures)
    said = [f"{step.title}: {describe_facts(step.facts)}"] if step.facts else []
    said += [step.remark] if step.remark else []
    if not strict:
        said += [f"warning {one.rule.code}: {_places(one)}" for one in rules if one.rule.weight is Weight.ODD]
    if said:
        ET.SubElement(case, "system-out").text = "\n".join(said)
    return case


def _add(case: ET.Element, kind: str, said: Sequence[tuple[str, str]], rules: Sequence[RuleCount]) -> None:
    """Add at most one child: many readers show the first alone.

    Args:
        case: to add to.
        kind: `failure` or `error`.
        said: a heading, and what stands below it.
        rules: whose first is the type.
    """
    if not said:
        return
    message = said[0][0] if len(said) == 1 else f"{said[0][0]}; and {len(said) - 1} more, see below"
    if not rules and len(said) == 1:
        message = ": ".join(said[0])
    child = ET.SubElement(case, kind, message=message, type=rules[0].rule.code if rules else "unchecked")
    child.text = "\n".join(f"{heading}\n{text}" for heading, text in said) if rules else "\n".join(map(": ".join, said))


def _heading(one: RuleCount) -> str:
    return f"{one.rule.code}: {one.rule.says}" + ("" if one.count == 1 else f" ({one.count} places)")


def _places(one: RuleCount) -> str:
    lines = [_place(fault) for fault in one.examples]
    if one.count > len(lines):
        lines.append(f"and {one.count - len(lines)} more")
    if one.rule.advice:
        lines.append(f"To do: {one.rule.advice}.")
    return "\n".join(lines)


def _place(fault: Fault) -> str:
    path = "" if fault.path is None else f"/{escape(fault.path)}, "
    offset = "" if fault.offset < 0 else f" at byte {fault.offset}"
    detail = f": {escape(fault.detail)}" if fault.detail else ""
    return f"{path}{escape(fault.where)}{offset}{detail}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
