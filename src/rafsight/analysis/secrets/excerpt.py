"""What a report shows of a text around a secret: a few short lines in which every secret is stars.

This module alone decides that. Nothing is cut before it was masked, so that no beginning of a secret stays. What
stands beside a secret may be another one that no rule takes for one: values that belong to such names are stars, too.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, takewhile
from typing import Final

from rafsight.analysis.secrets.finding import CodeLine
from rafsight.base.text import escape

LINE_LENGTH: Final = 100
"""[bytes] of a line that are shown."""
_AROUND: Final = 2
"""Lines before and after."""
_CAUSES: Final = 3
"""Lines of one secret that are shown: the others are stars, too."""
_VALUES: Final = 1000
"""Different secrets of one text that are looked for elsewhere in it."""
_DOTS: Final = bytes(byte if 0x20 <= byte < 0x7F else 0x2E for byte in range(256))
_NEAR: Final = 512
"""[bytes] before and behind what is shown, in which a name or the end of its value may stand."""
_ASSIGNED: Final = re.compile(
    rb"(?i:passw|pwd|passphrase|secret|token|credential|(?:api|access|private|auth|account)[_-]?key)"
    rb"[\w.-]{0,40}[\"']?[ \t]{0,4}(?:=>|[:=])[ \t]{0,4}"
    rb"(?P<value>\"[^\"\r\n]{3,400}|'[^'\r\n]{3,400}|[^\s\"',;<>&]{3,400})"
)
_NOT_STARS: Final = re.compile(rb"[^\r\n]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """Where a secret stands, and what may be shown of it."""

    start_line: int
    end_line: int
    match: str
    lines: tuple[CodeLine, ...]


class MaskedText:
    """A text, and what of it must not be shown."""

    def __init__(self, text: bytes, spans: Iterable[tuple[int, int]], *, is_binary: bool = False) -> None:
        """Prepare.

        Args:
            text: the whole text.
            spans: [bytes] of the secrets; what stands there is masked wherever else it stands, too.
            is_binary: show a dot for what is no printable ASCII, and no lines.
        Cost: a pass over the text, for all secrets together.
        """
        self._text = text
        self._is_binary = is_binary
        self._breaks = [] if is_binary else [found.start() for found in re.finditer(rb"\n", text)]
        self._spans = _joined(_everywhere(text, spans))
        self._starts = [start for start, _ in self._spans]

    def excerpt(self, start: int, end: int) -> Excerpt:
        """Show the text around a secret.

        Args:
            start: [bytes] of the secret.
            end: [bytes]
        """
        if self._is_binary:
            return Excerpt(start_line=1, end_line=1, match=self._show(0, start), lines=())
        first, last = self._line(start), self._line(max(end - 1, start))
        shown = [
            number
            for number in range(first - _AROUND, last + _AROUND + 1)
            if 0 <= number <= len(self._breaks) and not first + _CAUSES <= number <= last
        ]
        lines = tuple(
            CodeLine(number=number + 1, content=self._show(number, start), is_cause=first <= number <= last)
            for number in shown
            if number < len(self._breaks) or self._begin(number) < len(self._text)
        )
        return Excerpt(start_line=first + 1, end_line=last + 1, match=self._show(first, start), lines=lines)

    def _line(self, offset: int) -> int:
        """Return the number of the line, from 0, that has a byte."""
        return bisect_right(self._breaks, offset - 1)

    def _begin(self, number: int) -> int:
        return self._breaks[number - 1] + 1 if number else 0

    def _show(self, number: int, focus: int) -> str:
        """Return a line, or the piece of it around a byte."""
        low = self._begin(number)
        high = self._breaks[number] if number < len(self._breaks) else len(self._text)
        if high - low > LINE_LENGTH:
            at = min(max(focus - LINE_LENGTH // 3, low), high - LINE_LENGTH) if low <= focus < high else low
            low, high = at, at + LINE_LENGTH
        return escape(self._masked(low, high).rstrip(b"\r"))

    def _masked(self, low: int, high: int) -> bytes:
        piece = bytearray(self._text[low:high])
        at = max(bisect_right(self._starts, low) - 1, 0)
        known = takewhile(lambda span: span[0] < high, self._spans[at:])
        for start, end in chain(known, () if self._is_binary else self._assigned(low, high)):
            begin, stop = max(start, low) - low, min(end, high) - low
            if begin < stop:
                piece[begin:stop] = _NOT_STARS.sub(b"*", bytes(piece[begin:stop]))
        return bytes(piece).translate(_DOTS) if self._is_binary else bytes(piece)

    def _assigned(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Yield the values in and around a piece that belong to names of secrets, without their quotes."""
        for found in _ASSIGNED.finditer(self._text, max(low - _NEAR, 0), high + _NEAR):
            start, end = found.span("value")
            yield start + (self._text[start] in b"\"'"), end


def _everywhere(text: bytes, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges of all that stands in some ranges, wherever it stands."""
    found = list(spans)
    values = sorted({text[start:end] for start, end in found if start < end}, key=len, reverse=True)[:_VALUES]
    if not values:
        return found
    search = re.compile(b"|".join(map(re.escape, values))).search
    match = search(text)
    while match is not None:
        found.append(match.span())
        match = search(text, match.start() + 1)
    return found


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined
