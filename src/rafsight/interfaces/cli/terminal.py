"""What the terminal can do; the only reader of the environment beside `options.py` and `scan.py`.

This module alone decides when colour, Unicode and progress are used.
"""

import codecs
import os
import shutil
import sys
from dataclasses import dataclass
from typing import Final, TextIO

FILE_WIDTH: Final = 120
"""[columns] of a table that goes into a file or a pipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """What an output can show."""

    is_terminal: bool
    width: int
    """[columns]"""
    colour: bool
    unicode: bool


A_FILE: Final = Terminal(is_terminal=False, width=FILE_WIDTH, colour=False, unicode=True)


def standard_output() -> Terminal:
    """Look at where standard output goes."""
    is_terminal = _is_terminal(sys.stdout)
    fallback = FILE_WIDTH if not is_terminal else 80
    asked = os.environ.get("COLUMNS", "")
    width = int(asked) if asked.isascii() and asked.isdigit() and 0 < len(asked) < 5 else 0
    if is_terminal and not width:
        width = shutil.get_terminal_size((fallback, 24)).columns
    return Terminal(
        is_terminal=is_terminal,
        width=width or fallback,
        colour=is_terminal and _wants_colour(),
        unicode=_is_utf8(sys.stdout),
    )


def can_draw_on_stderr() -> bool:
    """Tell whether progress can be drawn: a terminal that moves its cursor."""
    return _is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"


def style_for_stderr(text: str, parameters: str) -> str:
    """Colour a text if standard error shows colours.

    Args:
        text: ours.
        parameters: of the terminal's `SGR` sequence.
    """
    return f"\x1b[{parameters}m{text}\x1b[0m" if _is_terminal(sys.stderr) and _wants_colour() else text


def _is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a stream is a terminal; None is what a process has that was started without it."""
    return stream is not None and not stream.closed and stream.isatty()


def _wants_colour() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _is_utf8(stream: TextIO | None) -> bool:
    return stream is not None and codecs.lookup(stream.encoding or "ascii").name == "utf-8"
