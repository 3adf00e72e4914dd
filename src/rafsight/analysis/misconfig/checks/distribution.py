"""Checks of the distribution: is it still looked after?"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from rafsight.analysis.misconfig.check import Check
from rafsight.analysis.misconfig.end_of_life import LifeSpan, life_span
from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.misconfig.subject import Subject
from rafsight.base.severity import Severity
from rafsight.base.text import printable

CATEGORY: Final = "distribution"
_SOON: Final = timedelta(days=90)


def ended(subject: Subject) -> Iterator[Evidence]:
    """Find releases that get no more fixes."""
    span = _span(subject)
    if span is not None and span.end < subject.today:
        yield _evidence(subject, f"ended on {span.end.isoformat()}")


def ends_soon(subject: Subject) -> Iterator[Evidence]:
    """Find releases that get fixes for a short time only."""
    span = _span(subject)
    if span is not None and subject.today <= span.end < subject.today + _SOON:
        yield _evidence(subject, f"ends on {span.end.isoformat()}")


def _span(subject: Subject) -> LifeSpan | None:
    return life_span(subject.distribution) if subject.distribution else None


def _evidence(subject: Subject, what: str) -> Evidence:
    assert subject.distribution is not None
    return Evidence(place="os-release", detail=f"{printable(subject.distribution.name, 100)}: support {what}")


CHECKS: Final = (
    Check(
        id="RS-OS-001",
        title="The distribution has reached its end of life",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="New flaws are neither mended nor told about any more: a clean report says little.",
        message="The distribution gets no more security fixes",
        resolution="Build the image on a release that is still supported.",
        references=("https://endoflife.date/",),
        find=ended,
    ),
    Check(
        id="RS-OS-002",
        title="The distribution reaches its end of life soon",
        severity=Severity.LOW,
        category=CATEGORY,
        description="From then on flaws are neither mended nor told about.",
        message="The distribution gets security fixes for less than 90 days more",
        resolution="Plan to build the image on a newer release.",
        references=("https://endoflife.date/",),
        find=ends_soon,
    ),
)
