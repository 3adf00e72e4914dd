"""`rafsight check`: tell whether an image is sound.

This module alone decides which form a check is written in; its exit status is that of the verdict.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import rafsight
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import check_file_name, registry_options, with_ui
from rafsight.interfaces.cli.output import is_standard_output, open_output
from rafsight.interfaces.cli.terminal import A_FILE, Terminal, standard_output
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight import Options
    from rafsight.reports.soundness import CheckReport

_FORMS: Final = ("text", "json", "junit")


@click.command("check", cls=SectionedCommand, short_help="Tell whether an image is sound.")
@click.argument("reference", metavar="REF")
@click.option("--chunks", is_flag=True, help="Fetch every blob, and verify every chunk in it.")
@click.option(
    "--source", metavar="REF", help="Compare every file with the OCI image that was converted; all its layers come."
)
@click.option("--strict", is_flag=True, help="Let warnings make the image unsound.")
@click.option(
    "-f",
    "--format",
    "output_format",
    type=click.Choice(_FORMS),
    default="text",
    show_default=True,
    help="Text for people, JSON for programs, JUnit XML for pipelines.",
)
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    help="Write to a file, all or nothing; - is standard output.",
)
@registry_options
@with_ui
def check(
    reference: str,
    *,
    chunks: bool,
    source: str | None,
    strict: bool,
    output_format: str,
    target: str | None,
    options: "Options",
    ui: Ui,
) -> int:
    """Check whether the Nydus image REF is sound: manifest, config, bootstrap and blobs.

    A check goes on after what is wrong, and names every place. Of a merged index both halves are checked. Without
    --chunks the blobs are not read, only asked for; without --blob-dir a boot:FILE image has none to ask for.

    \b
    Exit status:
      0   sound, maybe with warnings
      3   something could not be looked at, and nothing is broken
      65  unsound
      67  no Nydus image
      68  a file of a kind that this release does not read
      else an error, see docs/exit-codes.md
    """  # noqa: D301 - click wants a backspace
    check_file_name(target or "", _FORMS, output_format)
    output = None if target is None else Path(target)
    if output is not None and is_standard_output(output):
        output = None
    with open_output(output) as sink:
        report = rafsight.check_reference(
            reference, chunks=chunks, source=source, options=options, listener=ui.listener
        )
        from rafsight.reports.check_summary import exit_status, strictly

        report = strictly(report) if strict else report
        terminal = standard_output() if output is None else A_FILE
        ui.begin_output()
        sink(render(report, output_format, strict=strict, terminal=terminal))
    return exit_status(report)


def render(report: "CheckReport", output_format: str, *, strict: bool, terminal: Terminal) -> str:
    """Write a check in one of the forms.

    Args:
        report: the check.
        output_format: `text`, `json` or `junit`.
        strict: warnings count.
        terminal: where it goes.
    """
    if output_format == "json":
        from rafsight.reports.check_json import render_json
        from rafsight.reports.check_summary import exit_status

        return render_json(report, exit_status=exit_status(report))
    if output_format == "junit":
        from rafsight.reports.check_junit import render_junit

        return render_junit(report, strict=strict)
    from rafsight.reports.check_text import render_text

    return render_text(report, width=terminal.width, colour=terminal.colour, unicode=terminal.unicode)
