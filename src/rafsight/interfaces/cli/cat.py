"""`rafsight cat`: write files of an image to standard output."""

from os import fsencode
from typing import TYPE_CHECKING

import click

import rafsight
from rafsight.base.errors import ExitStatus, RafsightError
from rafsight.interfaces.cli.failure import say_error
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import registry_options, with_ui
from rafsight.interfaces.cli.output import write_bytes
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight import Options


@click.command("cat", cls=SectionedCommand, short_help="Write files of an image to standard output.")
@click.argument("reference", metavar="REF")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@registry_options
@with_ui
def cat(reference: str, paths: tuple[str, ...], *, options: "Options", ui: Ui) -> int:
    """Write the files PATH... of the image REF to standard output, byte by byte as they are.

    Only the chunks of these files are fetched, and each is verified before a byte of it is written. A path that does
    not exist is reported; the others are written, and the exit status says so at the end.
    """
    status = ExitStatus.OK
    with rafsight.open_image(reference, options=options, listener=ui.listener) as image:
        ui.begin_output()
        for path in paths:
            try:
                for piece in rafsight.read_file(image, fsencode(path).strip(b"/")):
                    write_bytes(piece)
            except RafsightError as error:
                if error.exit_status != ExitStatus.NOT_FOUND:
                    raise
                say_error(str(error), error.advice)
                status = error.exit_status
    return status
