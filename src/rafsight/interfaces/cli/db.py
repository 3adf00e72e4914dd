"""`rafsight db`: the advisory database that `scan` asks."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

import rafsight
from rafsight.base.errors import ExitStatus
from rafsight.base.text import printable
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import EXISTING_FILE, TIMEOUT, Function, with_ui
from rafsight.interfaces.cli.output import write_text
from rafsight.interfaces.cli.terminal import standard_output
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight.reports.database import DatabaseStatus, SourceFacts

_DATABASE_OPTION: Final = click.option(
    "--db",
    "database",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The advisory database.  [default: db/advisories.sqlite in the cache]",
)


def _database_command(name: str, short_help: str) -> Callable[[Function], click.Command]:
    """Make a command of the group: a `--db` option and the global ones."""

    def decorate(function: Function) -> click.Command:
        return click.command(name, cls=SectionedCommand, short_help=short_help)(_DATABASE_OPTION(with_ui(function)))

    return decorate


@click.group("db", short_help="Import, update and show the advisory database.")
def db() -> None:
    """Import, update and show the advisory database that `rafsight scan` asks.

    The database is one SQLite file. Only `rafsight db update` uses the network for it.
    """


@_database_command("import", "Build the database from files.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def import_command(paths: tuple[Path, ...], *, database: Path | None, ui: Ui) -> None:
    """Build the database from advisories in OSV's format on this machine.

    PATH is a zip of records as OSV publishes them for each ecosystem, a folder of such zips or records, a record,
    CISA's catalogue of known exploited vulnerabilities, or FIRST's scores of how likely that is (EPSS). What is
    imported replaces what the database had from there.
    """
    target = database or ui.default_database
    result = rafsight.Advisories(target, listener=ui.listener).take(paths)
    ui.begin_output()
    for item in result.imported:
        source = item.source
        write_text(f"{printable(source.name)}: {_counts(source)}\n")
    write_text(summary(result.status))


@_database_command("status", "Show what the database is made of.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
def status_command(*, database: Path | None, as_json: bool, ui: Ui) -> None:
    """Show what the database is made of: sources, dates, numbers of records."""
    from rafsight.reports.database import render_status, render_status_json

    status = rafsight.Advisories(database or ui.default_database).status()
    if as_json:
        write_text(render_status_json(status))
        return
    terminal = standard_output()
    write_text(render_status(status, width=terminal.width, colour=terminal.colour, unicode=terminal.unicode))


@_database_command("update", "Fetch what has changed.")
@click.option("-e", "--ecosystem", "ecosystems", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
@click.option("--url", "base_url", metavar="URL", help="Where the zips lie: URL/ECOSYSTEM/all.zip.  [default: OSV]")
@click.option(
    "--kev-url",
    metavar="URL",
    help="Where the catalogue of known exploited flaws lies; empty: leave it out.  [default: CISA]",
)
@click.option(
    "--epss-url",
    metavar="URL",
    help="Where the probabilities of exploitation lie; empty: leave them out.  [default: FIRST's EPSS]",
)
@click.option(
    "--ca-file", "ca_files", type=EXISTING_FILE, multiple=True, metavar="FILE", help="One more authority, PEM."
)
@click.option(
    "--timeout",
    type=TIMEOUT,
    metavar="TIME",
    help="Without an answer before a request is tried again, such as 90s.  [default: 15s to connect, then 60s]",
)
def update_command(
    *,
    ecosystems: tuple[str, ...],
    base_url: str | None,
    kev_url: str | None,
    epss_url: str | None,
    ca_files: tuple[Path, ...],
    timeout: float | None,
    database: Path | None,
    ui: Ui,
) -> int:
    """Fetch advisories that have changed since the last time, and build the database anew.

    The exit status is 3 if some of them could not be had; the database keeps what it knew from there.
    """
    said: dict[str, Any] = {
        "ecosystems": ecosystems or None,
        "base_url": base_url,
        "kev_url": kev_url,
        "epss_url": epss_url,
    }
    result = rafsight.Advisories(database or ui.default_database, listener=ui.listener).update(
        cache_directory=ui.cache_dir / "downloads",
        ca_files=ca_files,
        timeout=timeout,
        **{name: value for name, value in said.items() if value is not None},
    )
    ui.begin_output()
    counts = {source.name: _counts(source) for source in result.status.sources}
    status = ExitStatus.OK
    for outcome in result.outcomes:
        write_text(
            f"{printable(outcome.name)}: {outcome.state.value}, {counts.get(outcome.name, 'nothing is known')}\n"
        )
        if outcome.detail:
            ui.warn(printable(outcome.detail, 1000))
            status = ExitStatus.INCOMPLETE
    write_text(summary(result.status))
    return status


def summary(status: "DatabaseStatus") -> str:
    """Say in one line what a database has."""
    newest = f", newest of {status.newest_record[:10]}" if status.newest_record else ""
    amount = counted(status.record_count, "advisory", "advisories")
    exploited = f"{status.exploited_count:,} known exploited"
    return f"{amount}{newest}, {exploited}, in {printable(status.path, 1000)}\n"


def counted(count: int, one: str, many: str) -> str:
    """Write a number of things."""
    return f"{count:,} {one if count == 1 else many}"


def _counts(source: "SourceFacts") -> str:
    amounts = [counted(source.record_count, "record", "records")]
    if source.withdrawn_count:
        amounts.append(f"{source.withdrawn_count:,} withdrawn")
    if source.malformed_count:
        amounts.append(f"{source.malformed_count:,} malformed")
    return ", ".join(amounts)


for member in (import_command, status_command, update_command):
    db.add_command(member)
