"""`rafsight scan`: find known vulnerabilities in an image.

This module alone decides the exit status of a scan.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import rafsight
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import registry_options, with_ui
from rafsight.interfaces.cli.output import is_standard_output, open_output
from rafsight.interfaces.cli.scan_engine import EngineChoice, check_choice, engine_options, scan_by_engine, write_raw
from rafsight.interfaces.cli.terminal import A_FILE, Terminal, standard_output
from rafsight.interfaces.cli.ui import Ui
from rafsight.reports.document import ScanReport
from rafsight.reports.selection import filter_findings, has_unreadable, is_complete
from rafsight.reports.severities import parse_severities

if TYPE_CHECKING:
    from rafsight import Options

_LAST_SECOND: Final = 253_402_300_799
"""[s since 1970] of the last date that RFC 3339 can write."""


class MalformedEpoch(CallerError):
    """SOURCE_DATE_EPOCH is set and is no time."""

    code = "malformed-epoch"
    template = "SOURCE_DATE_EPOCH is '{text}', which is not a number of seconds"
    remedy = (
        "Set it to the seconds since 1970, for example `SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)`, or unset it."
    )
    exit_status = ExitStatus.USAGE


@click.command("scan", cls=SectionedCommand, short_help="Find known vulnerabilities in an image.")
@click.argument("reference", metavar="REF")
@click.option(
    "-f",
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table for people, or Trivy's JSON for programs.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to a file, all or nothing; - is standard output.",
)
@click.option(
    "-s",
    "--severity",
    "severities",
    metavar="LIST",
    default="UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL",
    show_default=True,
    help="Show only these, separated by commas.",
)
@click.option("--ignore-unfixed", is_flag=True, help="Show only what has a fixed version.")
@click.option(
    "--show-unimportant",
    is_flag=True,
    help="List what the distribution calls unimportant, too, marked so; it never sets the exit status.",
)
@click.option("--list-all-pkgs", "list_all", is_flag=True, help="Name every package, not only the vulnerable ones.")
@click.option(
    "--exit-code",
    type=click.IntRange(0, 255),
    default=0,
    metavar="N",
    help="Exit status if anything is found after the filters.  [default: 0]",
)
@click.option(
    "--allow-incomplete",
    is_flag=True,
    help="Exit with 0, not 3, though something was not looked at; never if bytes could not be had or did not verify.",
)
@click.option(
    "--db",
    "database",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The advisory database.  [default: db/advisories.sqlite in the cache]",
)
@engine_options
@registry_options
@with_ui
def scan(
    reference: str,
    *,
    output_format: str,
    output: Path | None,
    severities: str,
    ignore_unfixed: bool,
    show_unimportant: bool,
    list_all: bool,
    exit_code: int,
    allow_incomplete: bool,
    database: Path | None,
    engine: "EngineChoice | None",
    options: "Options",
    ui: Ui,
) -> int:
    """Find known vulnerabilities in the packages of the image REF.

    Only the bytes that name packages are fetched. What was not looked at is listed in the report and makes the exit
    status 3, so that it never passes for clean.

    \b
    Exit status:
      0   done, whatever was found
      N   something was found, with --exit-code N
      3   something was not looked at; --allow-incomplete makes it 0,
          unless bytes could not be had or did not verify
      else an error, see docs/exit-codes.md
    """  # noqa: D301 - click wants a backspace
    wanted = parse_severities(severities)
    created = creation_date(os.environ.get("SOURCE_DATE_EPOCH"))
    if output is not None and is_standard_output(output):
        output = None
    if engine is not None:
        check_choice(engine, click.get_current_context())
        if engine.raw:
            return write_raw(reference, engine, output, allow_incomplete=allow_incomplete, options=options, ui=ui)
    with open_output(output) as sink:
        if engine is not None:
            report = scan_by_engine(reference, engine, options=options, ui=ui)
        else:
            report = rafsight.scan_reference(
                reference, database=database or ui.default_database, options=options, listener=ui.listener
            )
        shown = filter_findings(
            report, severities=wanted, ignore_unfixed=ignore_unfixed, show_unimportant=show_unimportant
        )
        terminal = standard_output() if output is None else A_FILE
        ui.begin_output()
        sink(render(shown, output_format, created=created, list_all=list_all, terminal=terminal))
    status = exit_status(shown, on_findings=exit_code, allow_incomplete=allow_incomplete)
    if status == ExitStatus.INCOMPLETE:
        ui.warn(_why_incomplete(shown))
    return status


def _why_incomplete(report: ScanReport) -> str:
    if has_unreadable(report):
        return (
            "bytes of the image could not be had or did not verify (the report lists them), so the exit status is 3, "
            "with --allow-incomplete, too"
        )
    what = "something was not looked at (the report lists it)" if report.gaps else "vulnerabilities were not looked for"
    return f"{what}, so the exit status is 3; --allow-incomplete makes it 0"


def render(report: ScanReport, output_format: str, *, created: str | None, list_all: bool, terminal: Terminal) -> str:
    """Write a report in one of the formats.

    Args:
        report: as filtered.
        output_format: `table` or `json`.
        created: RFC 3339; None takes the time of the scan.
        list_all: name every package.
        terminal: where it goes.
    """
    if output_format == "json":
        from rafsight.reports.trivy_json import render_json

        return render_json(report, created=created or report.started, list_all=list_all)
    from rafsight.reports.table import render_table

    return render_table(
        report, width=terminal.width, colour=terminal.colour, unicode=terminal.unicode, list_all=list_all
    )


def exit_status(report: ScanReport, *, on_findings: int, allow_incomplete: bool) -> int:
    """Decide the exit status: findings first (not those about headers of a kernel), then what was not looked at.

    Args:
        report: as filtered.
        on_findings: the status that the user wants if anything is found; 0 means that findings do not matter.
        allow_incomplete: what was not looked at does not matter, unless its bytes could not be had or did not verify.
    """
    if on_findings and any(not finding.kernel_headers for finding in report.findings):
        return on_findings
    if has_unreadable(report) or not (is_complete(report) or allow_incomplete):
        return ExitStatus.INCOMPLETE
    return ExitStatus.OK


def creation_date(epoch: str | None) -> str | None:
    """Return the date that SOURCE_DATE_EPOCH asks for, RFC 3339; None if it asks for none.

    Raises: MalformedEpoch.
    """
    if not epoch:
        return None
    if not (epoch.isascii() and epoch.isdigit() and len(epoch) < 20) or int(epoch) > _LAST_SECOND:
        raise MalformedEpoch(text=epoch)
    return datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
