"""`rafsight export`: write files of an image into a tar or a folder.

This module alone decides how the end of an export is told: what could not be read is listed, what the target cannot
hold is counted.
"""

from os import fsencode
from pathlib import Path
from typing import TYPE_CHECKING

import click

import rafsight
from rafsight.base.errors import ExitStatus
from rafsight.base.text import escape
from rafsight.interfaces.cli.failure import say_error
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import registry_options, with_ui
from rafsight.interfaces.cli.output import flush_output, is_standard_output, write_bytes
from rafsight.interfaces.cli.terminal import standard_output
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight import Exported, Options


@click.command("export", cls=SectionedCommand, short_help="Write files of an image to a tar or a folder.")
@click.argument("reference", metavar="REF")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option(
    "--to",
    "target",
    metavar="FILE.tar|DIR|-",
    required=True,
    help="Where to: an archive by its suffix (.tar, .tar.gz, .tgz, .tar.zst), a folder, or - for a tar on standard"
    " output.",
)
@click.option("--force", is_flag=True, help="Write into a folder that is not empty; what has the same name goes.")
@click.option("--keep-going", is_flag=True, help="Leave out and list files that cannot be read.")
@registry_options
@with_ui
def export(
    reference: str,
    paths: tuple[str, ...],
    *,
    target: str,
    force: bool,
    keep_going: bool,
    options: "Options",
    ui: Ui,
) -> int:
    """Write the files PATH... of the image REF, or all of them, with owners, modes, times and attributes.

    A folder is written with all that lies below it. Only the chunks of these files are fetched, and each is verified
    before a byte of it is written.

    \b
    Exit status:
      0   everything was written that the target can hold
      3   with --keep-going: some files could not be read
      66  a PATH does not exist; nothing was written
      73  the target cannot be written
      else an error, see docs/exit-codes.md
    """  # noqa: D301 - click wants a backspace
    to_stdout = is_standard_output(Path(target))
    if to_stdout and standard_output().is_terminal:
        message = "a tar is not written to a terminal; name a file by --to, or pipe it on."
        raise click.UsageError(message)
    done = rafsight.export_reference(
        reference,
        tuple(fsencode(path) for path in paths),
        to=write_bytes if to_stdout else Path(target),
        force=force,
        keep_going=keep_going,
        options=options,
        listener=ui.listener,
    )
    if to_stdout:
        flush_output()
    return tell(done, ui)


def tell(done: "Exported", ui: Ui) -> int:
    """Say what was left out, and return the exit status.

    Args:
        done: the export.
        ui: where warnings go.
    """
    for one in done.omitted:
        ui.warn(f"left out: {one.what.value} ({one.count:,}; the first: /{escape(one.example)})")
    for lost in done.unreadable:
        say_error(f"/{escape(lost.path)} was left out: {lost.why}")
    return ExitStatus.OK if done.is_complete else ExitStatus.INCOMPLETE
