"""The options that several commands share, and the values that commands get from them.

This module alone decides what they are called. A command that takes a REF is decorated with `registry_options` and gets
`options`; every command is decorated with `with_ui` and gets `ui`.
"""

import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from rafsight.base.durations import UNITS, parse_duration
from rafsight.base.units import parse_size
from rafsight.interfaces.cli.lazy import SectionOption
from rafsight.interfaces.cli.settings import Settings

Function = Callable[..., Any]

EXISTING_FILE: Final = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
EXISTING_DIRECTORY: Final = click.Path(exists=True, file_okay=False, path_type=Path)


_FORMATS_ELSEWHERE: Final = ("json", "table", "sarif", "text", "cyclonedx-json", "spdx-json", "syft-json")
"""What Syft, Grype and kubectl take behind `-o`."""


class Size(click.ParamType[int]):
    """A number of bytes: 1MiB, 0x100000, 1048576."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        if isinstance(value, int):
            return value
        try:
            size: int | None = int(value, 0)
        except ValueError:
            size = parse_size(value)
        if size is None or size < 0:
            self.fail(f"{value!r} is no number of bytes, such as 1MiB or 0x100000.", param, ctx)
        return size


class Span(click.ParamType[float]):
    """A span of time: 90, 90s, 1.5m, 7d."""

    name = "span"

    def __init__(self, unit: str, *, least: float = 0, most: float) -> None:
        """Take the unit of a bare number and of the value, and bounds in it.

        Args:
            unit: `s`, `m`, `h`, `d` or `w`.
            least: the shortest.
            most: the longest.
        """
        self._unit, self._least, self._most = unit, least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        if isinstance(value, (int, float)):
            return float(value)
        seconds = parse_duration(value if value[-1:].isalpha() else f"{value}{self._unit}")
        if seconds is None:
            self.fail(f"{value!r} is no span of time, such as 90s, 5m, 12h or 7d.", param, ctx)
        span = seconds / UNITS[self._unit]
        if not self._least <= span <= self._most:
            self.fail(
                f"{value!r} is not between {self._least:g}{self._unit} and {self._most:g}{self._unit}.", param, ctx
            )
        return span


TIMEOUT: Final = Span("s", least=0.1, most=86_400)


def _global_option(*names: str, field: str, **more: Any) -> Callable[[Function], Function]:
    """Make an option that may stand before and after the command's name, and lands in the settings."""

    def remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        del parameter
        settings = context.ensure_object(Settings)
        if value:
            setattr(settings, field, value)

    return click.option(
        *names, field, cls=SectionOption, section="Global options", expose_value=False, callback=remember, **more
    )


_GLOBAL_OPTIONS: Final = (
    _global_option("-q", "--quiet", field="quiet", is_flag=True, help="No progress and no warnings."),
    _global_option("--debug", field="debug", is_flag=True, help="Show where in the code an error comes from."),
    _global_option("--no-progress", field="no_progress", is_flag=True, help="Draw no progress bars."),
    _global_option(
        "--cache-dir",
        field="cache_dir",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Where to keep what was fetched.  [default: $RAFSIGHT_CACHE_DIR or ~/.cache/rafsight]",
    ),
)

_registry_option = functools.partial(click.option, cls=SectionOption, section="Registry options")

_REGISTRY_OPTIONS: Final = (
    _registry_option("--platform", metavar="OS/ARCH", help="Which image of an index.  [default: this machine's]"),
    _registry_option("--plain-http", is_flag=True, help="Speak HTTP.  [default: only with loopback addresses]"),
    _registry_option("--insecure", is_flag=True, help="Do not verify the registry's certificate."),
    _registry_option(
        "--ca-file", "ca_files", type=EXISTING_FILE, multiple=True, metavar="FILE", help="One more authority, PEM."
    ),
    _registry_option("--cert", "certificate", type=EXISTING_FILE, metavar="FILE", help="Client certificate, PEM."),
    _registry_option("--key", type=EXISTING_FILE, metavar="FILE", help="The certificate's key, if in another file."),
    _registry_option("--username", metavar="USER", help="Log in as USER, not as `docker login` saved."),
    _registry_option("--password-stdin", is_flag=True, help="Read USER's password from standard input."),
    _registry_option(
        "--blob-dir", type=EXISTING_DIRECTORY, metavar="DIR", help="Where the blobs of a boot:FILE image lie."
    ),
    _registry_option("--offline", is_flag=True, help="Refuse whatever would need the network."),
    _registry_option(
        "--timeout",
        type=TIMEOUT,
        metavar="TIME",
        help="Without an answer before a request is tried again, such as 10s or 2m.  [default: 30s]",
    ),
)


