"""`rafsight scan --fail-on` and `--max-database-age`: when a scan fails, and with which exit status.

This module alone decides the exit status of a scan that has a report.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

import rafsight
from rafsight.base.durations import format_duration, parse_duration
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.text import printable
from rafsight.interfaces.cli.lazy import SectionOption
from rafsight.interfaces.cli.options import Function
from rafsight.interfaces.cli.ui import Ui
from rafsight.reports.database_age import age_at, age_of_database
from rafsight.reports.document import PolicyAnswer, ScanReport
from rafsight.reports.policy import unanswerable
from rafsight.reports.policy_language import Policy, parse_policy
from rafsight.reports.selection import counts_for_exit, has_unreadable, is_complete, is_empty

_REASON_LENGTH: Final = 1000
"""[characters]"""


class StaleDatabase(CallerError):
    """The advisories are older than the user allows."""

    code = "stale-database"
    template = "the advisories in {path} are {age} old, and --max-database-age allows {most}"
    remedy = "Run `rafsight db update`; if they stay that old, the place that they come from is not kept up to date."
    exit_status = ExitStatus.DATABASE


class UndatedDatabase(CallerError):
    """The user wants young advisories, and nobody says how old they are."""

    code = "undated-database"
    template = "nobody says how old the advisories in {path} are, and --max-database-age allows {most}"
    remedy = "Run `rafsight db update`, or leave out --max-database-age."
    exit_status = ExitStatus.DATABASE


class UnansweredPolicy(CallerError):
    """A policy asks about something that the scan does not look for."""

    code = "unanswered-policy"
    template = "--fail-on asks about '{clause}', which this scan does not look for"
    remedy = "Let the scan look for it, too (--scanners), or take it out of the policy."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChoice:
    """When the user wants a scan to fail."""

    policies: tuple[Policy, ...]
    max_age: float | None
    """[s] that the advisories may be old; None: any age."""


_policy_option = functools.partial(click.option, cls=SectionOption, section="Policy options")

_OPTIONS: Final = (
    _policy_option(
        "--fail-on",
        multiple=True,
        metavar="EXPR",
        help="Fail (exit status 1, or that of --exit-code) if this holds, for example 'critical or high.fixable > 5'; "
        "docs/pipelines.md has all words. May be repeated: any of them.",
    ),
    _policy_option(
        "--max-database-age",
        metavar="AGE",
        help="Refuse to scan with advisories that are older, for example 7d or 12h.  [default: any age]",
    ),
)


def policy_options(function: Function) -> Function:
    """Add the policy options to `scan`, and hand it `policy` made from them."""

    @functools.wraps(function)
    def run(*args: Any, fail_on: tuple[str, ...], max_database_age: str | None, **kwargs: Any) -> Any:
        age = None if max_database_age is None else parse_duration(max_database_age)
        if max_database_age is not None and age is None:
            message = f"--max-database-age {max_database_age} is no span of time; 7d, 12h and 2w are some."
            raise click.UsageError(message)
        choice = PolicyChoice(policies=tuple(map(parse_policy, fail_on)), max_age=age)
        return function(*args, policy=choice, **kwargs)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def check_before(choice: PolicyChoice, *, scanners: Sequence[str], database: Path | None) -> None:
    """Refuse before anything is fetched what would fail afterwards.

    Args:
        choice: what the user wants.
        scanners: what is looked for.
        database: that is asked; None if a foreign engine has its own, which only its report tells of.
    Raises: UnansweredPolicy, StaleDatabase, UndatedDatabase; NoDatabase and others if an age is asked for.
    """
    for policy in choice.policies:
        for clause in unanswerable(policy, scanners):
            raise UnansweredPolicy(clause=clause.text)
    if choice.max_age is not None and database is not None and "vuln" in scanners:
        status = rafsight.Advisories(database).status()
        age = age_at(datetime.now(UTC).isoformat(), built=status.built, newest_record=status.newest_record)
        _check_age(age, choice.max_age, str(database))


def asks_for_licenses(choice: PolicyChoice) -> bool:
    """Tell whether licences have to be read for an answer."""
    return any(clause.function == "license" for policy in choice.policies for clause in policy.clauses)


def check_after(choice: PolicyChoice, report: ScanReport) -> None:
    """Refuse the report of a foreign engine whose advisories are too old.

    Raises: StaleDatabase, UndatedDatabase.
    """
    if choice.max_age is not None and report.engine is not None and report.database is not None:
        _check_age(age_of_database(report), choice.max_age, f"the database of {report.engine.name}")


def _check_age(age: float | None, most: float, path: str) -> None:
    if age is None:
        raise UndatedDatabase(path=path, most=format_duration(most))
    if age > most:
        raise StaleDatabase(path=path, age=format_duration(age), most=format_duration(most))


def exit_status_of(report: ScanReport, *, on_findings: int | None, allow_incomplete: bool) -> int:
    """Decide the exit status: what was found first, then what was not looked at.

    Args:
        report: as filtered, with what the policies say.
        on_findings: the status that the user wants if a policy holds, or, without a policy, if anything is found (but
            flaws of headers of a kernel); 0 means that it does not matter. None: 1 with policies, 0 without.
        allow_incomplete: what was not looked at does not matter, unless its bytes could not be had or did not verify.
    """
    if report.policies:
        fails = any(answer.holds for answer in report.policies)
        wanted = ExitStatus.POLICY if on_findings is None else on_findings
    else:
        fails, wanted = counts_for_exit(report), on_findings or 0
    if fails and wanted:
        return wanted
    if has_unreadable(report.gaps):
        return ExitStatus.INCOMPLETE
    if allow_incomplete:
        return ExitStatus.OK
    if is_empty(report):
        return ExitStatus.NOTHING
    is_answered = is_complete(report) and all(answer.holds is not None for answer in report.policies)
    return ExitStatus.OK if is_answered else ExitStatus.INCOMPLETE


def explain_status(report: ScanReport, status: int, ui: Ui) -> None:
    """Say on standard error what made a scan fail, if that is not what the user asked `--exit-code` for."""
    for answer in report.policies:
        if answer.holds:
            what = f"so the exit status is {int(status)}" if status else "which --exit-code 0 lets pass"
            ui.warn(
                printable(f"the policy '{answer.expression}' holds: {joined_reasons(answer)}, {what}", _REASON_LENGTH)
            )
    if status == ExitStatus.NOTHING:
        ui.warn("no package was found to look at, so the exit status is 4; --allow-incomplete makes it 0")
    elif status == ExitStatus.INCOMPLETE and not any(answer.holds for answer in report.policies):
        ui.warn(_why_incomplete(report))


def joined_reasons(answer: PolicyAnswer) -> str:
    """Write the reasons of a policy in a line."""
    return "; ".join(answer.reasons)


def _why_incomplete(report: ScanReport) -> str:
    if has_unreadable(report.gaps):
        return (
            "bytes of the image could not be had or did not verify (the report lists them), so the exit status is 3, "
            "with --allow-incomplete, too"
        )
    open_questions = [answer for answer in report.policies if answer.holds is None]
    if report.gaps:
        what = "something was not looked at (the report lists it)"
    elif open_questions:
        what = f"the policy '{open_questions[0].expression}' has no answer: {joined_reasons(open_questions[0])}"
    else:
        what = "vulnerabilities were not looked for"
    return printable(f"{what}, so the exit status is 3; --allow-incomplete makes it 0", _REASON_LENGTH)
