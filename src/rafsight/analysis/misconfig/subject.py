"""What checks look at: one image, as its config, its history, its tree and a few small files.

This module alone decides what a check may know. It is all there before the first check is made, so that checks neither
fetch nor depend on each other.
"""

from dataclasses import dataclass, field
from datetime import date

from rafsight.analysis.inventory import Distribution
from rafsight.analysis.misconfig.accounts import Account, Accounts
from rafsight.analysis.misconfig.shell import Command, read_commands
from rafsight.analysis.misconfig.small_files import SmallFiles
from rafsight.analysis.misconfig.start import StartConfig
from rafsight.analysis.misconfig.steps import Step
from rafsight.analysis.misconfig.tree_facts import TreeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """A step that ran commands."""

    step: Step
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One image."""

    tree: TreeFacts
    start: StartConfig = field(default_factory=StartConfig)
    steps: tuple[Step, ...] = ()
    runs: tuple[RunStep, ...] = ()
    files: SmallFiles = field(default_factory=SmallFiles)
    accounts: Accounts = field(default_factory=Accounts)
    distribution: Distribution | None = None
    today: date

    @property
    def account(self) -> Account | None:
        """The account that a container starts as, if etc/passwd has it."""
        name = self.start.identity[0]
        if _is_id(name):
            return next((one for one in self.accounts.users or () if one.uid == int(name)), None)
        return self.accounts.user(name or "root")

    @property
    def runs_as_root(self) -> bool:
        """True if a container starts as user 0, by whatever name."""
        name = self.start.identity[0]
        if _is_id(name):
            return int(name) == 0
        account = self.accounts.user(name) if name else None
        return account.uid == 0 if account else name in {"", "root"}


def runs_of(steps: tuple[Step, ...]) -> tuple[RunStep, ...]:
    """Take the command lines of the steps that ran any apart."""
    return tuple(RunStep(step=step, commands=read_commands(step.text)) for step in steps if step.instruction == "RUN")


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10
