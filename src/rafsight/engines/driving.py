"""One run of an engine over one view of an image, with every way it can end told apart.

This module alone decides how large a report may be, and what an exit status or a signal means.
"""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rafsight.base.units import MiB
from rafsight.engines.engine import EngineReport, MalformedOutput, Output, Target
from rafsight.engines.environment import environment_for
from rafsight.engines.faults import (
    EngineFailed,
    EngineKilled,
    EngineReportMalformed,
    EngineTalksTooMuch,
    EngineTooSlow,
    Excerpt,
)
from rafsight.engines.programs import Program
from rafsight.engines.runner import Ended, OutOfTime, TooMuchOutput, run
from rafsight.engines.scratch import ScratchFailed

REPORT_SIZE: Final = 512 * MiB
"""[bytes] the largest document that is taken from an engine."""


def drive(
    program: Program,
    target: Target,
    *,
    environment: Mapping[str, str],
    time_limit: float,
    report_size: int = REPORT_SIZE,
) -> Output:
    """Run an engine.

    Args:
        program: as `open_program` found it.
        target: what to look at.
        environment: of the user; the engine sees its own part of it.
        time_limit: [s]
        report_size: [bytes] that a document may have.
    Raises: EngineNotStarted, EngineFailed, EngineKilled, EngineTooSlow, EngineTalksTooMuch, ScratchFailed.
    Cost: one process. Memory: its report.
    """
    traits, command = program.engine.traits, program.engine.command(target)
    names = {"engine": traits.name, "version": program.version}
    if command.settings is not None:
        _make_empty(command.settings)
    try:
        ended = run(
            program.path,
            command.arguments,
            environment=environment_for(traits, environment, target.scratch),
            folder=target.scratch,
            time_limit=time_limit,
            output_limit=report_size,
        )
    except OutOfTime as error:
        raise EngineTooSlow(**names, seconds=f"{time_limit:g}", said=Excerpt.of(error.log)) from error
    except TooMuchOutput as error:
        raise EngineTalksTooMuch(**names, limit=report_size) from error
    if ended.status not in command.good and not (ended.status in command.partial and ended.output.strip()):
        _fail(program, ended)
    companion = None
    if command.companion is not None and command.companion.is_file():
        if command.companion.stat().st_size > report_size:
            raise EngineTalksTooMuch(**names, limit=report_size)
        companion = command.companion.read_bytes()
    return Output(
        status=ended.status,
        report=ended.output,
        companion=companion,
        log=ended.log,
        introduction=program.introduction,
    )


def read_output(program: Program, output: Output) -> EngineReport:
    """Read what an engine wrote.

    Raises: EngineReportMalformed.
    """
    try:
        return program.engine.read(output)
    except MalformedOutput as error:
        name = program.engine.traits.name
        raise EngineReportMalformed(engine=name, version=program.version, why=str(error)) from error


def _make_empty(file: Path) -> None:
    try:
        file.write_bytes(b"")
    except OSError as error:
        raise ScratchFailed(where=str(file.parent), why=error.strerror or str(error)) from error


def _fail(program: Program, ended: Ended) -> None:
    """Raise what an exit status means."""
    names = {"engine": program.engine.traits.name, "version": program.version}
    said = Excerpt.of(ended.log)
    if ended.status < 0:
        raise EngineKilled(**names, signal=_signal_name(-ended.status), said=said)
    error = EngineFailed(**names, status=ended.status, said=said)
    if remedy := program.engine.remedy(ended.log):
        error.advise(remedy)
    raise error


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
