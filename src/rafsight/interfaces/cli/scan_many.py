"""`rafsight scan` of many images: a line for each as it is done, and its report in a folder.

This module alone decides what that looks like, what the reports are called, and the exit status of many scans.
"""

import functools
import hashlib
import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

import rafsight
from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli.cluster_options import cluster_options
from rafsight.interfaces.cli.corpus import CorpusChoice, corpus_options, jobs_option
from rafsight.interfaces.cli.ending import ending_in_order
from rafsight.interfaces.cli.lazy import SectionOption
from rafsight.interfaces.cli.options import Function
from rafsight.interfaces.cli.output import NoOutputFolder, OutputFailed, write_text
from rafsight.interfaces.cli.scan_judging import Judging
from rafsight.interfaces.cli.scan_output import Destination, open_outputs, write_reports
from rafsight.interfaces.cli.terminal import standard_output
from rafsight.interfaces.cli.ui import Ui
from rafsight.reports.hunt_text import failures_text
from rafsight.reports.overview import overview_heading, overview_line, overview_summary
from rafsight.reports.scanned import ScannedImage
from rafsight.reports.terms import Terms

if TYPE_CHECKING:
    from rafsight import Cluster, Options

_ENDINGS: Final = {"table": "txt", "json": "json", "sarif": "sarif", "junit": "xml", "markdown": "md", "html": "html"}
"""Of the files of formats; others are JSON that says by its name what it is."""
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_LENGTH: Final = 150
_ONE_ONLY: Final = {"outputs": "--output", "engine_name": "--engine"}
_MANY_ONLY: Final = {"jobs": "--jobs", "all_platforms": "--all-platforms", "folder": "--reports"}

_many = functools.partial(click.option, cls=SectionOption, section="Images")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyChoice:
    """The images that somebody has named, and how they are scanned if they are many."""

    corpus: CorpusChoice
    cluster: "Cluster | None"
    jobs: int
    all_platforms: bool
    folder: Path | None
    """For their reports."""

    @property
    def only(self) -> str | None:
        """The one image that is meant; None if there are many, or a cluster shall do it."""
        corpus = self.corpus
        is_one = len(corpus.references) == 1 and not (corpus.lists or corpus.registries or self.cluster)
        return corpus.references[0] if is_one else None


def many_options(function: Function) -> Function:
    """Add what names images and says how many of them are scanned, and hand the command `many` made from it."""

    @functools.wraps(function)
    def run(
        *,
        corpus: CorpusChoice,
        cluster: "Cluster | None",
        jobs: int,
        all_platforms: bool,
        folder: Path | None,
        **kwargs: Any,
    ) -> Any:
        many = ManyChoice(corpus=corpus, cluster=cluster, jobs=jobs, all_platforms=all_platforms, folder=folder)
        context = click.get_current_context()
        if not (corpus.references or corpus.lists or corpus.registries):
            raise click.UsageError("Missing argument 'REF'.")
        corpus.check()
        if many.only is None and any(reference.startswith("sbom:") for reference in corpus.references):
            raise click.UsageError("sbom:FILE is scanned alone.")
        for name, option in (_ONE_ONLY if many.only is None else _MANY_ONLY).items():
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                message = f"{option} goes with {'one image' if many.only is None else 'many images'} only."
                raise click.UsageError(message)
        return function(many=many, **kwargs)

    decorators: tuple[Callable[[Function], Function], ...] = (
        corpus_options,
        _many("--all-platforms", is_flag=True, help="Of many images: every image of an index."),
        _many(
            "--reports",
            "folder",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help="Of many images: write the report of each to DIR, in the format of --format.",
        ),
        jobs_option("Images"),
        cluster_options,
    )
    wrapped: Function = run
    for decorator in reversed(decorators):
        wrapped = decorator(wrapped)
    return wrapped


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
    hunts = rafsight.Hunts(
        options=options,
        listener=ui.listener,
        jobs=many.jobs,
        all_platforms=many.all_platforms,
        cluster=many.cluster,
    )
    many.corpus.name_to(hunts, options)
    if many.folder is not None:
        _make_folder(many.folder)
    statuses = set()
    with ending_in_order(), closing(hunts.scan(**look)) as images:
        write_text(overview_heading())
        for image in images:
            shown = judging.shown(image.report, ui)
            statuses.add(judging.status_of(shown))
            if many.folder is not None:
                place = Destination(format=output_format, path=many.folder / file_name(image, output_format))
                with open_outputs((place,)) as places:
                    write_reports(
                        shown,
                        places,
                        created=judging.date_of(image.report),
                        list_all=list_all,
                        show_suppressed=show_suppressed,
                    )
            ui.pause_drawing()
            write_text(overview_line(image, shown))
    ui.end_drawing()
    terminal = standard_output()
    terms = Terms(created="", width=terminal.width, colour=terminal.colour, unicode=terminal.unicode)
    write_text("".join(failures_text(hunts.failures, terms)))
    if hunts.tally is not None:
        ui.say(overview_summary(hunts.tally))
    return status_of_all(statuses, has_failures=bool(hunts.failures))


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


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError as error:
        raise NoOutputFolder(where=str(folder), folder=str(folder.parent)) from error
    except OSError as error:
        raise OutputFailed(where=str(folder), why=error.strerror or str(error)) from error
