"""What the steps of a check come to.

This module alone decides the verdict, and which exit status it has.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from rafsight.base.errors import ExitStatus
from rafsight.formats.judge import Fault, Rule, Weight
from rafsight.reports.soundness import Checked, CheckReport, Step, Verdict

_ORDER: Final = (Weight.BROKEN, Weight.UNKNOWN, Weight.ODD)
_DIGEST: Final = re.compile(r"\bblob (?:sha256:)?([0-9a-f]{64})\Z")
_STATUSES: Final = {
    Verdict.SOUND: ExitStatus.OK,
    Verdict.UNSOUND: ExitStatus.DAMAGED,
    Verdict.UNKNOWN: ExitStatus.INCOMPLETE,
}


class Outcome(StrEnum):
    """What one step came to, the worst that is true of it."""

    BROKEN = "broken"
    UNKNOWN = "unknown"
    """Something could not be looked at, or is of a kind that nobody here knows."""
    ODD = "odd"
    SKIPPED = "skipped"
    SOUND = "sound"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """One rule that is broken in a step."""

    rule: Rule
    count: int
    """Places that break it."""
    examples: tuple[Fault, ...]
    """Those that were kept, in the order found."""


def by_rule(step: Step) -> tuple[RuleCount, ...]:
    """Group the faults of a step: errors first, then what is unknown, then warnings; else in the order found."""
    counts = dict(step.counts)
    grouped: dict[str, list[Fault]] = {}
    for fault in step.faults:
        grouped.setdefault(fault.rule.code, []).append(fault)
    found = [
        RuleCount(rule=faults[0].rule, count=max(counts.get(code, 0), len(faults)), examples=tuple(faults))
        for code, faults in grouped.items()
    ]
    return tuple(sorted(found, key=lambda one: _ORDER.index(one.rule.weight)))


def unchecked_by_reason(step: Step) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Group what could not be looked at: (subjects, why), in the order found.

    A reason that names the very blob that is its subject is the same reason for all of them.
    """
    grouped: dict[str, list[str]] = {}
    for one in step.unchecked:
        name = _DIGEST.search(one.subject)
        why = re.sub(rf"(?:blob )?(?:sha256:)?{name[1]}", "it", one.why) if name else one.why
        grouped.setdefault(why, []).append(one.subject)
    return tuple((tuple(subjects), why) for why, subjects in grouped.items())


def outcome_of(step: Step) -> Outcome:
    """Say what a step came to."""
    weights = {fault.rule.weight for fault in step.faults}
    if Weight.BROKEN in weights:
        return Outcome.BROKEN
    if Weight.UNKNOWN in weights or step.unchecked:
        return Outcome.UNKNOWN
    if weights:
        return Outcome.ODD
    return Outcome.SKIPPED if step.skipped else Outcome.SOUND


def count_places(steps: Iterable[Step], weight: Weight) -> int:
    """Count the places that break rules of a weight."""
    return sum(one.count for step in steps for one in by_rule(step) if one.rule.weight is weight)


def all_steps(images: Iterable[Checked]) -> Iterator[Step]:
    """Yield every step of every image."""
    for image in images:
        yield from image.steps


def verdict_of(images: Iterable[Checked]) -> Verdict:
    """Conclude: broken beats unknown, and what could not be looked at is not sound; what was not asked for may be."""
    outcomes = {outcome_of(step) for step in all_steps(images)}
    if Outcome.BROKEN in outcomes:
        return Verdict.UNSOUND
    return Verdict.UNKNOWN if Outcome.UNKNOWN in outcomes else Verdict.SOUND


def strictly(report: CheckReport) -> CheckReport:
    """Let warnings count as faults."""
    is_odd = any(fault.rule.weight is Weight.ODD for step in all_steps(report.images) for fault in step.faults)
    return replace(report, verdict=Verdict.UNSOUND) if is_odd else report


def exit_status(report: CheckReport) -> ExitStatus:
    """Return the exit status of a verdict."""
    return _STATUSES[report.verdict]
