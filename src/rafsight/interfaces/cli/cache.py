"""`rafsight cache`: what is kept on this machine between runs."""

from typing import Final

import click

import rafsight
from rafsight.base.errors import ExitStatus
from rafsight.base.units import parse_size
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import Span, with_ui
from rafsight.interfaces.cli.output import write_text
from rafsight.interfaces.cli.ui import Ui

_PARTS: Final = ("results", "documents", "bootstraps", "chunks", "convert", "downloads", "index", "presented")
_DAY: Final = 24 * 3600
_UNUSED_DAYS: Final = 30

_part_option = click.option(
    "--part",
    "parts",
    type=click.Choice(_PARTS),
    multiple=True,
    help="Only this part; may be repeated.  [default: all]",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="As a JSON object.")


@click.group("cache", short_help="Show, check and empty what is kept between runs.")
def cache() -> None:
    """Show, check and empty what is kept on this machine between runs.

    Everything in it can be had again: what is removed costs only time. The advisory database and running views lie in
    the same folder, and are left alone. docs/cache.md says what each part is.
    """


@cache.command("status", cls=SectionedCommand, short_help="Show how much lies where.")
@_json_option
@with_ui
def status_command(*, as_json: bool, ui: Ui) -> None:
    """Show how much lies where."""
    from rafsight.reports.caches import render_status, render_status_json

    status = rafsight.Caches(ui.cache_dir).status()
    write_text(render_status_json(status) if as_json else render_status(status))


@cache.command("prune", cls=SectionedCommand, short_help="Remove what was not used for long.")
@click.option("--max-size", metavar="SIZE", help="What may be left, such as 500MB: what was used last stays.")
@click.option(
    "--unused-for",
    "days",
    type=Span("d", most=36_500),
    metavar="DAYS",
    help=f"Remove what was not used for so long, such as 14 or 12h.  [default: {_UNUSED_DAYS}, without --max-size]",
)
@_json_option
@with_ui
def prune_command(*, max_size: str | None, days: float | None, as_json: bool, ui: Ui) -> None:
    """Remove what was not used for long; nothing that a process uses now."""
    size = None if max_size is None else parse_size(max_size)
    if max_size is not None and size is None:
        message = f"'{max_size}' is no size such as 500MB or 20GiB."
        raise click.BadParameter(message, param_hint="--max-size")
    if size is None and days is None:
        days = _UNUSED_DAYS
    freed = rafsight.Caches(ui.cache_dir).prune(max_size=size, unused_for=None if days is None else days * _DAY)
    _say_freed(freed, as_json=as_json)


@cache.command("clear", cls=SectionedCommand, short_help="Remove everything.")
@_part_option
@_json_option
@with_ui
def clear_command(*, parts: tuple[str, ...], as_json: bool, ui: Ui) -> None:
    """Remove everything, but what a process uses now."""
    _say_freed(rafsight.Caches(ui.cache_dir).clear(parts), as_json=as_json)


@cache.command("verify", cls=SectionedCommand, short_help="Compare everything with its checksum.")
@_part_option
@_json_option
@with_ui
def verify_command(*, parts: tuple[str, ...], as_json: bool, ui: Ui) -> int:
    """Compare everything with its checksum, and remove what is damaged.

    The exit status is 65 if something was: it is fetched again when it is needed.
    """
    from rafsight.reports.caches import render_verified, render_verified_json

    found = rafsight.Caches(ui.cache_dir).verify(parts)
    write_text(render_verified_json(found) if as_json else render_verified(found))
    return ExitStatus.DAMAGED if any(one.damaged for one in found) else ExitStatus.OK


def _say_freed(freed: int, *, as_json: bool) -> None:
    from rafsight.reports.caches import render_freed, render_freed_json

    write_text(render_freed_json(freed) if as_json else render_freed(freed))
