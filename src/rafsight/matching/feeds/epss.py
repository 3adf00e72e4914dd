"""FIRST's Exploit Prediction Scoring System: how likely it is that a flaw is exploited within 30 days.

A CSV, mostly in gzip: a comment with model and date, a heading, and a line for each CVE. This module alone knows its
shape, and how it is told from other files. A line that is malformed is counted and left out.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.units import MiB

TEXT_SIZE: Final = 512 * MiB
"""[bytes] after decompression; real ones have 10 MB."""
ENTRY_COUNT: Final = 5_000_000

_GZIP: Final = b"\x1f\x8b"
_HEADING: Final = "cve,epss,percentile"
_COMMENT: Final = "#model_version:"
_LINE: Final = re.compile(r"(CVE-[0-9]{4}-[0-9]{4,19}),([0-9.eE+-]{1,24}),([0-9.eE+-]{1,24})")
_DATE: Final = re.compile(r"score_date:([0-9T:+.Z-]{10,40})")
_LINE_SIZE: Final = 1024
_HEAD_SIZE: Final = 256


class MalformedScores(CallerError):
    """A file that should be EPSS's scores is none."""

    code = "malformed-epss"
    template = "{name} is not a file of EPSS scores: {reason}"
    remedy = "Download epss_scores-current.csv.gz again, or leave it out."
    exit_status = ExitStatus.DATABASE


class Likelihood(NamedTuple):
    """One line."""

    cve: str
    epss: float
    """Probability, 0 to 1."""
    percentile: float
    """Share of all flaws that are at most as likely, 0 to 1."""


def looks_like_scores(head: bytes) -> bool:
    """Tell from the first bytes of a file whether it is one of scores."""
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, _HEAD_SIZE)
        except zlib.error:
            return False
    return head.startswith((_COMMENT.encode(), _HEADING.encode()))


class ScoreReader:
    """Reads one file, line by line."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        """Read the head.

        Args:
            stream: of the file, compressed or not; it stays open.
            name: for messages.
        Raises: MalformedScores.
        """
        self._name = name
        self._left = TEXT_SIZE
        head = stream.read(2)
        stream.seek(0)
        self._lines: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=stream, mode="rb") if head == _GZIP else stream
        self.malformed_count = 0
        self.released = ""
        """RFC 3339: the date of the scores; empty if the file does not say."""
        line = self._next_line()
        if line.startswith(_COMMENT):
            found = _DATE.search(line)
            self.released = _date_of(found[1]) if found else ""
            line = self._next_line()
        if line.strip() != _HEADING:
            raise MalformedScores(name=name, reason=f"its heading is not {_HEADING}")

    def __iter__(self) -> Iterator[Likelihood]:
        """Yield the lines that are sound.

        Raises: MalformedScores: the file is cut off, or holds more than any real one.
        """
        count = 0
        while line := self._next_line():
            found = _LINE.fullmatch(line.strip())
            epss, percentile = (_share(found[2]), _share(found[3])) if found else (None, None)
            if found is None or epss is None or percentile is None:
                self.malformed_count += bool(line.strip())
                continue
            count += 1
            if count > ENTRY_COUNT:
                raise MalformedScores(name=self._name, reason="it has too many lines")
            yield Likelihood(found[1], epss, percentile)

    def _next_line(self) -> str:
        try:
            line = self._lines.readline(_LINE_SIZE)
        except (OSError, EOFError, zlib.error) as error:
            raise MalformedScores(name=self._name, reason=str(error)) from error
        self._left -= len(line)
        if self._left < 0:
            raise MalformedScores(name=self._name, reason="it is too large")
        return line.decode("ascii", "replace")


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def _date_of(text: str) -> str:
    """Write the date as RFC 3339 has it: FIRST's has no colon in its zone."""
    text = re.sub(r"([+-][0-9]{2})([0-9]{2})\Z", r"\1:\2", text)
    return text if "T" in text else f"{text}T00:00:00Z"
