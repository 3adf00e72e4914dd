"""Where the reports of a scan go: any number of formats, each to its place, and all of them or none.

This module alone decides what `--output` means, and which place gets which format.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rafsight.interfaces.cli.options import Function, check_file_name
from rafsight.interfaces.cli.output import Sink, is_standard_output, open_output
from rafsight.interfaces.cli.terminal import A_FILE, Terminal, standard_output
from rafsight.reports.formats import NAMES, render
from rafsight.reports.terms import Terms

if TYPE_CHECKING:
    from rafsight.reports.document import ScanReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One report that is wanted."""

    format: str
    path: Path | None
    """None is standard output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An open destination."""

    format: str
    sink: Sink
    terminal: Terminal
    is_standard: bool


_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*=")
"""What looks like a format before a file."""

_FORMAT_OPTION: Final = click.option(
    "-f",
    "--format",
    "output_format",
    type=click.Choice(NAMES),
    default="table",
    show_default=True,
    help="A table for people, or a document.",
)
_OUTPUT_OPTION: Final = click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="[FORMAT=]FILE",
    help="Write to a file, all or nothing; - is standard output. With FORMAT= one more report; may be repeated.",
)


def output_options(function: Function) -> Function:
    """Add `--format` and `--output`."""
    return _FORMAT_OPTION(_OUTPUT_OPTION(function))


def parse_outputs(
    values: Sequence[str], output_format: str | None, *, formats: Sequence[str] = NAMES
) -> tuple[Destination, ...]:
    """Work out what `--output` asks for: the report of `--format` first, then the others in their order.

    Args:
        values: `FILE`, at most once, or `FORMAT=FILE`; a file whose name looks like the latter is `./FORMAT=FILE`.
        output_format: of the report without a format of its own; it goes to standard output if no file is named for it.
            None: the first of `formats`, and no such report where others are wanted only.
        formats: those that there are.
    Raises: click.UsageError: two reports want the same place, one wants a format that there is not, or a file is called
            as another format.
    """
    plain = [value for value in values if not _WORD.match(value)]
    if len(plain) > 1:
        message = f"--output FILE may be given once ({plain[0]}, {plain[1]}); more need --output FORMAT=FILE."
        raise click.UsageError(message)
    for value in plain:
        check_file_name(value, formats, output_format)
    wanted = []
    if output_format or plain or not values:
        wanted.append(Destination(format=output_format or formats[0], path=_path_of(plain[0]) if plain else None))
    for value in values:
        if value not in plain:
            name, _, place = value.partition("=")
            if name not in formats:
                message = f"--output {value}: {name} is none of {', '.join(formats)}; a file of that name is ./{value}"
                raise click.UsageError(message)
            wanted.append(Destination(format=name, path=_path_of(place)))
    places = ["standard output" if one.path is None else str(one.path) for one in wanted]
    for place in places:
        if places.count(place) > 1:
            message = f"Two reports would go to {place}."
            raise click.UsageError(message)
    return tuple(wanted)


def _path_of(text: str) -> Path | None:
    if not text:
        raise click.UsageError("--output needs the name of a file.")
    path = Path(text)
    return None if is_standard_output(path) else path


@contextmanager
def open_outputs(destinations: Sequence[Destination]) -> Iterator[tuple[Place, ...]]:
    """Open all places before the work begins; none of the files appears unless all are written.

    Raises: OutputFailed.
    """
    with ExitStack() as stack:
        yield tuple(
            Place(
                format=one.format,
                sink=stack.enter_context(open_output(one.path)),
                terminal=standard_output() if one.path is None else A_FILE,
                is_standard=one.path is None,
            )
            for one in destinations
        )


def write_reports(
    report: "ScanReport", places: Sequence[Place], *, created: str, list_all: bool, show_suppressed: bool
) -> None:
    """Write a report in every format that is wanted; standard output comes last, when nothing can fail any more.

    Args:
        report: as filtered.
        places: open ones.
        created: RFC 3339.
        list_all: name every package.
        show_suppressed: list what ignore files and VEX documents took out.
    Raises: OutputFailed, ReaderGone.
    """
    texts = []
    for place in places:
        terminal = place.terminal
        terms = Terms(
            created=created,
            list_all=list_all,
            show_suppressed=show_suppressed,
            width=terminal.width,
            colour=terminal.colour,
            unicode=terminal.unicode,
        )
        texts.append((place, render(report, place.format, terms)))
    for place, text in sorted(texts, key=lambda pair: pair[0].is_standard):
        place.sink(text)
