"""`rafsight attach`: a report beside its image, as an artifact that refers to it; and what is there already."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

import rafsight
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.units import MiB
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import registry_options, with_ui
from rafsight.interfaces.cli.output import write_text
from rafsight.interfaces.cli.scan import creation_date
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight import Options

_LARGEST: Final = 256 * MiB
"""[bytes] What is larger is refused by the public API; no more than that is read."""


class NoReportFile(CallerError):
    """The file of a report cannot be read."""

    code = "no-report-file"
    template = "cannot read the report {path}: {why}"
    remedy = "Check the path and its permissions; - is standard input."
    exit_status = ExitStatus.NOT_FOUND


@click.command("attach", cls=SectionedCommand, short_help="Attach a report to an image in its registry.")
@click.argument("reference", metavar="REF")
@click.argument("report", metavar="[REPORT]", required=False)
@click.option("--list", "lists", is_flag=True, help="Show what is attached to REF, and attach nothing.")
@click.option(
    "--artifact-type",
    metavar="TYPE",
    default="",
    help="Media type of a report that is neither SARIF, CycloneDX nor SPDX; with --list: show only this type.",
)
@click.option("--annotation", "pairs", multiple=True, metavar="K=V", help="Of the artifact; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Say what was done, or what is there, as a JSON object.")
@registry_options
@with_ui
def attach(
    reference: str,
    report: str | None,
    *,
    lists: bool,
    artifact_type: str,
    pairs: tuple[str, ...],
    as_json: bool,
    options: "Options",
    ui: Ui,
) -> int:
    """Attach the file REPORT to the image REF: an artifact in the same place that refers to it (an OCI referrer).

    REF is HOST/REPO:TAG or oci:DIR[:TAG]; REPORT may be - for standard input. SARIF, CycloneDX and SPDX are recognised.
    If REF names an index, the report is attached to the index, which stands for all of its images; with --platform to
    that image of it. The same report attached again is the same artifact. Its date is the report's own, or
    SOURCE_DATE_EPOCH. Registries without the referrers API get a list under the tag sha256-DIGEST.
    """
    platform = options.platform if _is_given("platform") else ""
    attachments = rafsight.Attachments(options=options)
    if lists:
        if report is not None or pairs:
            raise click.UsageError("--list goes with neither a REPORT nor --annotation.")
        from rafsight.reports.attachment import render_listing, render_listing_json

        listing = attachments.listed(reference, artifact_type=artifact_type, platform=platform)
        ui.begin_output()
        write_text(render_listing_json(listing) if as_json else render_listing(listing))
        return ExitStatus.OK
    if report is None:
        raise click.UsageError("Missing argument 'REPORT'; --list shows what is attached.")
    if report == "-" and options.username:
        raise click.UsageError("REPORT - and --password-stdin cannot both read standard input.")
    wishes: dict[str, Any] = {"artifact_type": artifact_type, "platform": platform, "annotations": _annotations(pairs)}
    created = creation_date(os.environ.get("SOURCE_DATE_EPOCH"))
    name = "" if report == "-" else Path(report).name
    from rafsight.reports.attachment import render_attached, render_attached_json

    done = attachments.attach(reference, _read(report), name=name, created=created or "", **wishes)
    ui.begin_output()
    write_text(render_attached_json(done) if as_json else render_attached(done))
    return ExitStatus.OK


def _is_given(name: str) -> bool:
    """Tell whether an option stands on the command line; its default is for verbs that have to choose an image."""
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _annotations(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read K=V.

    Raises: click.UsageError.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            message = f"--annotation: '{pair}' is not written as K=V."
            raise click.UsageError(message)
        if key in found:
            message = f"--annotation: {key} is given twice."
            raise click.UsageError(message)
        found[key] = value
    return found


def _read(report: str) -> bytes:
    """Read a report, as far as it may be long.

    Raises: NoReportFile.
    """
    try:
        if report == "-":
            return sys.stdin.buffer.read(_LARGEST + 1)
        with Path(report).open("rb") as file:
            return file.read(_LARGEST + 1)
    except OSError as error:
        raise NoReportFile(path=report, why=error.strerror or str(error)) from error
