"""`rafsight find`: find files of an image by name."""

from os import fsencode
from typing import TYPE_CHECKING

import click

import rafsight
from rafsight.base.text import printable
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.listing import in_blocks, json_array, show_name
from rafsight.interfaces.cli.options import registry_options, with_ui
from rafsight.interfaces.cli.output import write_names, write_text
from rafsight.interfaces.cli.terminal import standard_output
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight import Options

_KINDS = {"f": "file", "d": "directory", "l": "symlink"}


@click.command("find", cls=SectionedCommand, short_help="Find files of an image by name.")
@click.argument("reference", metavar="REF")
@click.argument("pattern", metavar="PATTERN")
@click.option("-t", "--type", "kind", type=click.Choice(list(_KINDS)), help="Only files, directories, or links.")
@click.option("-0", "--print0", "null", is_flag=True, help="End each path with a NUL, for `xargs -0`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array of objects.")
@registry_options
@with_ui
def find(
    reference: str,
    pattern: str,
    *,
    kind: str | None,
    null: bool,
    as_json: bool,
    options: "Options",
    ui: Ui,
) -> None:
    """Find files of the image REF whose name matches PATTERN; only metadata is fetched.

    PATTERN is a shell glob: `*.pem`, `lib*.so.?`, `[Mm]akefile`. It is compared with the last part of each path, or
    with the whole path if it has a slash: `/etc/*.conf`. Quote it, so that your own shell leaves it alone.

    On a terminal, paths are quoted as a shell would need them; in a pipe they are written as they are.
    """
    if null and as_json:
        raise click.UsageError("--print0 and --json exclude each other.")
    if mistake := mistake_in(pattern):
        raise click.UsageError(mistake)
    with rafsight.open_image(reference, options=options, listener=ui.listener) as image:
        ui.begin_output()
        entries = rafsight.find_files(image, fsencode(pattern), kind=_KINDS[kind] if kind else None)
        if as_json:
            for part in in_blocks(json_array(entries)):
                write_text(part)
            return
        terminal = standard_output()
        quoted = terminal.is_terminal and not null
        end = "\0" if null else "\n"
        lines = (show_name(b"/" + entry.path, quoted=quoted, unicode=terminal.unicode) + end for entry in entries)
        for block in in_blocks(lines):
            write_names(block)


def mistake_in(pattern: str) -> str:
    """Say what is wrong with a glob that can match nothing but by mistake; empty if it is well.

    Args:
        pattern: as it was typed.
    """
    if not pattern.strip("/"):
        return "PATTERN is empty: it would match nothing."
    position = 0
    while (opened := pattern.find("[", position)) >= 0:
        first = opened + 1 + (pattern[opened + 1 : opened + 2] == "!")
        closed = pattern.find("]", first + 1)  # the first character of a set may be `]` itself
        if closed < 0:
            return f"PATTERN {printable(pattern)!r} has a '[' that no ']' ends; write '[[]' for a '[' itself."
        position = closed + 1
    return ""
