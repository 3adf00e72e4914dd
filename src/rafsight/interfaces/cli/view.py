"""`rafsight view`: mount an image as a file tree, list what is mounted, end it.

This module alone decides which of its options go together, and how a view and its end are told.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

import rafsight
from rafsight.base.errors import ExitStatus
from rafsight.base.text import printable
from rafsight.base.units import format_size, parse_size
from rafsight.interfaces.cli.lazy import SectionedCommand, SectionOption
from rafsight.interfaces.cli.options import registry_options, with_ui
from rafsight.interfaces.cli.output import flush_output, write_names, write_text
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight import Options, View, ViewFacts, ViewStatistics

ENGINES: Final = ("auto", "erofs", "erofs-fanotify", "fuse")
"""A test compares them with those that there are, which are not imported for `--help`."""
_RUNNING: Final = "Views that run"
_ALL: Final = "all"
_NOT_MOUNTING: Final = ("engine", "prefetch", "access_log", "cache_size", "detach")
_LONG: Final = 4000
"""Characters of a path or reference that are shown."""


class _Folder(click.Path):
    """The name of a folder. An empty one, as of a variable that is not set, would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty name."""
        if value == "":
            self.fail("The name of the folder is empty.", param, ctx)
        return super().convert(value, param, ctx)


def _read_size(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Read a number of bytes."""
    if value is None:
        return None
    size = parse_size(value)
    if size is None:
        message = f"'{value}' is no size such as 500MB or 20GiB."
        raise click.BadParameter(message, context, parameter)
    return size


@click.command("view", cls=SectionedCommand, short_help="Mount an image as a file tree, read-only.")
@click.argument("reference", metavar="[REF]", required=False)
@click.argument("directory", metavar="[DIR]", required=False, type=_Folder(path_type=Path))
@click.option(
    "--detach", "-d", is_flag=True, help="Return when the tree is there; a process in the background serves it."
)
@click.option("--engine", type=click.Choice(ENGINES), default="auto", show_default=True, help="What serves the tree.")
@click.option(
    "--prefetch",
    metavar="table|all|FILE",
    help="Fetch ahead what the image's own table says, all of it, or the paths in FILE, one a line.",
)
@click.option(
    "--access-log",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the paths of files that are read, in order of their first read: a list for --prefetch.",
)
@click.option(
    "--cache-size",
    callback=_read_size,
    metavar="SIZE",
    help="The most that chunks may take on disk.  [default: 20GiB, or a tenth of what is free]",
)
@click.option("--json", "as_json", is_flag=True, help="Say what is mounted, and what it did, as JSON objects.")
@click.option("--list", "lists", is_flag=True, cls=SectionOption, section=_RUNNING, help="List the views that run.")
@click.option(
    "--stats",
    is_flag=True,
    cls=SectionOption,
    section=_RUNNING,
    help="Say what views did so far; of the one at DIR, if one is named.",
)
@click.option(
    "--umount", type=_Folder(), metavar="DIR|all", cls=SectionOption, section=_RUNNING, help="End a view, or all."
)
@registry_options
@with_ui
def view(
    reference: str | None,
    directory: Path | None,
    *,
    detach: bool,
    engine: str,
    prefetch: str | None,
    access_log: Path | None,
    cache_size: int | None,
    as_json: bool,
    lists: bool,
    stats: bool,
    umount: str | None,
    options: "Options",
    ui: Ui,
) -> int:
    """Mount the image REF at the folder DIR, print where, and serve it until Ctrl-C.

    Without DIR a folder inside the cache is used. The tree is read-only, without set-user-ID programs and devices.
    Content is fetched when it is read, verified before it is shown, and kept on disk for the next time.

    Root gets the kernel's own EROFS (fast), other users a FUSE tree through fusermount3.

    \b
    Exit status:
      0   the view has ended
      3   some reads failed, since content could not be had
      73  DIR cannot show a view
      else an error, see docs/exit-codes.md
    """  # noqa: D301 - click wants a backspace
    views = rafsight.Views(ui.cache_dir)
    if lists or stats or umount is not None:
        _check_asking(reference, directory, [lists, stats, umount is not None], may_name=stats)
        if lists:
            return _list(views.running(), as_json=as_json)
        if umount is not None:
            views.stop(None if umount == _ALL else Path(umount), listener=ui.listener)
            return ExitStatus.OK
        return _tell_all(views.statistics(Path(reference) if reference else None), as_json=as_json)
    if reference is None:
        message = "Missing argument 'REF'."
        raise click.UsageError(message, click.get_current_context())
    terms = rafsight.ViewTerms(engine=engine, prefetch=prefetch, access_log=access_log, cache_size=cache_size)
    if detach:
        facts = views.start(reference, directory, terms=terms, options=options).wait(ui.listener)
        try:
            ui.begin_output()
            _say_where(facts, as_json=as_json)
        except BaseException:  # nobody would know where it is
            views.stop(facts.directory, listener=ui.listener)
            raise
        return ExitStatus.OK

    shown: list[View] = []

    def on_ready(mounted: "View") -> None:
        shown.append(mounted)
        ui.pause_drawing()
        _say_where(mounted.facts, as_json=as_json)
        ui.say(f"mounted by {mounted.facts.engine} ({mounted.how}); Ctrl-C ends it")

    done = views.serve(reference, directory, on_ready=on_ready, terms=terms, options=options, listener=ui.listener)
    ui.end_drawing()
    if as_json:
        _write_json(asdict(done))
    ui.say(describe(done))
    status = ExitStatus.INCOMPLETE if done.failed else ExitStatus.OK
    if any(one.is_left_behind for one in shown):
        flush_output()
        os._exit(status)  # the interpreter would wait for what does not answer
    return status


