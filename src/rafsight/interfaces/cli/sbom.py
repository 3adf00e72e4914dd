"""`rafsight sbom`: the bill of materials of an image, without looking anything up."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

import rafsight
from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli.ignored_options import check_bill
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import cache_options, registry_options, with_ui
from rafsight.interfaces.cli.scan import creation_date
from rafsight.interfaces.cli.scan_output import open_outputs, parse_outputs, write_reports
from rafsight.interfaces.cli.ui import Ui
from rafsight.reports.formats import FORMATS
from rafsight.reports.selection import has_unreadable

if TYPE_CHECKING:
    from rafsight import Options

_BILLS = tuple(form.name for form in FORMATS if form.is_bill)


@click.command("sbom", cls=SectionedCommand, short_help="Write the bill of materials of an image.")
@click.argument("reference", metavar="REF")
@click.option(
    "-f",
    "--format",
    "output_format",
    type=click.Choice(_BILLS),
    help=f"CycloneDX 1.6 or SPDX 2.3, in JSON.  [default: {_BILLS[0]}]",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="[FORMAT=]FILE",
    help="Write to a file, all or nothing; - is standard output. With FORMAT= more of them; may be repeated.",
)
@click.option("--declared", is_flag=True, help="Read lock files, too: what a build was meant to have.")
@click.option(
    "--allow-incomplete",
    is_flag=True,
    help="Exit with 0, not 3, though something was not looked at; never if bytes could not be had or did not verify.",
)
@registry_options
@cache_options
@with_ui
def sbom(
    reference: str,
    *,
    output_format: str | None,
    outputs: tuple[str, ...],
    declared: bool,
    allow_incomplete: bool,
    options: "Options",
    ui: Ui,
) -> int:
    """Write the bill of materials of the image REF: its packages, nothing is looked up in advisories.

    Only the bytes that name packages are fetched. What was not looked at stands in the bill, too. The same packages
    with the vulnerabilities known in them: `rafsight scan -f cyclonedx REF`.

    \b
    Exit status:
      0   done
      3   something was not looked at; --allow-incomplete makes it 0,
          unless bytes could not be had or did not verify
      else an error, see docs/exit-codes.md
    """  # noqa: D301 - click wants a backspace
    created = creation_date(os.environ.get("SOURCE_DATE_EPOCH"))
    check_bill(reference, click.get_current_context())
    destinations = parse_outputs(outputs, output_format, formats=_BILLS)
    with open_outputs(destinations) as places:
        report = rafsight.scan_reference(
            reference, database=None, declared=declared, licenses=True, options=options, listener=ui.listener
        )
        report = replace(report, scanners=())  # no vulnerabilities are missing: nobody asked for them
        ui.begin_output()
        write_reports(report, places, created=created or report.started, list_all=True, show_suppressed=False)
    if has_unreadable(report.gaps) or (report.gaps and not allow_incomplete):
        ui.warn("something was not looked at (the bill lists it), so the exit status is 3")
        return ExitStatus.INCOMPLETE
    return ExitStatus.OK