SHARED_CACHE: Final = "RAFSIGHT_CACHE"
"""The variable that names a cache which machines share: a password in it is not for everybody's eyes."""
_CACHE_OPTIONS: Final = (
    click.option(
        "--no-cache", is_flag=True, help="Take nothing from the cache and keep nothing: see the image as it is now."
    ),
    click.option(
        "--cache",
        "shared_cache",
        metavar="URL",
        help=f"Share results with other machines in a database, postgresql://HOST/NAME.  [default: ${SHARED_CACHE}]",
    ),
)


def global_options(function: Function) -> Function:
    """Add the global options."""
    return _decorated(function, _GLOBAL_OPTIONS)


def with_ui(function: Function) -> Function:
    """Add the global options to a command, and hand it a `ui` made from them."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        from rafsight.interfaces.cli.ui import Ui

        with Ui(click.get_current_context().ensure_object(Settings)) as ui:
            return function(*args, ui=ui, **kwargs)

    return global_options(run)


def registry_options(function: Function) -> Function:
    """Add the registry options to a command, and hand it `options` made from them, ready for the public API."""

    @functools.wraps(function)
    def run(
        *args: Any,
        platform: str | None,
        plain_http: bool,
        insecure: bool,
        ca_files: tuple[Path, ...],
        certificate: Path | None,
        key: Path | None,
        username: str | None,
        password_stdin: bool,
        blob_dir: Path | None,
        offline: bool,
        timeout: float | None,
        **kwargs: Any,
    ) -> Any:
        from rafsight import Options
        from rafsight.interfaces.cli.ui import default_cache_dir

        if key is not None and certificate is None:
            raise click.UsageError("--key needs --cert.")
        said: dict[str, Any] = {"platform": platform, "timeout": timeout}
        options = Options(
            cache_dir=click.get_current_context().ensure_object(Settings).cache_dir or default_cache_dir(),
            plain_http=plain_http or None,
            insecure=insecure,
            ca_files=ca_files,
            certificate=certificate,
            key=key,
            username=username or "",
            password=_read_password(username, password_stdin),
            blob_dir=blob_dir,
            offline=offline,
            environment=dict(os.environ),
            **{name: value for name, value in said.items() if value is not None},
        )
        return function(*args, options=options, **kwargs)

    return _decorated(run, _REGISTRY_OPTIONS)


def cache_options(function: Function) -> Function:
    """Add the options about what earlier runs left; below `registry_options`, which makes the `options`."""

    @functools.wraps(function)
    def run(*args: Any, no_cache: bool, shared_cache: str | None, options: Any, **kwargs: Any) -> Any:
        from dataclasses import replace

        if no_cache and shared_cache:
            raise click.UsageError("--no-cache and --cache do not go together.")
        shared = "" if no_cache else shared_cache or os.environ.get(SHARED_CACHE, "")
        options = replace(options, shared_cache=shared, cache_dir=None if no_cache else options.cache_dir)
        return function(*args, options=options, **kwargs)

    return _decorated(run, _CACHE_OPTIONS)


def check_file_name(name: str, formats: Sequence[str], chosen: str | None) -> None:
    """Refuse a file that is called as another format than the chosen one: elsewhere `-o json` is a format.

    Args:
        name: as it was typed.
        formats: of the command.
        chosen: by --format.
    Raises: click.UsageError.
    """
    if name != chosen and (name in formats or name in _FORMATS_ELSEWHERE):
        message = (
            f"-o {name} names a file: for a format write -f {'|'.join(formats)}, for a file of that name ./{name}."
        )
        raise click.UsageError(message, click.get_current_context(silent=True))


def _read_password(username: str | None, password_stdin: bool) -> str:
    if bool(username) != password_stdin:
        raise click.UsageError("--username and --password-stdin need each other.")
    if not password_stdin:
        return ""
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def _decorated(function: Function, decorators: tuple[Callable[[Function], Function], ...]) -> Function:
    for decorator in reversed(decorators):
        function = decorator(function)
    return function
