"""`rafsight scan` of many images: a line for each as it is done, and its report in a folder.

This module alone decides what that looks like, what the reports are called, and the exit status of many scans.
"""

import functools
import hashlib
import re
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli.ending import ending_in_order
from rafsight.interfaces.cli.fleet_options import FleetChoice, fleet_options
from rafsight.interfaces.cli.lazy import SectionOption
from rafsight.interfaces.cli.options import Function
from rafsight.interfaces.cli.output import NoOutputFolder, OutputFailed, open_output, write_text
from rafsight.interfaces.cli.scan_judging import Judging
from rafsight.interfaces.cli.scan_output import Destination, open_outputs, write_reports
from rafsight.interfaces.cli.terminal import standard_output
from rafsight.interfaces.cli.ui import Ui
from rafsight.reports.document import ScanReport
from rafsight.reports.hunt_lines import failure_line, summary_line
from rafsight.reports.hunt_text import failures_text
from rafsight.reports.hunting import HuntFailure, HuntTally
from rafsight.reports.overview import overview_heading, overview_line, overview_record, overview_summary
from rafsight.reports.scanned import ScannedImage
from rafsight.reports.terms import Terms

if TYPE_CHECKING:
    from rafsight import Options

_ENDINGS: Final = {"table": "txt", "json": "json", "sarif": "sarif", "junit": "xml", "markdown": "md", "html": "html"}
"""Of the files of formats; others are JSON that says by its name what it is."""
_LINES: Final = "images.jsonl"
"""What the folder of the reports has beside them; no report is called so."""
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_LENGTH: Final = 150
_ONE_ONLY: Final = {"outputs": "--output", "engine_name": "--engine"}
_MANY_ONLY: Final = {
    "jobs": "--jobs",
    "rate": "--rate",
    "all_platforms": "--all-platforms",
    "folder": "--reports",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyChoice:
    """The images that somebody has named, and where their reports go if they are many."""

    fleet: FleetChoice
    folder: Path | None
    """For their reports."""

    @property
    def only(self) -> str | None:
        """The one image that is meant; None if there are many, or a cluster shall do it."""
        fleet = self.fleet
        is_one = len(fleet.references) == 1 and not (fleet.lists or fleet.registries or fleet.cluster)
        return fleet.references[0] if is_one else None


def many_options(function: Function) -> Function:
    """Add what names images and says how many of them are scanned, and hand the command `many` made from it."""

    @functools.wraps(function)
    def run(*, fleet: FleetChoice, folder: Path | None, **kwargs: Any) -> Any:
        many = ManyChoice(fleet=fleet, folder=folder)
        context = click.get_current_context()
        if fleet.is_empty:
            raise click.UsageError("Missing argument 'REF'.")
        if many.only is None and any(reference.startswith("sbom:") for reference in fleet.references):
            raise click.UsageError("sbom:FILE is scanned alone.")
        for name, option in (_ONE_ONLY if many.only is None else _MANY_ONLY).items():
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                message = f"{option} goes with {'one image' if many.only is None else 'many images'} only."
                raise click.UsageError(message)
        return function(many=many, **kwargs)

    reports = click.option(
        "--reports",
        "folder",
        cls=SectionOption,
        section="Images",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Of many images: write the report of each to DIR, in the format of --format.",
    )
    return fleet_options(reports(run))


def scan_many(
    many: ManyChoice,
    judging: Judging,
    *,
    look: dict[str, Any],
    output_format: str,
    list_all: bool,
    show_suppressed: bool,
    options: "Options",
    ui: Ui,
) -> int:
    """Scan the images, and return the exit status.

    Args:
        many: which images.
        judging: what is shown of their reports.
        look: how each is scanned, as `Hunts.scan` takes it.
        output_format: of the reports.
        list_all: name every package there.
        show_suppressed: list there what need not be shown.
        options: how to reach the images.
        ui: the way to the user.
    """
    if many.folder is None and output_format != "table":
        message = f"--format {output_format} of many images needs --reports DIR."
        raise click.UsageError(message)
    hunts = many.fleet.hunts(options, ui)
    folder = None
    if many.folder is not None:
        folder = _Folder(many.folder, output_format, list_all=list_all, show_suppressed=show_suppressed)
    statuses = set()
    with ending_in_order(), closing(hunts.scan(**look)) as images:
        write_text(overview_heading())
        for image in images:
            shown = judging.shown(image.report, ui)
            statuses.add(status := judging.status_of(shown))
            if folder is not None:
                folder.put(image, shown, status=status, created=judging.date_of(image.report))
            ui.pause_drawing()
            write_text(overview_line(image, shown))
    ui.end_drawing()
    tally, failures = hunts.tally, hunts.failures
    assert tally is not None  # the last image has come
    if folder is not None:
        folder.end(failures, tally)
    terminal = standard_output()
    terms = Terms(created="", width=terminal.width, colour=terminal.colour, unicode=terminal.unicode)
    write_text("".join(failures_text(failures, terms)))
    ui.say(overview_summary(tally))
    return status_of_all(statuses, has_failures=bool(failures))


def status_of_all(statuses: AbstractSet[int], *, has_failures: bool) -> int:
    """Decide the exit status of many scans: what was found first, then what was not looked at.

    Args:
        statuses: of the single ones.
        has_failures: some images could not be scanned.
    """
    found = statuses - {ExitStatus.OK, ExitStatus.INCOMPLETE, ExitStatus.NOTHING}
    if found:
        return min(found)
    if has_failures or ExitStatus.INCOMPLETE in statuses:
        return ExitStatus.INCOMPLETE
    return ExitStatus.OK if ExitStatus.OK in statuses else ExitStatus.NOTHING


def file_name(image: ScannedImage, output_format: str) -> str:
    """Name the report of an image: the same name every time, and another one for every other image."""
    name, platform = image.names[0], image.report.image.platform
    digest = hashlib.sha256(f"{name} {platform}".encode("utf-8", "surrogateescape")).hexdigest()
    readable = _UNUSUAL.sub("_", name).lstrip(".")[:_NAME_LENGTH]
    return f"{readable}-{digest[:12]}.{_ENDINGS.get(output_format, f'{output_format}.json')}"


class _Folder:
    """The reports of many images, and beside them a line for each image and each failure."""

    def __init__(self, path: Path, output_format: str, *, list_all: bool, show_suppressed: bool) -> None:
        """Make the folder.

        Raises: NoOutputFolder, OutputFailed.
        """
        self._path = path
        self._format = output_format
        self._list_all = list_all
        self._show_suppressed = show_suppressed
        self._lines: list[str] = []
        try:
            path.mkdir(exist_ok=True)
        except FileNotFoundError as error:
            raise NoOutputFolder(where=str(path), folder=str(path.parent)) from error
        except OSError as error:
            raise OutputFailed(where=str(path), why=error.strerror or str(error)) from error

    def put(self, image: ScannedImage, shown: ScanReport, *, status: int, created: str) -> None:
        """Write the report of an image.

        Raises: OutputFailed.
        """
        name = file_name(image, self._format)
        with open_outputs((Destination(format=self._format, path=self._path / name),)) as places:
            write_reports(
                shown, places, created=created, list_all=self._list_all, show_suppressed=self._show_suppressed
            )
        self._lines.append(overview_record(image, shown, status=status, report=name))

    def end(self, failures: tuple[HuntFailure, ...], tally: HuntTally) -> None:
        """Write what was done.

        Raises: OutputFailed.
        """
        with open_output(self._path / _LINES) as put:
            put("".join((*self._lines, *map(failure_line, failures), summary_line(tally))))
