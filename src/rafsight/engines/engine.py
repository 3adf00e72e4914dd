"""What a foreign engine is: its traits, how it is called, and what it found. Values and one protocol.

This module alone decides what an adapter must know. An adapter is pure: it makes a command line and reads what came
back; finding, checking and running programs is the same for all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from rafsight.analysis.inventory import Gap, Inventory
from rafsight.matching.finding import Finding
from rafsight.reports.document import DatabaseFacts

Version = tuple[int, int, int]


class Via(StrEnum):
    """How an engine is shown an image."""

    ARCHIVE = "archive"
    """A docker archive with the content that the engine looks at."""
    MOUNT = "mount"
    """The mounted file tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadReleases:
    """Releases that must not be run, both ends included."""

    first: Version
    last: Version
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is known about an engine before it is asked anything."""

    name: str
    """As people type it, and as its program is called."""
    oldest: Version
    module: str
    """Go module of the program: its builds carry the name and version, so that bad ones are known before they run."""
    covers: str
    """What it looks at and for, in one line."""
    needs: str
    """What it needs beside its program, in one line."""
    install: str
    """How to install it."""
    passed: frozenset[str]
    """Its own variables that it may see: where its database lies, how long it may take. All others could change what is
    reported, or where to, or bring the network back."""
    forced: Mapping[str, str]
    """What is set in any case: the network is off here, too."""
    bad: tuple[BadReleases, ...] = ()
    lists_only: bool = False
    """It lists packages and looks for no vulnerabilities."""
    no_mount: str = ""
    """Why it cannot work on a mounted tree; empty if it can."""
    mount_note: str = ""
    """What is different on a mounted tree, for the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an engine is to look at."""

    via: Via
    place: Path
    """The archive, or the root of the tree."""
    scratch: Path
    """A folder of this run's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How to call an engine."""

    arguments: tuple[str, ...]
    """Without the program."""
    good: frozenset[int] = frozenset({0})
    """Exit statuses that come with a report."""
    partial: frozenset[int] = frozenset()
    """Exit statuses that come with a report if anything was written: only that tells them from a failure."""
    companion: Path | None = None
    """A second document that the engine writes in the same run."""
    settings: Path | None = None
    """An empty file in the place of the user's own settings: those could hide packages, and no report would say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a run left."""

    status: int
    """One of those that come with a report."""
    report: bytes
    companion: bytes | None
    """None if it was not written."""
    log: str
    """The end of its standard error."""
    introduction: str
    """What `--version` said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """What an engine says, in our own values."""

    inventory: Inventory
    """Without gaps of its own."""
    findings: tuple[Finding, ...] = ()
    """Ordered as `ScanReport.findings`."""
    unimportant: tuple[Finding, ...] = ()
    gaps: tuple[Gap, ...] = ()
    database: DatabaseFacts | None = None
    notes: tuple[str, ...] = ()
    hidden_count: int = field(default=0)
    """Findings that the engine's own rules took out."""


class Engine(Protocol):
    """One foreign engine."""

    @property
    def traits(self) -> Traits:
        """What is known about it."""
        ...

    def command(self, target: Target) -> Command:
        """Say how to call it. Pure."""
        ...

    def read(self, output: Output) -> EngineReport:
        """Read what it wrote. Pure.

        Raises: MalformedOutput.
        """
        ...

    def remedy(self, log: str) -> str:
        """Say what helps against a failure that it names in its log; empty if nothing is known."""
        ...


class MalformedOutput(ValueError):
    """A document of an engine does not read; whoever knows the version says so to the user."""
