"""`rafsight demo`: the main job on an image that rafsight ships, with nothing but this machine."""

import tempfile
from importlib.resources import as_file, files
from pathlib import Path

import click

import rafsight
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import with_ui
from rafsight.interfaces.cli.output import flush_output, write_text
from rafsight.interfaces.cli.scan import render
from rafsight.interfaces.cli.terminal import standard_output
from rafsight.interfaces.cli.ui import Ui
from rafsight.reports.table import describe_cost


@click.command("demo", cls=SectionedCommand, short_help="Scan an image that rafsight ships, on this machine alone.")
@click.option("--tag", type=click.Choice(["v6", "v5"]), default="v6", show_default=True, help="RAFS version.")
@with_ui
def demo(*, tag: str, ui: Ui) -> None:
    """Scan a small Nydus image by its reference, from a registry on this machine. No network, no root.

    The image has old packages of PyPI and npm on a Debian base; the advisories that rafsight ships are a few dozen
    well-known ones, enough to find something in it. A real scan wants `rafsight db update` first.
    """
    from rafsight.testing.registry import serve_layout

    data = files("rafsight.testing") / "data"
    with (
        as_file(data / "planted") as layout,
        as_file(data / "advisories") as advisories,
        tempfile.TemporaryDirectory(prefix="rafsight-demo-") as folder,
        serve_layout(layout, repository="planted") as registry,
    ):
        database = Path(folder) / "advisories.sqlite"
        rafsight.import_advisories([advisories], database, listener=ui.listener)
        reference = registry.reference(tag)
        write_text(f"A registry with the image runs at {registry.url}; now: rafsight scan {reference}\n\n")
        flush_output()
        report = rafsight.scan_reference(reference, database=database, listener=ui.listener)
    ui.begin_output()
    write_text(render(report, "table", created=None, list_all=False, terminal=standard_output()))
    write_text(f"\nWhat it took: {describe_cost(report)}.\n")
