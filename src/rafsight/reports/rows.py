"""Findings to the rows that people read: what says the same is said once.

This module alone decides which findings share a row and which rows belong together. Binary packages of one source that
have the same flaw, version and fix are one row; rows of the same packages are one group.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from rafsight.base.severity import Severity
from rafsight.matching.finding import Finding
from rafsight.reports.ranking import rank_of
from rafsight.reports.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One flaw of the packages of a group. Foreign text, not yet escaped."""

    id: str
    severity: Severity
    status: str
    fixed: str
    title: str
    url: str
    known_exploited: bool
    malware: bool
    kernel_headers: bool = False
    unimportant: bool = False
    epss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Packages that have the same flaws."""

    libraries: tuple[str, ...]
    """Names, ordered."""
    installed: str
    places: tuple[bytes, ...]
    """Where a language package lies; empty for OS packages."""
    rows: tuple[Row, ...]
    """By risk, then by id."""


def group_findings(target: Target) -> tuple[Group, ...]:
    """Bring the findings of a target into groups, ordered by name and version.

    Cost: Linear in the findings, but for sorting.
    """
    names: dict[tuple[_Origin, Row], set[str]] = {}
    places: dict[_Origin, dict[bytes, None]] = {}
    marked = chain(((finding, False) for finding in target.findings), ((one, True) for one in target.unimportant))
    for finding, unimportant in marked:
        origin = _origin_of(finding)
        row = _row_of(finding, unimportant=unimportant)
        names.setdefault((origin, row), set()).add(finding.component.name)
        if not target.is_os:
            places.setdefault(origin, {}).update(dict.fromkeys(finding.component.locations))
    rows: dict[tuple[_Origin, tuple[str, ...]], list[Row]] = {}
    for (origin, row), libraries in names.items():
        rows.setdefault((origin, tuple(sorted(libraries))), []).append(row)
    groups = (
        Group(
            libraries=libraries,
            installed=origin[2],
            places=tuple(places.get(origin, ())),
            rows=tuple(_worst_first(members)),
        )
        for (origin, libraries), members in rows.items()
    )
    return tuple(sorted(groups, key=_place_of))


def _place_of(group: Group) -> tuple[str, ...]:
    """Order as people look for a name: `Flask` stands after `certifi`."""
    return group.libraries[0].casefold(), *group.libraries, group.installed, group.rows[0].id


_Origin = tuple[str, str, str]


def _origin_of(finding: Finding) -> _Origin:
    component = finding.component
    return component.ecosystem.value, component.source_name or component.name, component.version


def _row_of(finding: Finding, *, unimportant: bool) -> Row:
    return Row(
        id=finding.id,
        severity=finding.severity,
        status=finding.status.value.replace("_", " "),
        fixed=_fix_of(finding),
        title=finding.title or finding.description,
        url=finding.primary_url,
        known_exploited=finding.known_exploited,
        malware=finding.malware,
        kernel_headers=finding.kernel_headers,
        unimportant=unimportant,
        epss=finding.epss,
    )


def _fix_of(finding: Finding) -> str:
    fixed = ", ".join(finding.fixed_versions)
    return f"{fixed} ({finding.fix_channel})" if fixed and finding.fix_channel else fixed


def _worst_first(rows: Iterable[Row]) -> list[Row]:
    return sorted(
        rows, key=lambda row: (*rank_of(row.severity, known_exploited=row.known_exploited, epss=row.epss), row.id)
    )
