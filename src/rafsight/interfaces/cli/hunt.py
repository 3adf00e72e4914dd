"""`rafsight hunt`: one question to many images.

This module alone decides what a hunt looks like on the command line, and its exit status.
"""

import functools
from contextlib import closing
from os import fsencode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

import rafsight
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.interfaces.cli.ending import ending_in_order
from rafsight.interfaces.cli.fleet_options import FleetChoice, fleet_options
from rafsight.interfaces.cli.lazy import SectionedCommand, SectionOption
from rafsight.interfaces.cli.options import cache_options, registry_options, with_ui
from rafsight.interfaces.cli.output import Sink, open_output
from rafsight.interfaces.cli.terminal import A_FILE, standard_output
from rafsight.interfaces.cli.ui import Ui
from rafsight.reports.hunt_lines import answer_line, csv_header, csv_rows, failure_line, summary_line
from rafsight.reports.hunt_text import answer_text, failures_text, summary_text
from rafsight.reports.hunting import HuntAnswer, HuntFailure, HuntTally
from rafsight.reports.terms import Terms

if TYPE_CHECKING:
    from rafsight import FleetIndex, Hunts, Options

_RULES_SIZE: Final = 64 << 20
_UNSEEN_SHOWN: Final = 5


class UnreadableRules(CallerError):
    """A file with YARA rules cannot be read."""

    code = "unreadable-yara-rules"
    template = "cannot read the YARA rules in {file}: {why}"
    remedy = "Name a file with the source of rules, in UTF-8."
    exit_status = ExitStatus.NOT_FOUND


_image = functools.partial(click.option, cls=SectionOption, section="Images")
_file = functools.partial(click.option, cls=SectionOption, section="Files (all have to hold for one file)")
_package = functools.partial(click.option, cls=SectionOption, section="Packages (all have to hold for one package)")


