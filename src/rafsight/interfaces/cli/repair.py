"""`rafsight repair`: replace, add and remove files or whole packages of an image.

This module alone decides how wishes are written on a command line: the path in the image stands first, what is on this
machine behind the first `=`.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

import rafsight
from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli.lazy import SectionedCommand, SectionOption
from rafsight.interfaces.cli.options import EXISTING_DIRECTORY, registry_options, with_ui
from rafsight.interfaces.cli.output import write_text
from rafsight.interfaces.cli.ui import Ui

if TYPE_CHECKING:
    from rafsight import Options

_PACKAGES: Final = "Packages"
_MODE: Final = re.compile(r"(.+):([0-7]{3,4})\Z", re.DOTALL)
_FILE: Final = click.Path(path_type=Path)


@click.command("repair", cls=SectionedCommand, short_help="Replace files or packages of an image.")
@click.argument("reference", metavar="REF")
@click.option("--target", metavar="REF2", help="What the repaired image is called: HOST/REPO:TAG or oci:DIR[:TAG].")
@click.option("--replace", "replaced", multiple=True, metavar="PATH=LOCAL", help="Give a file other content.")
@click.option(
    "--add", "added", multiple=True, metavar="PATH=LOCAL[:MODE]", help="Add a file, or a folder with all in it."
)
@click.option("--remove", "removed", multiple=True, metavar="PATH", help="Remove a file, or a folder with all in it.")
@click.option("--from", "plans", multiple=True, type=_FILE, metavar="PLAN.yaml", help="Read wishes from a file.")
@click.option(
    "--wheel", multiple=True, type=_FILE, metavar="FILE.whl", cls=SectionOption, section=_PACKAGES,
    help="Replace an installed Python distribution.",
)  # fmt: skip
@click.option(
    "--npm", multiple=True, type=_FILE, metavar="FILE.tgz", cls=SectionOption, section=_PACKAGES,
    help="Replace all installed copies of a Node.js package.",
)  # fmt: skip
@click.option(
    "--deb", multiple=True, type=_FILE, metavar="FILE.deb", cls=SectionOption, section=_PACKAGES,
    help="Replace an installed package of Debian or its relatives; its scripts are not run.",
)  # fmt: skip
@click.option(
    "--from-report",
    "report",
    type=click.File("rb"),
    metavar="FILE|-",
    cls=SectionOption,
    section=_PACKAGES,
    help="Fix what a scan found (its JSON, as `rafsight scan --format json` or Trivy writes it).",
)
@click.option(
    "--packages-dir",
    type=EXISTING_DIRECTORY,
    metavar="DIR",
    cls=SectionOption,
    section=_PACKAGES,
    help="Where the package files for --from-report lie.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be different, and what it would cost.")
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON.")
@registry_options
@with_ui
def repair(
    reference: str,
    *,
    target: str | None,
    dry_run: bool,
    as_json: bool,
    options: "Options",
    ui: Ui,
    **wishes: Any,
) -> int:
    """Make REF2 out of the Nydus image REF, with some files replaced, added or removed.

    Only the bootstrap of REF is fetched, and only it and a small blob with what is new are pushed; the other blobs are
    taken over by the registry itself. PATH is what a container sees: links are followed, except that --remove takes a
    link itself. --replace keeps owner, mode and attributes; --add makes files of root, with LOCAL's mode or MODE. Times
    are LOCAL's. What has the tag of REF keeps it; of an index the image of --platform is repaired.

    \b
    Exit status:
      0   repaired; with --dry-run: could be
      66  a PATH or a LOCAL does not exist
      68  an image of a kind that cannot be repaired
      else an error, see docs/exit-codes.md
    """  # noqa: D301 - click wants a backspace
    if not target and not dry_run:
        message = "--target says what the repaired image is called; --dry-run does without."
        raise click.UsageError(message)
    repairs = rafsight.Repairs(options=options, listener=ui.listener)
    _collect(repairs, wishes)
    done = repairs.run(reference, target or "", dry_run=dry_run)
    from rafsight.reports.repair import render_json, render_text

    ui.begin_output()
    write_text(render_json(done) if as_json else render_text(done))
    return ExitStatus.OK


def _collect(repairs: "rafsight.Repairs", wishes: dict[str, Any]) -> None:
    """Hand over what was asked for."""
    for text in wishes["removed"]:
        repairs.remove(text)
    for text in wishes["replaced"]:
        path, local = _split(text, "--replace")
        repairs.replace(path, Path(local))
    for text in wishes["added"]:
        path, local = _split(text, "--add")
        named = _MODE.match(local)
        repairs.add(path, Path(named[1] if named else local), int(named[2], 8) if named else None)
    for file in wishes["plans"]:
        repairs.read_plan(file)
    for kind in ("wheel", "npm", "deb"):
        for file in wishes[kind]:
            repairs.replace_package(kind, file)
    if (wishes["report"] is None) != (wishes["packages_dir"] is None):
        message = "--from-report and --packages-dir need each other."
        raise click.UsageError(message)
    if wishes["report"] is not None:
        repairs.fix_findings(wishes["report"], wishes["packages_dir"])


def _split(text: str, option: str) -> tuple[str, str]:
    path, separator, local = text.partition("=")
    if not path or not separator or not local:
        message = f"{option} wants PATH=LOCAL, not '{text}'; a path with `=` in it can be written in a plan (--from)."
        raise click.UsageError(message)
    return path, local