def _check_asking(reference: str | None, directory: Path | None, asked: Sequence[bool], *, may_name: bool) -> None:
    """Refuse what does not go together: views that run are asked about, or one is made."""
    context = click.get_current_context()
    if sum(asked) > 1:
        message = "--list, --stats and --umount are questions of their own: ask one at a time."
        raise click.UsageError(message, context)
    if reference == "":
        message = "The name of the folder is empty."
        raise click.UsageError(message, context)
    if directory is not None or (reference is not None and not may_name):
        message = "--list, --stats and --umount take no REF: they are about views that run."
        raise click.UsageError(message, context)
    source = click.core.ParameterSource.COMMANDLINE
    for name in _NOT_MOUNTING:
        if context.get_parameter_source(name) is source:
            message = f"--{name.replace('_', '-')} is for mounting, not for views that run."
            raise click.UsageError(message, context)


def _say_where(facts: "ViewFacts", *, as_json: bool) -> None:
    if as_json:
        _write_json(_as_json(facts))
    else:
        write_names(f"{facts.directory}\n")
    flush_output()


def _list(found: Sequence["ViewFacts"], *, as_json: bool) -> int:
    if as_json:
        write_text(json.dumps([_as_json(one) for one in found], indent=2) + "\n")
        return ExitStatus.OK
    rows = [("DIRECTORY", "ENGINE", "PID", "SINCE", "REFERENCE")]
    rows += [
        (
            printable(str(one.directory), _LONG),
            one.engine or "(starting)",
            str(one.pid),
            _moment(one.started),
            printable(one.reference, _LONG),
        )
        for one in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        write_text("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
    return ExitStatus.OK


def _tell_all(found: Sequence[tuple["ViewFacts", "ViewStatistics"]], *, as_json: bool) -> int:
    if as_json:
        said = [{**_as_json(facts), "statistics": asdict(numbers)} for facts, numbers in found]
        write_text(json.dumps(said, indent=2) + "\n")
        return ExitStatus.OK
    for facts, numbers in found:
        write_text(f"{printable(str(facts.directory), _LONG)}: {describe(numbers)}\n")
    return ExitStatus.OK


def describe(numbers: "ViewStatistics") -> str:
    """Say in one line what a view did."""
    parts = [] if numbers.files_opened is None else [f"{_counted(numbers.files_opened, 'file')} opened"]
    parts += [
        f"{format_size(numbers.bytes_served)} served",
        f"{format_size(numbers.bytes_fetched)} fetched in {_counted(numbers.requests, 'request')}",
    ]
    asked = numbers.chunk_hits + numbers.chunk_misses
    if asked:
        parts.append(f"{numbers.chunk_hits:,} of {_counted(asked, 'chunk')} found in the cache")
    if numbers.failed:
        parts.append(f"{_counted(numbers.failed, 'chunk')} could not be had")
    return f"{', '.join(parts)}, in {numbers.seconds:.0f} s"


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _as_json(facts: "ViewFacts") -> dict[str, object]:
    return {
        "directory": str(facts.directory),
        "reference": facts.reference,
        "engine": facts.engine,
        "pid": facts.pid,
        "started": _moment(facts.started),
        "ready": facts.is_ready,
        "log": str(facts.log),
    }


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _write_json(value: object) -> None:
    write_text(json.dumps(value) + "\n")
