"""What `serve` and `token` have in common: where the store is, and the settings of the service.

This module alone decides where the store lies if nobody says otherwise: not in the cache, which can be had again.
"""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rafsight.interfaces.cli.options import EXISTING_FILE, Function
from rafsight.interfaces.cli.present import ServerMissing

if TYPE_CHECKING:
    from rafsight.interfaces.service.web.settings import ServiceSettings
    from rafsight.interfaces.service.web.settings_forms import SettingsForm

_NEEDED: Final = ("starlette", "anyio", "uvicorn", "jinja2")
_STORE_OPTION: Final = click.option(
    "--store",
    metavar="URL",
    help="A file, or postgresql://USER@HOST/DATABASE; env:NAME and file:PATH say where that stands."
    "  [default: service.sqlite in $XDG_STATE_HOME/rafsight]",
)
_CONFIG_OPTION: Final = click.option("--config", type=EXISTING_FILE, metavar="FILE", help="Settings: serve.yaml.")


def service_options(function: Function) -> Function:
    """Add `--store` and `--config`."""
    return _STORE_OPTION(_CONFIG_OPTION(function))


def need_server() -> None:
    """See that the packages of the service are here: its settings and its store are its own.

    Raises: ServerMissing.
    """
    for name in _NEEDED:
        if find_spec(name) is None:
            raise ServerMissing(name=name)


def read_settings(
    config: Path | None, said: Mapping[str, Any], *, cache_dir: Path, database: Path
) -> "ServiceSettings":
    """Put settings together: options first, then the file, then what holds where nothing is said.

    Args:
        config: the file; None: there is none.
        said: options of the command line, see `with_options`.
        cache_dir: of the user.
        database: the advisory database of the user.
    Raises: MalformedSettings, NoSecret, MalformedTerms, MalformedNetwork.
    """
    from rafsight.interfaces.service.web.settings_file import SettingsMaker, with_options

    form = with_options(_form(config), said)
    maker = SettingsMaker(str(config or "on the command line"), os.environ)
    return maker.make(form, store=default_store(), database=database, cache_dir=cache_dir)


def store_named(config: Path | None, store: str | None) -> str:
    """Return the store that is meant.

    Raises: MalformedSettings, NoSecret, ServerMissing.
    """
    need_server()
    from rafsight.interfaces.service.web.settings_file import SettingsMaker

    named = store or _form(config).store
    return SettingsMaker(str(config or "on the command line"), os.environ).secret(named) or default_store()


def default_store(environment: Mapping[str, str] = os.environ) -> str:
    """Return the file that is the store if none is named; its folder is made.

    Args:
        environment: of the process.
    """
    state = environment.get("XDG_STATE_HOME", "")
    home = Path(environment.get("HOME") or Path.home())
    folder = (Path(state) if Path(state).is_absolute() else home / ".local" / "state") / "rafsight"
    return str(folder / "service.sqlite")


def _form(config: Path | None) -> "SettingsForm":
    from rafsight.interfaces.service.web.settings_file import read_form
    from rafsight.interfaces.service.web.settings_forms import SettingsForm

    return SettingsForm() if config is None else read_form(config)
