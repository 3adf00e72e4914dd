"""`rafsight scan`: find known vulnerabilities in an image.

This module alone decides in which order a scan goes; `scan_policy` decides its exit status.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

import rafsight
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.interfaces.cli.ignored_options import check_bill, check_scanners
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import EXISTING_FILE, Size, cache_options, registry_options, with_ui
from rafsight.interfaces.cli.scan_engine import EngineChoice, check_choice, engine_options, scan_by_engine, write_raw
from rafsight.interfaces.cli.scan_judging import Judging
from rafsight.interfaces.cli.scan_many import ManyChoice, many_options, scan_many
from rafsight.interfaces.cli.scan_output import open_outputs, output_options, parse_outputs, write_reports
from rafsight.interfaces.cli.scan_policy import (
    PolicyChoice,
    asks_for_licenses,
    check_before,
    explain_status,
    policy_options,
)
from rafsight.interfaces.cli.scan_suppression import Suppression, read_rules, suppression_options
from rafsight.interfaces.cli.terminal import Terminal
from rafsight.interfaces.cli.ui import Ui
from rafsight.reports import formats
from rafsight.reports.document import ScanReport
from rafsight.reports.severities import parse_severities
from rafsight.reports.terms import Terms

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
@many_options
@output_options
@click.option(
    "--scanners",
    metavar="LIST",
    default="vuln",
    show_default=True,
    help="What to look for, separated by commas: vuln, secret, misconfig.",
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
@click.option("--declared", is_flag=True, help="Read lock files, too: what a build was meant to have.")
@click.option(
    "--config",
    type=EXISTING_FILE,
    metavar="FILE",
    help="Rules for secrets and checks of your own.  [default: rafsight.yaml here, if there is one]",
)
@click.option(
    "--secret-budget",
    type=Size(),
    default="64MiB",
    show_default=True,
    help="The most that is fetched to look for secrets; the largest risk comes first.",
)
@click.option("--list-all-pkgs", "list_all", is_flag=True, help="Name every package, not only the vulnerable ones.")
@click.option(
    "--exit-code",
    type=click.IntRange(0, 255),
    metavar="N",
    help="Exit status if anything is found after the filters, or if --fail-on says so.  [default: 0; of --fail-on 1]",
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
@policy_options
@suppression_options
@engine_options
@registry_options
@cache_options
@with_ui
def scan(
    *,
    many: ManyChoice,
    output_format: str,
    outputs: tuple[str, ...],
    scanners: str,
    severities: str,
    declared: bool,
    config: Path | None,
    secret_budget: int,
    ignore_unfixed: bool,
    show_unimportant: bool,
    list_all: bool,
    exit_code: int | None,
    allow_incomplete: bool,
    database: Path | None,
    policy: PolicyChoice,
    suppression: Suppression,
    engine: "EngineChoice | None",
    options: "Options",
    ui: Ui,
) -> int:
    """Find known vulnerabilities in the packages of the image REF; with --scanners, secrets and misconfiguration, too.

    Only the bytes that answer this are fetched. What was not looked at is listed in the report and makes the exit
    status 3, so that it never passes for clean.

    Of many images (several REFs, --images, --registry, --dask) there is a line for each, as it is done; --reports DIR
    keeps their reports.

    \b
    Exit status:
      0   done, whatever was found
      N   something was found, with --exit-code N
      1   --fail-on says so (N with --exit-code N)
      3   something was not looked at; --allow-incomplete makes it 0,
          unless bytes could not be had or did not verify; one of many
          images could not be scanned
      4   no package was found; --allow-incomplete makes it 0
      else an error, see docs/exit-codes.md
    """  # noqa: D301 - click wants a backspace
    wanted = parse_severities(severities)
    created = creation_date(os.environ.get("SOURCE_DATE_EPOCH"))
    destinations = parse_outputs(outputs, output_format)
    reference = many.only
    check_bill(reference, click.get_current_context())
    if engine is not None and reference is not None:
        check_choice(engine, click.get_current_context())
        if engine.raw:
            if len(destinations) > 1:
                raise click.UsageError("--output FORMAT=FILE does not go with --raw.")
            target = destinations[0].path
            return write_raw(reference, engine, target, allow_incomplete=allow_incomplete, options=options, ui=ui)
    looked_for = tuple(dict.fromkeys(part.strip() for part in scanners.split(",") if part.strip()))
    if engine is None:
        check_scanners(looked_for, click.get_current_context())
    look: dict[str, Any] = {
        "database": database or ui.default_database,
        "scanners": looked_for,
        "declared": declared,
        "licenses": asks_for_licenses(policy) or any(formats.format_named(one.format).is_bill for one in destinations),
        "config": config,
        "secret_budget": secret_budget,
    }
    judging = Judging(
        rules=read_rules(suppression),
        severities=wanted,
        ignore_unfixed=ignore_unfixed,
        show_unimportant=show_unimportant,
        policy=policy,
        exit_code=exit_code,
        allow_incomplete=allow_incomplete,
        created=created,
    )
    known = None if engine is not None or "vuln" not in looked_for else database or ui.default_database
    check_before(policy, scanners=looked_for, database=known)
    if reference is None:
        return scan_many(
            many,
            judging,
            look=look,
            output_format=output_format,
            list_all=list_all,
            show_suppressed=suppression.is_shown,
            options=options,
            ui=ui,
        )
    with open_outputs(destinations) as places:
        if engine is not None:
            report = scan_by_engine(reference, engine, options=options, ui=ui)
        else:
            report = rafsight.scan_reference(reference, **look, options=options, listener=ui.listener)
        shown = judging.shown(report, ui)
        ui.begin_output()
        write_reports(
            shown,
            places,
            created=judging.date_of(report),
            list_all=list_all,
            show_suppressed=suppression.is_shown,
        )
    status = judging.status_of(shown)
    explain_status(shown, status, ui)
    return status


def render(report: ScanReport, output_format: str, *, created: str | None, list_all: bool, terminal: Terminal) -> str:
    """Write a report in one of the formats.

    Args:
        report: as filtered.
        output_format: name of a format.
        created: RFC 3339; None takes the time of the scan.
        list_all: name every package.
        terminal: where it goes.
    """
    terms = Terms(
        created=created or report.started,
        list_all=list_all,
        width=terminal.width,
        colour=terminal.colour,
        unicode=terminal.unicode,
    )
    return formats.render(report, output_format, terms)


def creation_date(epoch: str | None) -> str | None:
    """Return the date that SOURCE_DATE_EPOCH asks for, RFC 3339; None if it asks for none.

    Raises: MalformedEpoch.
    """
    if not epoch:
        return None
    if not (epoch.isascii() and epoch.isdigit() and len(epoch) < 20) or int(epoch) > _LAST_SECOND:
        raise MalformedEpoch(text=epoch)
    return datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
