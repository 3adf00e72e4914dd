"""A check for people: what it is, one line a step, what is wrong by rule and place, and the verdict last.

This module alone decides the marks, the words of the verdict, and how many places of one rule are shown.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from rafsight.base.text import escape
from rafsight.base.units import format_size
from rafsight.formats.judge import Fault, Weight
from rafsight.reports.check_summary import (
    Outcome,
    RuleCount,
    all_steps,
    by_rule,
    count_places,
    outcome_of,
    unchecked_by_reason,
)
from rafsight.reports.paint import Line, Painter, Span, Style, beside, right, styled, wrap
from rafsight.reports.soundness import Checked, CheckReport, Step, Verdict
from rafsight.reports.verdict import counted

EXAMPLES: Final = 5
"""Places of one rule that are shown; JSON has more."""
UNCHECKED_SHOWN: Final = 8
_LEAST_WIDTH: Final = 30
_KEY_WIDTH: Final = 9
_MARK_WIDTH: Final = 3
_TITLE_WIDTH: Final = 42
_TIME_WIDTH: Final = 9
_WIDE: Final = 90
"""[columns] from which on title and facts stand side by side."""

_OF_BLOB: Final = re.compile(r"((?:[a-z-]+ )*?blob) \S+\Z")
"""What could not be looked at, of which there is one for each blob."""

_MARKS: Final = {
    Outcome.SOUND: ("✓", "ok", Style.GOOD),
    Outcome.BROKEN: ("✗", "XX", Style.ALARM),
    Outcome.ODD: ("!", "!", Style.WARNING),
    Outcome.UNKNOWN: ("?", "?", Style.WARNING),
    Outcome.SKIPPED: ("-", "-", Style.DIM),
}
_WEIGHTS: Final = {
    Weight.BROKEN: ("error", Style.ALARM),
    Weight.UNKNOWN: ("unknown", Style.WARNING),
    Weight.ODD: ("warning", Style.WARNING),
}


def render_text(report: CheckReport, *, width: int, colour: bool, unicode: bool) -> str:
    """Write a check for people.

    Args:
        report: the check.
        width: [columns] of the terminal; no line is longer, except where the width is below 30.
        colour: use the terminal's colours.
        unicode: False keeps everything within ASCII.
    """
    painter = Painter(colour=colour, unicode=unicode)
    width = max(width, _LEAST_WIDTH)
    lines = _head(report, width, painter)
    for image in report.images:
        lines += [(), *_image(image, width, painter, alone=len(report.images) == 1)]
    lines += [(), *_verdict(report, width, painter)]
    return painter.paint(lines)


def _head(report: CheckReport, width: int, painter: Painter) -> list[Line]:
    cost = report.cost
    requests = counted(cost.requests, "request", "requests")
    facts = [("Image", report.reference)]
    if report.index_digest:
        facts.append(("Index", report.index_digest))
    if len(report.images) == 1:
        facts += _image_facts(report.images[0])
    facts.append(("Cost", f"{format_size(cost.bytes_fetched)} fetched in {requests} and {report.seconds:.2f} s"))
    return _keyed(facts, width, painter)


def _image_facts(image: Checked) -> list[tuple[str, str]]:
    form = ", ".join(filter(None, (image.format, image.platform)))
    return [pair for pair in (("Manifest", image.manifest_digest), ("Format", form)) if pair[1]]


def _keyed(facts: Sequence[tuple[str, str]], width: int, painter: Painter) -> list[Line]:
    lines: list[Line] = []
    for key, value in facts:
        style = Style.BOLD if key == "Image" else Style.PLAIN
        block = styled(wrap(painter.safe(value, 1000), width - _KEY_WIDTH), style)
        lines += beside([(_KEY_WIDTH, styled([key], Style.DIM)), (width - _KEY_WIDTH, block)], 0)
    return lines


def _image(image: Checked, width: int, painter: Painter, *, alone: bool) -> list[Line]:
    lines: list[Line] = []
    if not alone:
        lines = styled(wrap(painter.safe(image.title), width), Style.BOLD)
        lines += _keyed(_image_facts(image), width, painter)
    for step in image.steps:
        lines += _step(step, width, painter)
    return lines


def _step(step: Step, width: int, painter: Painter) -> list[Line]:
    outcome = outcome_of(step)
    fancy, plain, style = _MARKS[outcome]
    mark = styled([fancy if painter.unicode else plain], style)
    title_style = Style.DIM if outcome is Outcome.SKIPPED else Style.PLAIN
    text = step.skipped if outcome is Outcome.SKIPPED else describe_facts(step.facts)
    time = "" if outcome is Outcome.SKIPPED else right(f"{step.seconds:.2f} s", _TIME_WIDTH)
    room = width - _MARK_WIDTH - _TIME_WIDTH
    if width >= _WIDE:
        facts_width = room - _TITLE_WIDTH
        lines = beside(
            [
                (_MARK_WIDTH, mark),
                (_TITLE_WIDTH, styled(wrap(painter.safe(step.title), _TITLE_WIDTH - 1), title_style)),
                (facts_width, styled(wrap(painter.safe(text, 1000), facts_width - 1), Style.DIM)),
                (_TIME_WIDTH, styled([time], Style.DIM)),
            ],
            0,
        )
    else:
        titles = styled(wrap(painter.safe(step.title), room - 1), title_style)
        lines = beside([(_MARK_WIDTH, mark), (room, titles), (_TIME_WIDTH, styled([time], Style.DIM))], 0)
        lines += _indented(styled(wrap(painter.safe(text, 1000), width - _MARK_WIDTH), Style.DIM) if text else [], 1)
    for one in by_rule(step):
        lines += _rule(one, width, painter)
    return lines + _unchecked(step, width, painter)


def _rule(one: RuleCount, width: int, painter: Painter) -> list[Line]:
    """Write one broken rule: what it is, then where."""
    word, style = _WEIGHTS[one.rule.weight]
    places = "" if one.count == 1 else f" ({one.count:,} places)"
    head = f"{word} {one.rule.code}{places}: {one.rule.says}"
    lines = _indented(styled(wrap(painter.own(head), width - _MARK_WIDTH), style), 1)
    shown = one.examples[:EXAMPLES]
    for fault in shown:
        text = wrap(describe_place(fault, painter), width - 2 * _MARK_WIDTH - 2)
        bullet = styled(["·" if painter.unicode else "-"], Style.DIM)
        lines += _indented(beside([(2, bullet), (width, styled(text))], 0), 2)
    if one.count > len(shown):
        lines += _indented(styled([f"and {one.count - len(shown):,} more"], Style.DIM), 2)
    if one.rule.advice:
        advice = wrap(painter.own(f"To do: {one.rule.advice}."), width - 2 * _MARK_WIDTH)
        lines += _indented(styled(advice, Style.DIM), 2)
    return lines


def _unchecked(step: Step, width: int, painter: Painter) -> list[Line]:
    lines: list[Line] = []
    grouped = unchecked_by_reason(step)
    for subjects, why in grouped[:UNCHECKED_SHOWN]:
        text = wrap(painter.safe(f"could not look at {describe_subjects(subjects)}: {why}", 1000), width - _MARK_WIDTH)
        lines += _indented(styled(text, Style.WARNING), 1)
    hidden = sum(len(subjects) for subjects, _ in grouped[UNCHECKED_SHOWN:])
    if hidden > 0:
        lines += _indented(styled([f"and {hidden:,} more"], Style.DIM), 1)
    return lines


def describe_subjects(subjects: Sequence[str]) -> str:
    """Name one thing, or count several by what they are: `14 blobs, 2 chunk-info arrays of blobs`."""
    if len(subjects) == 1:
        return subjects[0]
    kinds = Counter(kind[1] if (kind := _OF_BLOB.match(subject)) else "" for subject in subjects)
    others = [subject for subject in subjects if not _OF_BLOB.match(subject)]
    parts = [f"{count:,} {_plural(kind)}" if count > 1 else kind for kind, count in kinds.items() if kind]
    if others:
        parts.insert(0, others[0] if len(others) == 1 else f"{others[0]} and {len(others) - 1:,} more of its kind")
    return ", ".join(parts)


def _plural(kind: str) -> str:
    """Write several of `blob`, `chunks of blob`, `table of contents of blob`."""
    noun, of, rest = kind.partition(" of ")
    noun = noun if noun.endswith("s") else noun + "s"
    return noun + of + (rest + "s" if of else "")


def _indented(lines: Sequence[Line], level: int) -> list[Line]:
    return [(Span(" " * (_MARK_WIDTH * level)), *line) for line in lines]


def describe_place(fault: Fault, painter: Painter) -> str:
    """Say where a fault is, and what more is known of it; foreign names escaped."""
    place = painter.safe(fault.where)
    if fault.path is not None:
        place = f"/{painter.own(escape(fault.path))}, {place}"
    if fault.offset >= 0:
        place += f" at byte {fault.offset}"
    return f"{place}: {painter.safe(fault.detail)}" if fault.detail else place


def describe_facts(facts: Sequence[tuple[str, int]]) -> str:
    """Write what was looked at: `215 inodes, 83 chunks, 39.5 kB`; nothings are left out."""
    return ", ".join(_fact(name, value) for name, value in facts if value)


def _fact(name: str, value: int) -> str:
    name = name.replace("-", " ")
    if name.endswith("bytes"):
        noun = name.removesuffix("bytes").strip()
        return f"{format_size(value)} of {noun}s" if noun else format_size(value)
    return f"{value:,} {name if value != 1 else _singular(name)}"


def _singular(name: str) -> str:
    noun, of, rest = name.partition(" of ")
    single = noun[:-3] + "y" if noun.endswith("ies") else noun.removesuffix("s")
    return single + of + rest


def _verdict(report: CheckReport, width: int, painter: Painter) -> list[Line]:
    text, style = describe_verdict(report)
    remarks = [step.remark for step in all_steps(report.images) if step.remark]
    lines = [line for remark in remarks for line in styled(wrap(painter.safe(remark, 1000), width))]
    lines += styled(wrap(text, width), style)
    for more in _remarks(report):
        lines += styled(wrap(more, width), Style.DIM)
    return lines


def describe_verdict(report: CheckReport) -> tuple[str, Style]:
    """Say the verdict in a sentence that begins with it."""
    steps = list(all_steps(report.images))
    errors, odd = count_places(steps, Weight.BROKEN), count_places(steps, Weight.ODD)
    unknown = count_places(steps, Weight.UNKNOWN) + sum(len(step.unchecked) for step in steps)
    warnings = counted(odd, "warning", "warnings")
    if report.verdict is Verdict.UNSOUND:
        if not errors:
            return f"Unsound by --strict: {warnings}.", Style.ALARM
        codes = {fault.rule.code for step in steps for fault in step.faults if fault.rule.weight is Weight.BROKEN}
        rules = "" if len(codes) == errors else f" of {counted(len(codes), 'rule', 'rules')}"
        text = f"Unsound: {counted(errors, 'error', 'errors')}{rules}"
        text += f", {warnings}" if odd else ""
        text += f", and {_things(unknown)} could not be looked at" if unknown else ""
        return text + ".", Style.ALARM
    if report.verdict is Verdict.UNKNOWN:
        left = f"{_things(unknown)} could not be looked at"
        text = f"Could not check everything: {left}; nothing that was looked at is broken"
        return text + (f" ({warnings})." if odd else "."), Style.WARNING
    if odd:
        return f"Sound, with {warnings}.", Style.WARNING
    return "Sound.", Style.GOOD


def _things(count: int) -> str:
    return counted(count, "thing", "things")


def _remarks(report: CheckReport) -> list[str]:
    """Say what the verdict does not cover, where nobody asked for it."""
    left = [step.name for step in all_steps(report.images) if step.skipped.startswith("not asked for")]
    if report.verdict is Verdict.SOUND and "chunks" in left:
        return ["The content of the blobs was not read: --chunks verifies it."]
    return []
