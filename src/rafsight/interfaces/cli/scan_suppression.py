"""Which ignore files and VEX documents a scan takes, and what becomes of them.

This module alone decides which ignore files are read that nobody named: those in the current folder.
"""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.text import printable
from rafsight.interfaces.cli.lazy import SectionOption
from rafsight.interfaces.cli.options import Function
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight.reports.document import ScanReport
    from rafsight.reports.suppress import Rule

DEFAULT_FILES: Final = (".rafsightignore", ".trivyignore", ".trivyignore.yaml")


class UnreadableRules(CallerError):
    """An ignore file or a VEX document cannot be read."""

    code = "unreadable-ignore-rules"
    template = "cannot read {path}: {why}"
    remedy = "Check the name and the permissions."
    exit_status = ExitStatus.NOT_FOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """What was asked for on the command line."""

    ignore_files: tuple[Path, ...]
    vex_files: tuple[Path, ...]
    is_shown: bool


_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_option = functools.partial(click.option, cls=SectionOption, section="What need not be shown")

_OPTIONS: Final = (
    _option(
        "--ignorefile",
        "ignore_files",
        type=_FILE,
        multiple=True,
        metavar="FILE",
        help=f"Ignore what FILE names; may be repeated.  [default: {', '.join(DEFAULT_FILES)}, those that are here]",
    ),
    _option(
        "--vex",
        "vex_files",
        type=_FILE,
        multiple=True,
        metavar="FILE",
        help="Believe a VEX document: OpenVEX, CycloneDX or CSAF; may be repeated.",
    ),
    _option("--show-suppressed", is_flag=True, help="List what was taken out, with the reasons; it is always counted."),
)


def suppression_options(function: Function) -> Function:
    """Add the options to `scan`, and hand it `suppression` made from them."""

    @functools.wraps(function)
    def run(
        *args: Any, ignore_files: tuple[Path, ...], vex_files: tuple[Path, ...], show_suppressed: bool, **kwargs: Any
    ) -> Any:
        suppression = Suppression(ignore_files=ignore_files, vex_files=vex_files, is_shown=show_suppressed)
        return function(*args, suppression=suppression, **kwargs)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def read_rules(suppression: Suppression) -> tuple["Rule", ...]:
    """Read all files, before anything is fetched; a file that was named has to be there.

    Raises: UnreadableRules, MalformedRules.
    """
    ignore_files = suppression.ignore_files or tuple(path for name in DEFAULT_FILES if (path := Path(name)).is_file())
    if not (ignore_files or suppression.vex_files):
        return ()
    from rafsight.reports.suppress import IGNORE_SIZE, VEX_SIZE, parse_ignore_file, parse_vex

    rules = [rule for path in ignore_files for rule in parse_ignore_file(_read(path, IGNORE_SIZE), str(path))]
    rules += [rule for path in suppression.vex_files for rule in parse_vex(_read(path, VEX_SIZE), str(path))]
    return tuple(rules)


def apply_rules(report: "ScanReport", rules: Sequence["Rule"], *, day: str, ui: Ui) -> "ScanReport":
    """Take out of a report what the rules say; say which rules have expired.

    Args:
        report: before filters.
        rules: as read.
        day: RFC 3339, of the scan.
        ui: for warnings.
    """
    if not rules:
        return report
    from rafsight.reports.suppress import expired, suppress

    today = date.fromisoformat(day[:10])
    for source, count in expired(rules, today).items():
        what = "1 rule has" if count == 1 else f"{count:,} rules have"
        ui.warn(printable(f"{what} expired in {source}: what it named is shown again", 1000))
    return suppress(report, rules, today)


def _read(path: Path, limit: int) -> bytes:
    """Read a file, at most one byte more than it may have: its reader says so then."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise UnreadableRules(path=str(path), why=error.strerror or os.strerror(error.errno or 0)) from error
