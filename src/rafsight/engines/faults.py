"""What can go wrong with a foreign engine.

This module alone decides how much of an engine's own words an error repeats.
"""

from dataclasses import dataclass
from typing import Final, Self

from rafsight.base.errors import CallerError, ExitStatus, HostLimit
from rafsight.base.text import escape

_EXCERPT_LINES: Final = 6
_EXCERPT_LENGTH: Final = 1000
"""[characters]"""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The last lines that a program wrote, printable and short."""

    text: str

    @classmethod
    def of(cls, log: str) -> Self:
        """Take the last lines of a log that say something."""
        lines = [line.strip() for line in log.splitlines() if line.strip()][-_EXCERPT_LINES:]
        text = escape(" | ".join(lines)[-_EXCERPT_LENGTH:])
        return cls(text[-_EXCERPT_LENGTH:] or "it said nothing")

    def __str__(self) -> str:
        return self.text


class UnknownEngine(CallerError):
    """A name that is no engine's."""

    code = "unknown-engine"
    template = "'{name}' is no engine"
    remedy = "Engines are {known}; `rafsight engines` shows which are installed."
    exit_status = ExitStatus.USAGE


class EngineViewMissing(CallerError):
    """An engine cannot work on that view of an image."""

    code = "engine-view-missing"
    template = "{engine} cannot be given a {view}: {why}"
    remedy = "Leave --via out: the slim archive serves every engine."
    exit_status = ExitStatus.USAGE


class EngineMissing(HostLimit):
    """The program of an engine is not installed."""

    code = "engine-missing"
    template = "{engine} is not installed: there is no program {program} on PATH or beside Python"
    remedy = "Install it ({install}), or leave --engine out: rafsight's own analysis needs no other program."


class EngineTooOld(HostLimit):
    """A release that lacks what is needed."""

    code = "engine-too-old"
    template = "{program} is {engine} {version}; the oldest that works is {oldest}"
    remedy = "Update it: {install}."


class EngineRefused(HostLimit):
    """A release that must not be run."""

    code = "engine-refused"
    template = "{program} is {engine} {version}, which is not run: {why}"
    remedy = (
        "Remove it and install another release ({install}). If it ever ran here, replace the secrets it could read."
    )


class EngineVersionUnknown(HostLimit):
    """A program does not say its version in the way that the engine does."""

    code = "engine-version-unknown"
    template = "{program} does not say which version of {engine} it is: {said}"
    remedy = "Install a release of it ({install}); builds without a version cannot be checked."


class EngineFailed(HostLimit):
    """An engine ended with an error of its own."""

    code = "engine-failed"
    template = "{engine} {version} ended with status {status}: {said}"
    remedy = "The message is {engine}'s own. `rafsight export REF --slim --for {engine}` writes what it was given."
    permanent = False


class EngineKilled(HostLimit):
    """An engine was ended by a signal."""

    code = "engine-killed"
    template = "{engine} {version} was ended by {signal}: {said}"
    remedy = "SIGKILL mostly means that memory ran out. Give the machine more, or take another engine."
    permanent = False


class EngineTooSlow(HostLimit):
    """An engine did not end in time."""

    code = "engine-too-slow"
    template = "{engine} {version} did not end within {seconds} s and was stopped: {said}"
    remedy = "Try again on a machine with more time, or take another engine."
    permanent = False


class EngineTalksTooMuch(HostLimit):
    """An engine wrote more than any report may have."""

    code = "engine-report-too-large"
    template = "{engine} {version} wrote more than {limit} bytes of report and was stopped"
    remedy = "Run the engine by itself over the file of `rafsight export REF --slim --for {engine}`."


class EngineReportMalformed(HostLimit):
    """A report is not what the engine's reports are."""

    code = "engine-report-malformed"
    template = "the report of {engine} {version} is not as expected: {why}"
    remedy = "`--raw` hands it over as it is. Please report it with the version of {engine}."


class EngineNotStarted(HostLimit):
    """The system does not start a program."""

    code = "engine-not-started"
    template = "{program} cannot be started: {why}"
    remedy = "Check that it is a program for this machine and may be executed."
