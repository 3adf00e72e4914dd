"""`rafsight engines`: the known scanners on this machine."""

import os

import click

import rafsight
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import with_ui
from rafsight.interfaces.cli.output import write_text
from rafsight.interfaces.cli.terminal import standard_output
from rafsight.interfaces.cli.ui import Ui


@click.command("engines", cls=SectionedCommand, short_help="Show the known scanners on this machine.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@with_ui
def engines(*, as_json: bool, ui: Ui) -> None:
    """Show the known scanners on this machine: which are installed and usable, and what each covers.

    They are looked for on PATH, then beside the Python that runs rafsight. `rafsight scan REF --engine NAME` lets one
    look at an image.
    """
    from rafsight.reports.engines import render_engines, render_engines_json

    options = rafsight.Options(cache_dir=ui.cache_dir, environment=dict(os.environ))
    found = rafsight.Engines(options=options, listener=ui.listener).found()
    if as_json:
        write_text(render_engines_json(found))
        return
    terminal = standard_output()
    write_text(render_engines(found, width=terminal.width, colour=terminal.colour, unicode=terminal.unicode))
