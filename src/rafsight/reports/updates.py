"""What there is to do about vulnerabilities: one line a package, with the version that ends most of its flaws.

This module alone decides which lines there are and in what order: the package whose update ends the worst comes first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rafsight.base.severity import Severity
from rafsight.matching.finding import Finding
from rafsight.matching.fixing import choose_update, ends_flaw, scheme_of_packages
from rafsight.reports.findings import NARROW_WIDTH
from rafsight.reports.paint import Line, Painter, Span, Style, beside, cells, styled, wrap
from rafsight.reports.ranking import Rank, rank_of

_SHOWN: Final = 20
"""Packages; those that follow are counted."""
_HEADINGS: Final = ("Package", "Installed", "Update to", "Mends")
_MOST: Final = (28, 24, 24)
"""[columns] of a name and of versions; longer ones are wrapped."""
_INDENT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """An update of a package; those of one source package are one. Foreign text, not yet escaped."""

    names: tuple[str, ...]
    """Ordered."""
    installed: str
    version: str
    """The lowest that ends most flaws."""
    channel: str
    """Where it is to be had, if not in the ordinary repositories: `Ubuntu Pro`."""
    ended: tuple[Finding, ...]
    """Flaws that it ends, each id once, the worst first."""
    left: int
    """Flaws with a fix that this version does not reach."""

    @property
    def rank(self) -> tuple[Rank, int]:
        """What to sort by, the most urgent first."""
        return _rank(self.ended[0]), -len(self.ended)


def updates_of(findings: Iterable[Finding]) -> tuple[Update, ...]:
    """Work out which package to update to which version, the most urgent first.

    Args:
        findings: those without a fix, and those whose versions cannot be compared, ask for none.
    Cost: linear in the findings, but for sorting; a few dozen comparisons each.
    """
    groups: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in findings:
        if finding.fixed_versions:
            component = finding.component
            name = component.source_name or component.name
            key = (component.ecosystem.value, name, component.version, finding.fix_channel)
            groups.setdefault(key, []).append(finding)
    found = [update for key, members in groups.items() if (update := _update(key, members)) is not None]
    return tuple(sorted(found, key=lambda one: (one.rank, one.names[0].casefold(), one.names, one.installed)))


def render_updates(updates: Sequence[Update], *, width: int, painter: Painter) -> list[Line]:
    """Lay out what to update, with its heading.

    Args:
        updates: at least one.
        width: [columns] that no line exceeds.
        painter: for one kind of terminal.
    """
    lines = styled([f"What to update ({len(updates):,})"], Style.BOLD)
    shown, others = updates[:_SHOWN], updates[_SHOWN:]
    rows = [[painter.safe(text) for text in _texts(update)] for update in shown]
    if width < NARROW_WIDTH:
        lines += [line for row in rows for line in _stacked(row, width)]
    else:
        lines += _columns(rows, width, painter)
    if others:
        worst = max((finding.severity for one in others for finding in one.ended), default=Severity.UNKNOWN)
        count = f"{len(others):,} more package{'' if len(others) == 1 else 's'}"
        lines += [(), *styled(wrap(f"And {count}, for nothing worse than {worst.name}.", width))]
    return lines


def _update(key: tuple[str, str, str, str], findings: Sequence[Finding]) -> Update | None:
    ecosystem, _, installed, channel = key
    scheme = scheme_of_packages(ecosystem)
    flaws = {finding.id: finding for finding in findings}
    version = choose_update(installed, (one.fixed_versions for one in flaws.values()), scheme) if scheme else ""
    if scheme is None or not version:
        return None
    ended = [one for one in flaws.values() if ends_flaw(version, one.fixed_versions, scheme)]
    return Update(
        names=tuple(sorted({finding.component.name for finding in findings})),
        installed=installed,
        version=version,
        channel=channel,
        ended=tuple(sorted(ended, key=lambda one: (_rank(one), one.id))),
        left=len(flaws) - len(ended),
    )


def _rank(finding: Finding) -> Rank:
    return rank_of(finding.severity, known_exploited=finding.known_exploited, epss=finding.epss)


def _texts(update: Update) -> tuple[str, str, str, str]:
    counts = [
        f"{count:,} {severity.name.lower()}"
        for severity in sorted(Severity, reverse=True)
        if (count := sum(one.severity is severity for one in update.ended))
    ]
    exploited = sum(one.known_exploited for one in update.ended)
    told = ", ".join(counts) + (f"; {exploited:,} known exploited" if exploited else "")
    told += f"; {update.left:,} stay" if update.left else ""
    version = f"{update.version} ({update.channel})" if update.channel else update.version
    return ", ".join(update.names), update.installed, version, told


def _columns(rows: Sequence[Sequence[str]], width: int, painter: Painter) -> list[Line]:
    widths = [
        min(max(cells(heading), *(cells(row[index]) for row in rows)), most)
        for index, (heading, most) in enumerate(zip(_HEADINGS, _MOST, strict=False))
    ]
    rest = width - sum(widths) - 2 * len(widths)
    widths.append(min(max(cells(_HEADINGS[-1]), *(cells(row[-1]) for row in rows)), max(rest, cells(_HEADINGS[-1]))))
    while sum(widths) + 6 > width:
        widths[widths.index(max(widths[:3]))] -= 1
    total = sum(widths) + 6
    headings = [styled([heading], Style.BOLD) for heading in _HEADINGS]
    lines: list[Line] = [(), *beside(list(zip(widths, headings, strict=True))), painter.rule(total, heavy=True)]
    for row in rows:
        lines += beside([(room, styled(wrap(text, room))) for room, text in zip(widths, row, strict=True)])
    return lines


def _stacked(row: Sequence[str], width: int) -> list[Line]:
    name, installed, version, told = row
    told = f"{installed}, update to {version}: mends {told}"
    indented = [(Span(" " * _INDENT), *line) for line in styled(wrap(told, width - _INDENT))]
    return [*styled(wrap(name, width), Style.BOLD), *indented]
