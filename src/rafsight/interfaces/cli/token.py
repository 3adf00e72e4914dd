"""`rafsight token`: who may use the service."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rafsight.base.durations import parse_duration
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.text import printable
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import Function, with_ui
from rafsight.interfaces.cli.output import write_text
from rafsight.interfaces.cli.service_options import service_options, store_named
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight.interfaces.service.jobs.contract import JobStore
    from rafsight.interfaces.service.jobs.model import Token

_SECOND: Final = 1000
_NAME_LENGTH: Final = 100
_SCOPES: Final = ("read", "scan:write", "hunt", "harbor", "metrics", "admin")


class NoSuchToken(CallerError):
    """No live token has that id."""

    code = "no-such-token"
    template = "no token that may be used has the id {id}"
    remedy = "`rafsight token list` shows them."
    exit_status = ExitStatus.NOT_FOUND


def _token_command(name: str, short_help: str) -> Callable[[Function], click.Command]:
    """Make a command of the group: `--store`, `--config` and the global options."""

    def decorate(function: Function) -> click.Command:
        return click.command(name, cls=SectionedCommand, short_help=short_help)(service_options(with_ui(function)))

    return decorate


@click.group("token", short_help="Say who may use the service.")
def token() -> None:
    """Say who may use the service that `rafsight serve` runs on the same store.

    A token is shown once, when it is made; the store keeps its digest alone.
    """


@_token_command("create", "Make a token, and write it to standard output.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(_SCOPES),
    multiple=True,
    required=True,
    help="What it may be used for; may be repeated.",
)
@click.option("--name", default="", metavar="NAME", help="For people: whose it is.")
@click.option(
    "--expires", metavar="TIME", help="How long it may be used, such as 90d or 12h.  [default: until revoked]"
)
def create_command(
    *, scopes: tuple[str, ...], name: str, expires: str | None, config: Path | None, store: str | None, ui: Ui
) -> None:
    """Make a token, and write it to standard output."""
    from rafsight.interfaces.service.web.tokens import check_scopes, new_token, token_digest

    until = _expiry(expires)
    name = printable(name, _NAME_LENGTH)
    with _opened(config, store) as opened:
        made = new_token()
        kept = opened.add_token(token_digest(made), name=name, scopes=check_scopes(scopes), expires=until)
    write_text(f"{made}\n")
    ui.say(f"token {kept.id} for {', '.join(kept.scopes)}; it is not shown again")


@_token_command("list", "List tokens.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
def list_command(*, as_json: bool, config: Path | None, store: str | None, ui: Ui) -> None:
    """List tokens, the latest first; the tokens themselves nobody knows."""
    del ui
    with _opened(config, store) as opened:
        rows = [_row(one) for one in opened.tokens()]
    if as_json:
        write_text(json.dumps(rows, indent=2) + "\n")
        return
    for row in rows:
        used = f"used {row['used']}" if row["used"] else "never used"
        until = f", until {row['expires']}" if row["expires"] else ""
        name = printable(row["name"]) or "-"
        write_text(
            f"{row['id']}  {row['state']:8}{name}  {','.join(row['scopes'])}  made {row['created']}{until}, {used}\n"
        )


@_token_command("revoke", "End a token.")
@click.argument("token_id", metavar="ID")
def revoke_command(token_id: str, *, config: Path | None, store: str | None, ui: Ui) -> None:
    """End a token at once; a running service takes at most five seconds to notice."""
    with _opened(config, store) as opened:
        if not opened.revoke_token(token_id):
            raise NoSuchToken(id=token_id)
    ui.say(f"token {printable(token_id)} may not be used any more")


@contextmanager
def _opened(config: Path | None, store: str | None) -> Iterator["JobStore"]:
    from rafsight.interfaces.service.jobs.opening import open_store

    opened = open_store(store_named(config, store))
    try:
        yield opened
    finally:
        opened.close()


def _expiry(text: str | None) -> int | None:
    if text is None:
        return None
    seconds = parse_duration(text)
    if not seconds:
        message = f"'{text}' is no span of time, such as 90d or 12h."
        raise click.BadParameter(message, param_hint="--expires")
    return int((time.time() + seconds) * _SECOND)


def _row(one: "Token") -> dict[str, Any]:
    from rafsight.interfaces.service.web.spelling import optional_time
    from rafsight.interfaces.service.web.tokens import is_live

    return {
        "id": one.id,
        "name": one.name,
        "state": "revoked" if one.revoked is not None else "live" if is_live(one, time.time()) else "expired",
        "scopes": list(one.scopes),
        "created": optional_time(one.created),
        "expires": optional_time(one.expires),
        "used": optional_time(one.used),
    }


for member in (create_command, list_command, revoke_command):
    token.add_command(member)
