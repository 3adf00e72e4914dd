"""Text in cells: widths, wrapping, columns side by side, and colour.

This module alone decides how wide a text is on a terminal and which colours there are. It knows nothing of findings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from typing import Final

from rafsight.base.text import printable


class Style(StrEnum):
    """What a piece of text looks like, as parameters of the terminal's `SGR` sequence."""

    PLAIN = ""
    BOLD = "1"
    DIM = "2"
    CRITICAL = "1;37;41"
    HIGH = "31"
    MEDIUM = "33"
    LOW = "34"
    UNKNOWN = "36"
    ALARM = "1;31"
    GOOD = "32"
    WARNING = "1;33"


@dataclass(frozen=True, slots=True)
class Span:
    """Some text of one style, on one line."""

    text: str
    style: Style = Style.PLAIN


Line = tuple[Span, ...]

_BREAK_AFTER: Final = ("/", "-_.+~:,@")
"""Where a word may be broken: after a slash if one is near the end of the line, else after punctuation."""


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def take_cells(text: str, width: int) -> str:
    """Return the longest beginning of a text that fits into `width` columns, at least one character."""
    if cells(text) <= width:
        return text
    if text.isascii():
        return text[: max(width, 1)]
    from rich.cells import chop_cells

    return next(iter(chop_cells(text, max(width, 2))), text[:1])


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines of at most `width` columns: at spaces, else after punctuation, else anywhere."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        candidate = f"{line} {word}" if line else word
        if cells(candidate) <= width:
            line = candidate
            continue
        if line:
            lines.append(line)
        *full, line = _break_word(word, width)
        lines += full
    return [*lines, line] if line or not lines else lines


def _break_word(word: str, width: int) -> list[str]:
    pieces = []
    while cells(word) > width:
        head = take_cells(word, width)
        cuts = (max(head.rfind(mark) for mark in marks) + 1 for marks in _BREAK_AFTER)
        head = head[: next((cut for cut in cuts if cut > len(head) // 2), len(head))]
        pieces.append(head)
        word = word[len(head) :]
    return [*pieces, word]


def clip(lines: list[str], count: int, width: int, ellipsis: str) -> list[str]:
    """Keep at most `count` lines; the last one shows that something was cut."""
    if len(lines) <= count:
        return lines
    last = lines[count - 1]
    while last and cells(last) + len(ellipsis) > width:
        last = last[:-1]
    return [*lines[: count - 1], last.rstrip() + ellipsis]


def styled(lines: Iterable[str], style: Style = Style.PLAIN) -> list[Line]:
    """Make lines of one style."""
    return [(Span(line, style),) for line in lines]


def beside(blocks: Sequence[tuple[int, list[Line]]], gap: int = 2) -> list[Line]:
    """Put blocks of lines next to each other; each block has its width [columns], the last one needs no filling."""
    rows = []
    for parts in zip_longest(*(lines for _, lines in blocks), fillvalue=()):
        row: list[Span] = []
        missing = 0
        for (width, _), part in zip(blocks, parts, strict=True):
            if part:
                row += [Span(" " * missing), *part] if missing else part
                missing = 0
            missing += width + gap - sum(cells(span.text) for span in part)
        rows.append(tuple(row))
    return rows


def right(text: str, width: int) -> str:
    """Align a text to the right."""
    return " " * (width - cells(text)) + text


@dataclass(frozen=True, slots=True, kw_only=True)
class Painter:
    """Turns lines into text for one kind of terminal, and foreign text into something safe."""

    colour: bool
    unicode: bool

    @property
    def ellipsis(self) -> str:
        """What stands for text that was cut."""
        return "…" if self.unicode else "..."

    def safe(self, text: str | bytes, limit: int = 400) -> str:
        """Make foreign text printable, one line, and at most `limit` characters."""
        if isinstance(text, str):
            text = " ".join(text.split())
        return self.own(printable(text, limit))

    def own(self, text: str) -> str:
        """Make our own text fit the encoding."""
        if self.unicode or text.isascii():
            return text
        return text.replace("…", "...").encode("ascii", "backslashreplace").decode("ascii")

    def rule(self, width: int, *, heavy: bool = False) -> Line:
        """Draw a horizontal line."""
        strokes = ("━" if heavy else "─") if self.unicode else ("=" if heavy else "-")
        return (Span(strokes * width, Style.DIM),)

    def paint(self, lines: Iterable[Line]) -> str:
        """Join lines to the text that a terminal gets, with a newline after each."""
        return "".join(self._paint_line(line).rstrip(" ") + "\n" for line in lines)

    def _paint_line(self, line: Line) -> str:
        if not self.colour:
            return "".join(span.text for span in line)
        return "".join(
            f"\x1b[{span.style}m{span.text}\x1b[0m" if span.style and span.text else span.text for span in line
        )
