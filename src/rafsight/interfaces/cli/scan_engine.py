"""`rafsight scan --engine`: a foreign engine looks, instead of the own analysis.

This module alone decides which options make no sense with an engine.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

import rafsight
from rafsight.base.errors import ExitStatus
from rafsight.base.text import printable
from rafsight.interfaces.cli.ending import ending_in_order
from rafsight.interfaces.cli.lazy import SectionOption
from rafsight.interfaces.cli.options import Function
from rafsight.interfaces.cli.output import open_bytes_output
from rafsight.interfaces.cli.ui import Ui
from rafsight.reports.selection import has_unreadable

if TYPE_CHECKING:
    from rafsight import Options
    from rafsight.reports.document import ScanReport

NAMES: Final = ("trivy", "grype", "syft", "osv-scanner")
"""A test compares them with the catalogue, which is not imported for `--help`."""
_OWN_ONLY: Final = {
    "database": "--db",
    "scanners": "--scanners",
    "declared": "--declared",
    "config": "--config",
    "secret_budget": "--secret-budget",
}
_NOT_RAW: Final = {
    "output_format": "--format",
    "severities": "--severity",
    "ignore_unfixed": "--ignore-unfixed",
    "show_unimportant": "--show-unimportant",
    "list_all": "--list-all-pkgs",
    "exit_code": "--exit-code",
    "fail_on": "--fail-on",
    "max_database_age": "--max-database-age",
    "ignore_files": "--ignorefile",
    "vex_files": "--vex",
    "show_suppressed": "--show-suppressed",
}
_WARNING_LENGTH: Final = 1000
"""[characters]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """Which engine is to look, and how."""

    name: str
    via: str
    raw: bool


_engine_option = functools.partial(click.option, cls=SectionOption, section="Engine options")

_OPTIONS: Final = (
    _engine_option(
        "--engine",
        "engine_name",
        type=click.Choice(NAMES),
        help="Let an installed scanner look, without a network of its own; `rafsight engines` shows what is there.",
    ),
    _engine_option(
        "--via",
        type=click.Choice(["archive", "mount"]),
        help="How the engine is shown the image: as an archive of what it looks at, or mounted.  [default: archive]",
    ),
    _engine_option("--raw", is_flag=True, help="Write the engine's own report (JSON) as it is."),
)


def engine_options(function: Function) -> Function:
    """Add the engine options to `scan`, and hand it `engine` made from them, None without an engine."""

    @functools.wraps(function)
    def run(*args: Any, engine_name: str | None, via: str | None, raw: bool, **kwargs: Any) -> Any:
        if engine_name is None and (via or raw):
            message = f"{'--via' if via else '--raw'} needs --engine."
            raise click.UsageError(message)
        choice = EngineChoice(name=engine_name, via=via or "archive", raw=raw) if engine_name else None
        return function(*args, engine=choice, **kwargs)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def check_choice(choice: EngineChoice, context: click.Context) -> None:
    """Refuse options that would be ignored."""
    senseless = _OWN_ONLY | (_NOT_RAW if choice.raw else {})
    for parameter, option in senseless.items():
        if context.get_parameter_source(parameter) is ParameterSource.COMMANDLINE:
            message = f"{option} does not go with {'--raw' if parameter in _NOT_RAW else '--engine'}."
            raise click.UsageError(message)


def scan_by_engine(reference: str, choice: EngineChoice, *, options: "Options", ui: Ui) -> "ScanReport":
    """Scan by an engine."""
    with ending_in_order():
        engines = rafsight.Engines(options=options, listener=ui.listener)
        return engines.scan(reference, choice.name, via=choice.via)


def write_raw(
    reference: str, choice: EngineChoice, output: Path | None, *, allow_incomplete: bool, options: "Options", ui: Ui
) -> int:
    """Write an engine's own report, and return the exit status.

    The report does not know what the engine was not shown, and not always what it passed over, so that is said here.
    """
    with open_bytes_output(output) as sink:
        with ending_in_order():
            engines = rafsight.Engines(options=options, listener=ui.listener)
            report = engines.scan_raw(reference, choice.name, via=choice.via)
        ui.begin_output()
        sink(report.content)
    for gap in report.gaps:
        ui.warn(printable(f"{gap.subject} was not looked at: {gap.detail}", _WARNING_LENGTH))
    is_lost = has_unreadable(report.gaps)
    return ExitStatus.INCOMPLETE if is_lost or (report.gaps and not allow_incomplete) else ExitStatus.OK