@click.command("hunt", cls=SectionedCommand, short_help="Ask many images one question.")
@fleet_options
@_image("--index", "url", metavar="URL", help="Ask the file tables at URL, made by `rafsight index`, and no registry.")
@_file("--path", "paths", multiple=True, metavar="GLOB", help="Its path: /usr/lib/*/x.so, '**/x.jar'. May be repeated.")
@_file("--name", "names", multiple=True, metavar="GLOB", help="Its name: 'liblzma.so.5.6.*'. May be repeated.")
@_file("--type", "kinds", metavar="LIST", default="", help="What it is: f, d, l, c, b, p, s, with commas.")
@_file("--size", metavar="RANGE", default="", help="N, MIN..MAX, MIN.. or ..MAX, as in 1KiB..10MB.")
@_file("--mode", metavar="BITS", default="", help="4755 exactly, -4000 all of these, /6000 any of these.")
@_file("--xattr", metavar="NAME", default="", help="An extended attribute that it has: security.capability, 'user.*'.")
@_file("--sha256", multiple=True, metavar="HEX", help="The digest of its content. May be repeated.")
@_file("--content", metavar="REGEX", default="", help="An expression that is found in its bytes (RE2's syntax).")
@_file("--yara", "rules", metavar="FILE", type=click.Path(path_type=Path), help="YARA rules, one of which matches.")
@_file("--max-file-size", metavar="SIZE", default="", help="Look into no larger ones.  [default: 64MiB]")
@_package("--package", metavar="PURL", default="", help="pkg:TYPE/[NAMESPACE/]NAME, as in pkg:deb/xz-utils.")
@_package("--version", "version_range", metavar="RANGE", default="", help="Of these versions: '>=5.6.0,<5.6.2'.")
@_package("--advisory", "advisories", multiple=True, metavar="ID", help="Affected by it. May be repeated.")
@_package(
    "--db",
    "database",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The advisory database.  [default: db/advisories.sqlite in the cache]",
)
@click.option(
    "--state", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Remember answers; go on there."
)
@click.option(
    "-f", "--format", "form", type=click.Choice(("table", "jsonl", "csv")), default="table", show_default=True
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to FILE.")
@click.option("--all", "show_all", is_flag=True, help="Show images without a match, too (not in CSV).")
@click.option(
    "--exit-code", type=click.IntRange(0, 255), metavar="N", default=0, help="Exit status if an image has a match."
)
@registry_options
@cache_options
@with_ui
def hunt(
    *,
    fleet: FleetChoice,
    url: str | None,
    form: str,
    output: Path | None,
    show_all: bool,
    exit_code: int,
    options: "Options",
    ui: Ui,
    **question: Any,
) -> int:
    """Ask many images one question: which of them have such a file, or such a package?

    Questions about metadata cost one request for each name and one for each distinct image. Of questions about content
    each distinct content is fetched once, whatever the number of images that have it. An index answers questions about
    metadata without a request: of all its images, or of those that are named.

    \b
    Exit status:
      0   done, whatever was found
      N   an image has a match, with --exit-code N
      3   an image, or a part of one, was not looked at
      4   there was no image
      else an error, see docs/exit-codes.md
    """  # noqa: D301 - click wants a backspace
    asked: Hunts | FleetIndex
    asked = hunts = fleet.hunts(options, ui)
    words = _asked(question, ui)
    if url is not None:
        _refuse_ways(click.get_current_context())
        asked = rafsight.FleetIndex(url, options=options, listener=ui.listener)
        words["images"] = hunts
    with open_output(output) as put:
        writer = _Writer(form, put, _terms(output), show_all=show_all)
        tally = _ask(asked, words, writer, ui)
    ui.say(summary_text(tally))
    return _status(tally, asked.failures, exit_code)


def _ask(asked: "Hunts | FleetIndex", words: dict[str, Any], writer: "_Writer", ui: Ui) -> HuntTally:
    """Ask, and write the answers as they come."""
    with ending_in_order(), closing(asked.ask(**words)) as answers:
        writer.begin()
        for answer in answers:
            ui.pause_drawing()
            writer.answer(answer)
            if not writer.tells_all:
                _warn_unseen(answer, ui)
        ui.end_drawing()
        tally = asked.tally
        assert tally is not None  # the last answer has come
        writer.end(asked.failures, tally)
        for failure in () if writer.tells_all else asked.failures:
            ui.warn(f"{', '.join(failure.names)}: {failure.message}")
    return tally


class _Writer:
    """Writes answers as they come."""

    def __init__(self, form: str, put: Sink, terms: Terms, *, show_all: bool) -> None:
        self._form = form
        self._put = put
        self._terms = terms
        self._show_all = show_all

    @property
    def tells_all(self) -> bool:
        """Tell whether the format has a place for what was not looked at."""
        return self._form != "csv"

    def begin(self) -> None:
        """Write what comes first."""
        if self._form == "csv":
            self._put(csv_header())

    def answer(self, answer: HuntAnswer) -> None:
        """Write an answer, if it is wanted."""
        if not (answer.is_match or self._show_all or answer.unseen):
            return
        if self._form == "csv":
            text = "".join(csv_rows(answer))
        elif self._form == "jsonl":
            text = answer_line(answer)
        else:
            text = "".join(answer_text(answer, self._terms))
        if text:
            self._put(text)

    def end(self, failures: tuple[HuntFailure, ...], tally: HuntTally) -> None:
        """Write what comes last."""
        if self._form == "jsonl":
            self._put("".join(map(failure_line, failures)) + summary_line(tally))
        elif self._form == "table" and failures:
            self._put("".join(failures_text(failures, self._terms)))


def _warn_unseen(answer: HuntAnswer, ui: Ui) -> None:
    """Say what was not looked at, where the format has no place for it."""
    for one in answer.unseen[:_UNSEEN_SHOWN]:
        ui.warn(f"{answer.names[0]}: not looked at: {one.subject}: {one.why}")
    if len(answer.unseen) > _UNSEEN_SHOWN:
        ui.warn(f"{answer.names[0]}: {len(answer.unseen) - _UNSEEN_SHOWN} more were not looked at")


def _asked(question: dict[str, Any], ui: Ui) -> dict[str, Any]:
    """Turn the options into a question."""
    rules: Path | None = question.pop("rules")
    version: str = question.pop("version_range")
    asked = question | {
        "paths": [fsencode(glob) for glob in question["paths"]],
        "names": [fsencode(glob) for glob in question["names"]],
        "xattr": fsencode(question["xattr"]),
        "yara": _read_rules(rules) if rules is not None else "",
        "version": version,
    }
    asked["database"] = (asked["database"] or ui.default_database) if asked["advisories"] else None
    return asked


def _read_rules(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_RULES_SIZE + 1)
        if len(content) > _RULES_SIZE:
            raise UnreadableRules(file=str(file), why=f"it has more than {_RULES_SIZE} bytes")
        return content.decode()
    except OSError as error:
        raise UnreadableRules(file=str(file), why=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise UnreadableRules(file=str(file), why=str(error)) from error


def _refuse_ways(context: click.Context) -> None:
    """Refuse options that say how images are reached, where none is."""
    for name in ("all_platforms", "jobs", "rate", "state", "address"):
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = "--dask" if name == "address" else f"--{name.replace('_', '-')}"
            message = f"{option} means nothing with --index."
            raise click.UsageError(message)


def _terms(output: Path | None) -> Terms:
    terminal = standard_output() if output is None else A_FILE
    return Terms(created="", width=terminal.width, colour=terminal.colour, unicode=terminal.unicode)


def _status(tally: HuntTally, failures: tuple[HuntFailure, ...], exit_code: int) -> int:
    if tally.matches and exit_code:
        return exit_code
    if failures or tally.unseen:
        return ExitStatus.INCOMPLETE
    return ExitStatus.OK if tally.images else ExitStatus.NOTHING
