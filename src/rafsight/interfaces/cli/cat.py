"""`rafsight cat`: write files of an image to standard output."""

from os import fsencode
from typing import TYPE_CHECKING

import click

import rafsight
from rafsight.base.errors import ExitStatus, RafsightError
from rafsight.base.text import escape
from rafsight.interfaces.cli.failure import say_error
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import registry_options, with_ui
from rafsight.interfaces.cli.output import flush_output, write_bytes
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight import Image, Options
    from rafsight.base.events import Listener


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
                write_file(image, fsencode(path), ui.listener)
            except RafsightError as error:
                if error.exit_status != ExitStatus.NOT_FOUND:
                    raise
                say_error(str(error), error.advice)
                status = error.exit_status
    return status


def write_file(image: "Image", path: bytes, listener: "Listener") -> None:
    """Write one file to standard output, each piece as it arrives.

    Args:
        image: the open image.
        path: absolute or relative to the root.
        listener: told how much is written.
    Raises: NoSuchPath, TooManyLinks, WrongKind, RegistryFault, ImageFault, ReaderGone, OutputFailed.
    """
    from rafsight.base.events import Advanced, Finished, Started

    pieces = rafsight.read_file(image, path.strip(b"/"))
    size = next(rafsight.list_files(image, path.strip(b"/"))).size
    operation = f"write {escape(path)}"
    listener(Started(operation=operation, title=f"writing {escape(path)}", total=size, unit="bytes"))
    try:
        for piece in pieces:
            write_bytes(piece)
            flush_output()
            listener(Advanced(operation=operation, amount=len(piece)))
    finally:
        listener(Finished(operation=operation))
