"""`rafsight inspect`: look into an image's metadata, by one request, by a list of them, or at a prompt.

This module alone decides how answers reach standard output, and what the exit status of several requests is.
"""

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from os import fsencode
from typing import TYPE_CHECKING, Any, Final

import click

import rafsight
from rafsight.base.errors import ExitStatus, RafsightError
from rafsight.interfaces.cli.failure import say_error, show_failure
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import Function, registry_options, with_ui
from rafsight.interfaces.cli.output import flush_output, write_bytes, write_text
from rafsight.interfaces.cli.settings import Settings
from rafsight.interfaces.cli.terminal import standard_output
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight import Image, Inspector, Options

PROMPT: Final = "Inspecting RAFS :> "
_LINES: Final = 512
"""Lines that are written at a time."""

Handle = Callable[[bytes], ExitStatus | None]
"""Answers a request, or says why not, and returns the exit status; None if the user wants to leave."""


def _with_one_input(function: Function) -> Function:
    """Refuse two requests, and a password from where requests come from, before anything is read."""

    @functools.wraps(function)
    def run(*args: Any, request: str | None, dedupe: str | None, password_stdin: bool, **kwargs: Any) -> Any:
        if request is not None and dedupe is not None:
            raise click.UsageError("--request and --dedupe exclude each other.")
        if password_stdin and request is None and dedupe is None:
            raise click.UsageError("--password-stdin needs --request: without it, standard input brings the requests.")
        return function(*args, request=request, dedupe=dedupe, password_stdin=password_stdin, **kwargs)

    return run


@click.command("inspect", cls=SectionedCommand, short_help="Look into an image's metadata.")
@click.argument("source", metavar="SOURCE")
@click.option("-R", "--request", metavar="REQUEST", help="Answer this one, as JSON, and end.")
@click.option(
    "--dedupe",
    is_flag=False,
    flag_value="",
    metavar="[OTHER]",
    help="The request `dedupe`: what SOURCE has twice, or shares with the image OTHER.",
)
@click.option(
    "-f",
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    help="Text for people, or JSON on one line.  [default: json with a request, else table]",
)
@_with_one_input
@registry_options
@with_ui
def inspect(
    source: str,
    *,
    request: str | None,
    dedupe: str | None,
    output_format: str | None,
    options: "Options",
    ui: Ui,
) -> int:
    """Look into the metadata of the image SOURCE: HOST/REPO:TAG, oci:DIR[:TAG] or boot:FILE.

    On a terminal a prompt takes requests; Tab completes them, `help` lists them, Ctrl-D leaves. Without a terminal
    they are read from standard input, one a line, up to its end; no prompt is echoed; empty lines and those that begin
    with # are skipped.

    A failed request is said on standard error. With -R, standard output stays empty then, in JSON, too. Of several
    requests the next one follows; in JSON, the line of a failed one is {"error": ...}, so that each request has one.

    \b
    Requests:
      stats, superblock, blobs [--use], prefetch, layers
      ls [PATH], cd PATH, pwd, stat PATH, find PATTERN [PATH], cat PATH
      chunk OFFSET [BLOB], icheck INODE, top [COUNT] [PATH]
      dedupe [OTHER], diff OTHER
      help [COMMAND], exit

    \b
    Names are quoted as in a shell; \\xNN is a byte:
      rafsight inspect SOURCE -R 'stat "/etc/a b"'
      rafsight inspect SOURCE -R 'stat raw-\\xff'

    The exit status is that of the first request that failed; at the prompt it is 0.
    """  # noqa: D301 - click wants a backspace
    with rafsight.open_image(source, options=options, listener=ui.listener, lazy=True) as image:
        settings = click.get_current_context().ensure_object(Settings)
        inspector = rafsight.Inspector(image, functools.partial(_open_other, options=options, settings=settings))
        if request is None and dedupe is None:
            ui.begin_output()
            handle = functools.partial(_handle, inspector, output_format or "table", settings.debug)
            if _is_typed() and standard_output().is_terminal:
                return _converse(inspector, handle, ui)
            return _read_requests(handle)
        if dedupe is None:
            answer = inspector.ask(fsencode(request or ""))
        else:
            answer = inspector.ask_words([b"dedupe", *([fsencode(dedupe)] if dedupe else [])])
        ui.begin_output()
        _write(answer, output_format or "json")
    return ExitStatus.OK


@contextmanager
def _open_other(source: str, *, options: "Options", settings: Settings) -> "Iterator[Image]":
    """Open an image to compare with, with progress of its own: that of the first one is over."""
    with (
        Ui(settings) as ui,
        rafsight.open_image(source, options=options, listener=ui.listener, lazy=True) as image,
    ):
        yield image


def _converse(inspector: "Inspector", handle: Handle, ui: Ui) -> int:
    from rafsight.interfaces.cli.inspect_prompt import converse

    def handle_line(line: bytes) -> ExitStatus | None:
        return handle(line) if is_request(line) else ExitStatus.OK

    return converse(inspector, handle_line, prompt=PROMPT, history_file=ui.cache_dir / "inspect-history", warn=ui.warn)


def _read_requests(handle: Handle) -> int:
    """Answer the requests of standard input; return the status of the first one that failed."""
    status: ExitStatus | None = None
    for line in _lines():
        if not is_request(line):
            continue
        done = handle(line)
        if done is None:
            return status or ExitStatus.OK
        status = status or done
    if status is None and not _is_typed():
        say_error("there is no request on standard input", "-R REQUEST asks one; `-R help` lists what can be asked.")
        return ExitStatus.USAGE
    return status or ExitStatus.OK


def is_request(line: bytes) -> bool:
    """Tell whether a line asks for something: it is not empty, and no comment."""
    return not line.lstrip().startswith(b"#") if line.strip() else False


def _lines() -> Iterator[bytes]:
    """Yield the lines of standard input; a person who writes them while results go elsewhere sees the prompt."""
    if sys.stdin is None:
        return
    while True:
        if _is_typed():
            click.echo(PROMPT, nl=False, err=True)
        line = sys.stdin.buffer.readline()
        if not line:
            return
        yield line


def _is_typed() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _handle(inspector: "Inspector", output_format: str, debug: bool, request: bytes) -> ExitStatus | None:
    from rafsight.reports.inspection.shell import Leave

    try:
        answer = inspector.ask(request)
    except RafsightError as error:
        if output_format == "json":
            said = {"code": error.code, "message": str(error), "remedy": error.advice}
            write_text(json.dumps({"error": said}) + "\n")
        flush_output()
        return show_failure(error, debug=debug)
    if isinstance(answer, Leave):
        return None
    _write(answer, output_format)
    return ExitStatus.OK


def _write(answer: object, output_format: str) -> None:
    """Write an answer to standard output: JSON, or text; the bytes of a file as they are, but not on a terminal."""
    from rafsight.reports.inspection.render import as_json, as_lines
    from rafsight.reports.inspection.renderer import Sheet
    from rafsight.reports.inspection.shell import WholeFile
    from rafsight.reports.paint import Painter

    terminal = standard_output()
    if output_format == "json":
        write_text(as_json(answer) + "\n")
    elif isinstance(answer, WholeFile) and not terminal.is_terminal:
        write_bytes(answer.content)
    else:
        painter = Painter(colour=terminal.colour, unicode=terminal.unicode)
        lines = as_lines(answer, Sheet(width=terminal.width, painter=painter))
        while block := list(islice(lines, _LINES)):
            write_text(painter.paint(block))
    flush_output()
