"""`rafsight rules`: the rules about secrets."""

import json
from pathlib import Path

import click

import rafsight
from rafsight.base.errors import ExitStatus
from rafsight.base.text import printable
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import EXISTING_FILE, with_ui
from rafsight.interfaces.cli.output import write_text
from rafsight.interfaces.cli.ui import Ui
from rafsight.reports.verdict import counted

FAILED: int = 1
"""Exit status of a test that fails."""


@click.group("rules", short_help="Show and test the rules about secrets.")
def rules() -> None:
    """Show and test the rules about secrets: those that come with rafsight, and your own.

    FILE is a `rafsight.yaml`, or a `trivy-secret.yaml`; docs/secrets.md describes both.
    """


@rules.command("list", cls=SectionedCommand, short_help="Show the rules that apply.")
@click.argument("file", required=False, type=EXISTING_FILE)
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
@with_ui
def list_command(file: Path | None, *, as_json: bool, ui: Ui) -> None:
    """Show the rules that apply, with FILE or without."""
    found = rafsight.Rules(file).found()
    ui.begin_output()
    if as_json:
        listed = [
            {
                "id": rule.id,
                "category": rule.category,
                "title": rule.title,
                "severity": rule.severity.name,
                "confidence": rule.confidence,
                "kind": rule.kind,
                "source": rule.source,
                "examples": rule.example_count,
            }
            for rule in found
        ]
        write_text(json.dumps(listed, indent=2) + "\n")
        return
    width = max((len(rule.id) for rule in found), default=0)
    for rule in found:
        source = "" if rule.source == "built in" else f"  ({printable(rule.source)})"
        write_text(f"{rule.id:{width}}  {rule.severity.name:8}  {rule.kind:7}  {printable(rule.title)}{source}\n")


@rules.command("test", cls=SectionedCommand, short_help="Run the examples beside the rules.")
@click.argument("file", required=False, type=EXISTING_FILE)
@with_ui
def test_command(file: Path | None, *, ui: Ui) -> int:
    """Run the examples beside the rules of FILE; without it, of those that come with rafsight.

    Each text under `found` has to be found by the rule that it stands beside, each under `ignored` must not. The exit
    status is 1 if one is not as it should be.
    """
    outcomes = rafsight.Rules(file).test()
    ui.begin_output()
    failed = [outcome for outcome in outcomes if not outcome.is_met]
    for outcome in failed:
        others = f"; found by {', '.join(outcome.found)}" if outcome.found else ""
        what = "is not found" if outcome.is_secret else "is found, and should not be"
        write_text(f"{outcome.rule_id}: example {outcome.number} {what}{others}\n")
    rule_count = len({outcome.rule_id for outcome in outcomes})
    examples, rules_tried = counted(len(outcomes), "example", "examples"), counted(rule_count, "rule", "rules")
    write_text(f"{examples} of {rules_tried}, {len(failed)} failed\n")
    return FAILED if failed else ExitStatus.OK
