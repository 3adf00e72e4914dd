"""One thing that somebody says about findings, whatever kind of file says it.

This module alone decides when a rule is about a name, a package or a path.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.matching.suppression.globs import names_path
from rafsight.matching.suppression.purls import Purl

IGNORED: Final = "ignored"
NOT_AFFECTED: Final = "not_affected"
FIXED: Final = "fixed"
AFFECTED: Final = "affected"
UNDER_INVESTIGATION: Final = "under_investigation"
SUPPRESSING: Final = frozenset({IGNORED, NOT_AFFECTED, FIXED})
"""Statuses that take a finding out of a report; the others only overrule older statements."""

VULNERABILITIES: Final = "vuln"
SECRETS: Final = "secret"
MISCONFIGURATIONS: Final = "misconfig"
ALL_KINDS: Final = frozenset({VULNERABILITIES, SECRETS, MISCONFIGURATIONS})

RULE_COUNT: Final = 500_000
"""Rules in one file."""


class MalformedRules(CallerError):
    """A file that should say what to ignore does not."""

    code = "malformed-ignore-rules"
    template = "{name} says at {where} what nobody here understands: {what}"
    remedy = "Mend the file; docs/suppressing.md has the forms that are read."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a VEX statement is about: an image, a package, or a package in an image."""

    image: str = ""
    """Package URL or name of the image; empty: any."""
    package: Purl | None = None
    """None: every package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Something said about findings of some names."""

    names: frozenset[str]
    """Ids of vulnerabilities, secret rules or checks, folded by `fold`."""
    kinds: frozenset[str]
    """Of findings: `vuln`, `secret`, `misconfig`."""
    status: str
    statement: str
    """The reason; empty if none is given."""
    source: str
    """The file that says so."""
    paths: tuple[str, ...] = ()
    """Globs; empty: everywhere."""
    targets: tuple[Target, ...] = ()
    """Empty: whatever has it."""
    expires: date | None = None
    """From this day on it counts no longer."""
    said: str = ""
    """When, UTC: of two statements the later one counts. Empty: nobody says."""

    def is_current(self, today: date) -> bool:
        """Tell whether a rule counts on a day."""
        return self.expires is None or today < self.expires


def fold(name: str) -> str:
    """Write an id so that its case does not matter."""
    return name.strip().casefold()


def matches_path(globs: tuple[str, ...], path: bytes) -> bool:
    """Tell whether one of some globs names a path; without globs every path is meant."""
    return not globs or any(names_path(glob, path) for glob in globs)


def moment_of(text: object) -> str:
    """Read a date and time; return it in UTC so that texts compare as times do, empty if it is none."""
    if not isinstance(text, str) or len(text) > 64:
        return ""
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.strip()))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError):
        return ""


def day_of(text: str, name: str, where: str) -> date:
    """Read a day as `2026-12-31`; a time behind it is passed over.

    Raises: MalformedRules.
    """
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError as error:
        raise MalformedRules(name=name, where=where, what=f"'{text}' is no day like 2026-12-31") from error
