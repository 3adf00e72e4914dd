"""`rafsight export`: write files of an image into a tar or a folder, or an archive that a scanner reads.

This module alone decides how the end of an export is told: what could not be read is listed, what the target cannot
hold is counted.
"""

from collections.abc import Callable, Sequence
from os import fsencode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

import rafsight
from rafsight.base.errors import ExitStatus
from rafsight.base.text import escape
from rafsight.interfaces.cli.failure import say_error
from rafsight.interfaces.cli.lazy import SectionedCommand, SectionOption
from rafsight.interfaces.cli.options import registry_options, with_ui
from rafsight.interfaces.cli.output import flush_output, is_standard_output, write_bytes
from rafsight.interfaces.cli.terminal import standard_output
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight import Options

SCANNERS: Final = ("trivy", "grype", "syft", "osv-scanner")
_SLIM: Final = "Slim archives"
_OTHER_ARCHIVES: Final = (
    ".zip",
    ".7z",
    ".tar.xz",
    ".txz",
    ".tar.bz2",
    ".tbz2",
    ".tar.lz4",
    ".cpio",
    ".squashfs",
    ".iso",
)
"""What looks like an archive and would become a folder of that name."""


class _Outcome(Protocol):
    """What both forms of an export tell."""

    @property
    def is_complete(self) -> bool: ...

    @property
    def omitted(self) -> Sequence[Any]: ...

    @property
    def unreadable(self) -> Sequence[Any]: ...


@click.command("export", cls=SectionedCommand, short_help="Write files of an image to a tar or a folder.")
@click.argument("reference", metavar="REF")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option(
    "--to",
    "-o",
    "target",
    metavar="FILE.tar|DIR|-",
    required=True,
    help="Where to: an archive by its suffix (.tar, .tar.gz, .tgz, .tar.zst), a folder, or - for a tar on standard"
    " output.",
)
@click.option("--force", is_flag=True, help="Write into a folder that is not empty; what has the same name goes.")
@click.option("--keep-going", is_flag=True, help="Leave out and list files that cannot be read.")
@click.option(
    "--slim",
    is_flag=True,
    cls=SectionOption,
    section=_SLIM,
    help="Write a docker archive of the image that has content only where a scanner looks.",
)
@click.option(
    "--for",
    "scanner",
    type=click.Choice(SCANNERS),
    cls=SectionOption,
    section=_SLIM,
    help="Which scanner.",
)
@registry_options
@with_ui
def export(
    reference: str,
    paths: tuple[str, ...],
    *,
    target: str,
    force: bool,
    keep_going: bool,
    slim: bool,
    scanner: str | None,
    options: "Options",
    ui: Ui,
) -> int:
    """Write the files PATH... of the image REF, or all of them, with owners, modes, times and attributes.

    A folder is written with all that lies below it. Only the chunks of these files are fetched, and each is verified
    before a byte of it is written. With --slim the target is an archive of the whole tree, for the scanner that --for
    names: it finds the same packages there as in the image, and a few bytes are fetched.

    \b
    Exit status:
      0   everything was written that the target can hold
      3   with --keep-going or --slim: some files could not be read
      66  a PATH does not exist; nothing was written
      73  the target cannot be written
      else an error, see docs/exit-codes.md
    """  # noqa: D301 - click wants a backspace
    _check_slim(paths, scanner, slim=slim, others=force or keep_going)
    if target.lower().endswith(_OTHER_ARCHIVES):
        message = (
            f"--to {target}: archives are .tar, .tar.gz, .tgz, .tar.zst or .tzst; a folder of that name is {target}/."
        )
        raise click.UsageError(message)
    to_stdout = is_standard_output(Path(target))
    if to_stdout and standard_output().is_terminal:
        message = "a tar is not written to a terminal; name a file by --to, or pipe it on."
        raise click.UsageError(message)
    to: Path | Callable[[bytes], None] = write_bytes if to_stdout else Path(target)
    done: _Outcome
    if scanner is not None:
        done = rafsight.export_slim(reference, scanner, to=to, options=options, listener=ui.listener)
    else:
        done = rafsight.export_reference(
            reference,
            tuple(fsencode(path) for path in paths),
            to=to,
            force=force,
            keep_going=keep_going,
            options=options,
            listener=ui.listener,
        )
    if to_stdout:
        flush_output()
    return tell(done, ui)


def _check_slim(paths: tuple[str, ...], scanner: str | None, *, slim: bool, others: bool) -> None:
    """Refuse what does not go together."""
    if slim and scanner is None:
        message = f"--slim needs --for: {', '.join(SCANNERS)}."
        raise click.UsageError(message)
    if scanner is not None and not slim:
        message = "--for goes with --slim."
        raise click.UsageError(message)
    if slim and (paths or others):
        message = "--slim takes the whole image, into a file: no PATH, --force or --keep-going."
        raise click.UsageError(message)


def tell(done: "_Outcome", ui: Ui) -> int:
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
