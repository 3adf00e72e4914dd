"""What a person sees when something goes wrong: one line of what, one line of what to do.

This module alone decides how errors look on standard error.
"""

import sys
import traceback
from collections.abc import Sequence
from typing import Final

import click

from rafsight.base.errors import Defect, ExitStatus, HostLimit, RafsightError
from rafsight.interfaces.cli.terminal import style_for_stderr

READER_GONE: Final = 141
"""The status that shells report for programs that end because nobody reads their output (128 + SIGPIPE)."""


class UnexpectedError(Defect):
    """An exception that nobody foresaw."""

    code = "unexpected-error"
    template = "this is a mistake in rafsight: {kind}: {what}"
    remedy = "Run the command again with --debug and report what it says, with the version of rafsight."


class SystemRefused(HostLimit):
    """The operating system refused something where nobody foresaw it."""

    code = "system-refused"
    template = "the system refused: {why} {where}"
    remedy = "Check space and permissions there; --debug shows what rafsight was doing."


def show_failure(error: Exception, *, debug: bool) -> ExitStatus:
    """Say on standard error what went wrong, and return the exit status that belongs to it.

    Args:
        error: whatever a command raised.
        debug: show where in the code, too.
    """
    if debug and sys.stderr is not None:
        traceback.print_exception(error, file=sys.stderr)
    known = error if isinstance(error, RafsightError) else _unexpected(error)
    where = "".join(f" ({note})" for note in getattr(known, "__notes__", ()))
    say_error(str(known).strip() + where, known.advice, picture=getattr(known, "picture", ()))
    return known.exit_status


def _unexpected(error: Exception) -> RafsightError:
    if isinstance(error, OSError) and error.strerror:
        where = error.filename if isinstance(error.filename, (str, bytes)) else ""
        return SystemRefused(why=error.strerror, where=where)
    return UnexpectedError(kind=type(error).__name__, what=str(error) or "no message")


def show_usage(error: click.ClickException) -> int:
    """Say what is wrong with the command line; one without a command gets the help."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        error.show()
        return ExitStatus.USAGE
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"`{context.command_path} --help` lists what there is." if context else ""
    message = error.format_message()
    if isinstance(error, click.UsageError):
        from rafsight.interfaces.cli.familiar import advice_for

        if advice := advice_for(error):
            message, hint = error.message, advice
    say_error(" ".join(message.split()), hint)
    return ExitStatus.USAGE


def say_error(message: str, hint: str = "", *, picture: Sequence[str] = ()) -> None:
    """Write an error, a picture of the place if there is one, and what to do about it."""
    _write(f"rafsight: {style_for_stderr('error:', '1;31')} {message}")
    for line in picture:
        _write(f"    {line}")
    if hint:
        _write(f"  {style_for_stderr('hint:', '36')} {hint}")


def say_warning(message: str) -> None:
    """Write something that a person should know and that does not end the work."""
    _write(f"rafsight: {style_for_stderr('warning:', '33')} {message}")


def say_line(message: str) -> None:
    """Write how it goes."""
    _write(f"rafsight: {message}")


def _write(text: str) -> None:
    if sys.stderr is None:
        return  # closed: nobody wants to know
    click.echo(text.encode(sys.stderr.encoding or "ascii", "backslashreplace"), err=True)
