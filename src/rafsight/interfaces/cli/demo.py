"""`rafsight demo`: an image is made, scanned, mended and scanned again, with nothing but this machine."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import click

import rafsight
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import with_ui
from rafsight.interfaces.cli.output import flush_output, write_text
from rafsight.interfaces.cli.scan import render
from rafsight.interfaces.cli.terminal import standard_output
from rafsight.interfaces.cli.ui import Ui
from rafsight.reports.table import describe_cost

if TYPE_CHECKING:
    from rafsight.reports.document import ScanReport


@click.command("demo", cls=SectionedCommand, short_help="Make, scan, mend and scan an image, on this machine alone.")
@click.option("--tag", type=click.Choice(["v6", "v5"]), default="v6", show_default=True, help="RAFS version.")
@with_ui
def demo(*, tag: str, ui: Ui) -> None:
    """Make a Nydus image of parts of this machine, scan it by its reference, mend it, and scan it again.

    The image has some packages of the Python that runs this, this machine's package database if it is a Debian, and an
    old urllib3. It is pushed to a registry that runs here for as long as the demo does; no network, no root. The
    advisories that rafsight ships are a few dozen well-known ones: a real scan wants `rafsight db update` first.
    """
    from rafsight.testing.demo_image import PACKAGE, write_folder, write_wheel
    from rafsight.testing.registry import serve_writable

    with _places() as (work, shipped, advisories), serve_writable(work / "registry", repository="demo") as registry:
        database, folder = work / "advisories.sqlite", work / "rootfs"
        rafsight.Advisories(database, listener=ui.listener).take([advisories])
        folder.mkdir()
        write_folder(folder, f"oci:{shipped}:{tag}")
        wheel = write_wheel(work)
        made, mended = registry.reference(tag), registry.reference(f"{tag}-mended")

        _say(f"A registry runs at {registry.url}. An image is made of a folder:", f"convert dir:{folder} {made}", ui)
        terms = rafsight.ConvertTerms(fs_version=int(tag[1:]))
        from rafsight.reports.conversion import render_text as render_converted

        _write(render_converted(rafsight.Conversions(listener=ui.listener).convert(f"dir:{folder}", made, terms)), ui)

        _say("It is scanned, and a few bytes of it are fetched:", f"scan {made}", ui)
        before = rafsight.scan_reference(made, database=database, listener=ui.listener)
        _write(render(before, "table", created=None, list_all=False, terminal=standard_output()), ui)

        words = f"repair {made} --target {mended} --wheel {wheel.name}"
        _say(f"{PACKAGE} is replaced by the version that rafsight itself uses, and nothing else travels:", words, ui)
        from rafsight.reports.repair import render_text as render_repaired

        repairs = rafsight.Repairs(listener=ui.listener)
        repairs.replace_package("wheel", wheel)
        _write(render_repaired(repairs.run(made, mended)), ui)

        _say("The mended image is scanned:", f"scan {mended}", ui)
        after = rafsight.scan_reference(mended, database=database, listener=ui.listener)
        _write(_difference(before, after), ui)


@contextmanager
def _places() -> Iterator[tuple[Path, Path, Path]]:
    """Give a folder to work in, the shipped layout, and the shipped advisories."""
    data = files("rafsight.testing") / "data"
    with (
        as_file(data / "planted") as shipped,
        as_file(data / "advisories") as advisories,
        tempfile.TemporaryDirectory(prefix="rafsight-demo-") as folder,
    ):
        yield Path(folder), shipped, advisories


def _say(sentence: str, command: str, ui: Ui) -> None:
    """Say what comes next, and how a user would ask for it."""
    _write(f"\n{sentence}\n\n    $ rafsight {command}\n\n", ui)


def _write(text: str, ui: Ui) -> None:
    ui.pause_drawing()
    write_text(text)
    flush_output()


def _difference(before: "ScanReport", after: "ScanReport") -> str:
    """Say which findings are gone, and which stay."""
    left = {(finding.id, finding.component.name) for finding in after.findings}
    gone = [one for one in before.findings if (one.id, one.component.name) not in left]
    lines = [f"  gone  {one.id:<16}{one.severity.name:<10}{one.component.name} {one.component.version}" for one in gone]
    counts = f"{len(before.findings)} vulnerabilities before, {len(after.findings)} after"
    return "\n".join([*lines, "", f"{counts}; {describe_cost(after)}.", ""])
