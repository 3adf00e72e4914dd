"""`rafsight index`: the file tables of a fleet, taken once and asked without a registry.

This module alone decides what indexes look like on the command line, and their exit statuses.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import rafsight
from rafsight.base.durations import parse_duration
from rafsight.base.errors import ExitStatus
from rafsight.base.text import printable
from rafsight.base.units import format_size
from rafsight.interfaces.cli.ending import ending_in_order
from rafsight.interfaces.cli.fleet_options import FleetChoice, fleet_options, known_fleet_options
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import Function, registry_options, with_ui
from rafsight.interfaces.cli.output import open_output, write_text
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight import FleetIndex, Options
    from rafsight.reports.indexing import UpdateResult

_INDEX_OPTION: Final = click.option(
    "--index",
    "url",
    metavar="URL",
    required=True,
    envvar="RAFSIGHT_INDEX",
    help="A folder, or a URL such as s3://BUCKET/PATH.  [default: $RAFSIGHT_INDEX]",
)


def _index_command(name: str, short_help: str) -> Callable[[Function], click.Command]:
    """Make a command of the group: an `--index` option and the global ones."""

    def decorate(function: Function) -> click.Command:
        return click.command(name, cls=SectionedCommand, short_help=short_help)(_INDEX_OPTION(with_ui(function)))

    return decorate


@click.group("index", short_help="Keep the file tables of many images, and ask them.")
def index() -> None:
    """Keep the file tables of many images in one place, and ask them without a registry.

    An index is a folder, here or at any URL that fsspec knows. `rafsight hunt --index URL` asks it, too.
    """


@_index_command("build", "Take the file tables of images.")
@fleet_options
@registry_options
def build_command(*, fleet: FleetChoice, url: str, options: "Options", ui: Ui) -> int:
    """Take the file tables of all images that are named, where there is no index yet.

    The exit status is 3 if some of them could not be looked at: they are listed, and tried again by `update`.
    """
    index, images = _index(url, ui), fleet.hunts(options, ui)
    with ending_in_order():
        result = index.build(images)
    return _show_update(result, ui)


@_index_command("update", "Bring an index up to date.")
@known_fleet_options
@registry_options
@click.option("--verify", is_flag=True, help="Look into every table, and take again what is damaged.")
def update_command(*, fleet: FleetChoice, url: str, verify: bool, options: "Options", ui: Ui) -> int:
    """Bring an index up to date: with the images that are named, else with all that it was built of.

    Images that are named are added to those that it looks at from now on. Only new and changed images are fetched;
    those that are gone are marked, and forgotten by `compact` after a month.
    """
    index, images = _index(url, ui), fleet.hunts(options, ui)
    with ending_in_order():
        result = index.update(images, verify=verify)
    return _show_update(result, ui)


@_index_command("query", "Ask an index in SQL.")
@click.argument("sql", metavar="SQL")
@click.option(
    "-f", "--format", "form", type=click.Choice(("table", "jsonl", "csv")), default="table", show_default=True
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to FILE.")
def query_command(*, sql: str, url: str, form: str, output: Path | None, ui: Ui) -> int:
    """Ask an index in SQL, as DuckDB takes it: one SELECT, which can reach nothing but the index.

    \b
    Its tables; DESCRIBE files shows the columns of one:
      images     a row a reference, those that are gone and those that failed, too
      files      a row a path of an image that is there
      entries    a row a distinct entry of all images: much quicker to ask than files
      spans      which trees have the entries of a group
      trees      a row a file tree; images with the same bootstrap share it

    The exit status is 3 if some images have no answer.
    """  # noqa: D301 - click wants a backspace
    from rafsight.reports.query_rows import csv_lines, json_lines, table_lines

    write = {"table": table_lines, "jsonl": json_lines, "csv": csv_lines}[form]
    with _index(url, ui).query(sql) as result, open_output(output) as put:
        ui.begin_output()
        for line in write(result.columns, result.rows):
            put(line)
    if not result.unanswered:
        return ExitStatus.OK
    images = _counted(result.unanswered, "image")
    ui.warn(f"{images} could not be looked at; `is_answered` and `error` of the table `images` tell which and why")
    return ExitStatus.INCOMPLETE


@_index_command("status", "Show what an index is made of.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
def status_command(*, url: str, as_json: bool, ui: Ui) -> int:
    """Show what an index is made of: images, trees, entries, size.

    The exit status is 3 if a part of it is lost.
    """
    import json
    from dataclasses import asdict

    status = _index(url, ui).status()
    if as_json:
        write_text(json.dumps(asdict(status), indent=2) + "\n")
    else:
        gone = f", {status.gone:,} gone" if status.gone else ""
        failed = f", {status.failed:,} not looked at" if status.failed else ""
        write_text(
            f"{_counted(status.images, 'image')}{gone}{failed}; {_counted(status.trees, 'tree')}, "
            f"{status.entries:,} distinct entries, {_counted(status.parts, 'part')}, {format_size(status.size)}, "
            f"generation {status.generation}, in {printable(status.place, 1000)}\n"
        )
    return ExitStatus.INCOMPLETE if status.lost_parts else ExitStatus.OK


@_index_command("compact", "Make an index small and quick again.")
@click.option(
    "--keep-gone", metavar="SPAN", default="30d", show_default=True, help="How long images stay after they are gone."
)
def compact_command(*, url: str, keep_gone: str, ui: Ui) -> None:
    """Put all trees of an index into few parts, and forget what is gone for long.

    Updates do so by themselves when there are many small parts. Readers are not disturbed.
    """
    seconds = parse_duration(keep_gone)
    if seconds is None:
        raise click.UsageError("--keep-gone: write a span of time, as in 12h or 30d.")
    found = _index(url, ui)
    with ending_in_order():
        changed = found.compact(keep_gone=int(seconds))
    if changed is None:
        ui.warn("another process changed the index meanwhile; it was left as it is")
        return
    ui.say(f"{_counted(len(changed.parts), 'part')}, {format_size(changed.size)}")


def _index(url: str, ui: Ui) -> "FleetIndex":
    return rafsight.FleetIndex(url, options=rafsight.Options(cache_dir=ui.cache_dir), listener=ui.listener)


def _show_update(result: "UpdateResult", ui: Ui) -> int:
    """Say what an update did; what failed is named."""
    ui.end_drawing()
    for failure in result.failures:
        ui.warn(f"{', '.join(map(printable, failure.names))}: {printable(failure.message, 1000)}")
    parts = [
        f"{_counted(result.images, 'image')} named",
        f"{_counted(result.trees, 'tree')} taken",
        f"{result.gone:,} gone" if result.gone else "",
        f"{_counted(result.passed_over, 'name')} of no image" if result.passed_over else "",
        f"{result.requests:,} requests",
        format_size(result.bytes_fetched),
        f"{result.seconds:.1f} s",
        f"the index has {format_size(result.size)}",
    ]
    ui.say(", ".join(part for part in parts if part))
    if result.failures:
        return ExitStatus.INCOMPLETE
    return ExitStatus.OK if result.images else ExitStatus.NOTHING


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"


for member in (build_command, update_command, query_command, status_command, compact_command):
    index.add_command(member)
