"""Secrets, misconfiguration and what was suppressed as lines, for people.

This module alone decides how they look: the severity on the left, everything else below each other beside it, so that
one layout does for every width.
"""

from collections.abc import Sequence
from typing import Final

from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.secrets.finding import Secret
from rafsight.base.severity import Severity
from rafsight.matching.finding import Finding
from rafsight.reports.document import Suppressed
from rafsight.reports.findings import SEVERITY_STYLES
from rafsight.reports.paint import Line, Painter, Style, beside, clip, styled, wrap
from rafsight.reports.places import describe_evidence, secret_places

_SEVERITY_WIDTH: Final = 10
_PLACES: Final = 5
"""Places of one finding that are shown; JSON has all."""
_MATCH_LINES: Final = 2


def render_secrets(secrets: Sequence[Secret], *, width: int, painter: Painter) -> list[Line]:
    """Lay out secrets, in the order given.

    Args:
        secrets: at least one.
        width: [columns] that no line exceeds.
        painter: for one kind of terminal.
    """
    blocks = []
    room = width - _SEVERITY_WIDTH
    for secret in secrets:
        sure = "" if secret.confidence == "high" else f", {secret.confidence.value} confidence"
        lines = styled(wrap(painter.safe(f"{secret.title} ({secret.rule_id}{sure})"), room), Style.BOLD)
        lines += _places(secret_places(secret), len(secret.places), room, painter)
        match = painter.safe(secret.match)
        lines += styled(clip(wrap(match, room), _MATCH_LINES, room, painter.ellipsis)) if match else []
        lines += styled(wrap(painter.safe(secret.remedy), room)) if secret.remedy else []
        blocks.append((secret.severity, lines))
    return _beside_severity(blocks, width, painter)


def render_checks(checks: Sequence[Misconfiguration], *, width: int, painter: Painter) -> list[Line]:
    """Lay out checks that failed, in the order given; see `render_secrets`."""
    blocks = []
    room = width - _SEVERITY_WIDTH
    for check in checks:
        also = f", {', '.join(check.aliases)}" if check.aliases else ""
        lines = styled(wrap(painter.safe(f"{check.title} ({check.id}{also})"), room), Style.BOLD)
        lines += styled(wrap(painter.safe(check.message), room)) if check.message else []
        lines += _places([describe_evidence(evidence) for evidence in check.evidence], check.count, room, painter)
        lines += styled(wrap(painter.safe(check.resolution), room)) if check.resolution else []
        lines += styled(wrap(painter.safe(check.references[0]), room), Style.DIM) if check.references else []
        blocks.append((check.severity, lines))
    return _beside_severity(blocks, width, painter)


def render_suppressed(suppressed: Sequence[Suppressed], *, width: int, painter: Painter) -> list[Line]:
    """Lay out what was suppressed with the reasons, in the order given; see `render_secrets`."""
    blocks = []
    room = width - _SEVERITY_WIDTH
    for one in suppressed:
        lines = styled(wrap(painter.safe(describe_suppressed(one)), room), Style.BOLD)
        says = f"{one.status.replace('_', ' ')}, says {one.source}"
        says += f": {one.statement}" if one.statement else ", without a reason"
        lines += styled(wrap(painter.safe(says, 1000), room))
        blocks.append((one.finding.severity, lines))
    return _beside_severity(blocks, width, painter)


def describe_suppressed(one: Suppressed) -> str:
    """Name what was suppressed. Foreign text, not yet escaped."""
    match one.finding:
        case Finding() as finding:
            return f"{finding.id} in {finding.component.name} {finding.component.version}"
        case Secret() as secret:
            return f"{secret.title} ({secret.rule_id}) in {', '.join(secret_places(secret))}"
        case Misconfiguration() as check:
            return f"{check.title} ({check.id})"


def _places(places: Sequence[str], count: int, width: int, painter: Painter) -> list[Line]:
    lines = []
    for place in places[:_PLACES]:
        first, *others = wrap(painter.safe(place), width - 3)
        lines += [f"in {first}", *(f"   {other}" for other in others)]
    more = count - min(len(places), _PLACES)
    if places and more > 0:
        lines.append(f"and in {more:,} more {'place' if more == 1 else 'places'}")
    return styled(lines, Style.DIM)


def _beside_severity(blocks: Sequence[tuple[Severity, list[Line]]], width: int, painter: Painter) -> list[Line]:
    result: list[Line] = [painter.rule(width, heavy=True)]
    for index, (severity, lines) in enumerate(blocks):
        if index:
            result.append(painter.rule(width))
        result += beside(
            [
                (_SEVERITY_WIDTH, styled([severity.name], SEVERITY_STYLES[severity])),
                (width - _SEVERITY_WIDTH, lines),
            ],
            0,
        )
    return result
