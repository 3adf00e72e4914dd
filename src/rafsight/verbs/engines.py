"""Which known scanners are here, and what do they say about this image?

An engine is checked before anything is fetched; then it gets a view of the image that holds what it looks at, and runs
over it without a network. This module alone ties the view, the run and the report together.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rafsight.access.layers import keep_nothing
from rafsight.access.options import Options
from rafsight.access.session import Image, open_image
from rafsight.analysis.inventory import Gap, GapReason
from rafsight.base.events import Finished, Listener, Started, silent
from rafsight.engines.catalogue import ENGINES, engine_named
from rafsight.engines.driving import drive, read_output
from rafsight.engines.engine import EngineReport, Output, Traits, Via
from rafsight.engines.faults import EngineReportMalformed, EngineViewMissing
from rafsight.engines.programs import Program, describe_engine, open_program
from rafsight.engines.scratch import open_scratch
from rafsight.engines.showing import Shown, show_archive, show_mount
from rafsight.reports.document import EngineFacts, ScanReport
from rafsight.reports.engines import FoundEngine
from rafsight.reports.facts import describe_image
from rafsight.views.slim.rules import rules_for
from rafsight.views.slim.selection import keep_for

TIME_LIMIT: Final = 3600.0
"""[s] that an engine may take for one image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReport:
    """The report of an engine, untouched."""

    content: bytes
    engine: EngineFacts
    gaps: tuple[Gap, ...]
    """What was not looked at; the report alone does not always tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A run over an open image that has ended well."""

    image: Image
    program: Program
    shown: Shown
    output: Output
    losses: tuple[Gap, ...]
    """What the engine wanted to read and did not get."""


class Engines:
    """The known scanners of this machine: trivy, grype, syft, osv-scanner.

    Programs are looked for on the PATH of `options.environment`, then beside the running Python.
    """

    def __init__(
        self, *, options: Options | None = None, listener: Listener = silent, time_limit: float = TIME_LIMIT
    ) -> None:
        """Prepare; nothing is looked for yet.

        Args:
            options: how to reach images; its environment holds PATH, HOME and the engines' own variables.
            listener: told about long work.
            time_limit: [s] that an engine may take for one image.
        """
        self._options = options or Options()
        self._listener = listener
        self._time_limit = time_limit
        self._beside = Path(sys.executable or os.devnull).parent

    def found(self) -> tuple[FoundEngine, ...]:
        """Say of each engine whether it is here and may be used, and what it covers.

        Raises: ScratchFailed.
        Cost: one run of `--version` for each that is installed.
        """
        with open_scratch(self._scratch_parent) as scratch:
            return tuple(
                describe_engine(engine, self._options.environment, self._beside, scratch) for engine in ENGINES
            )

    def scan(self, reference: str, engine: str, *, via: Via | str = Via.ARCHIVE) -> ScanReport:
        """Scan an image by an engine; the report is like that of the own analysis.

        Args:
            reference: as `open_image` takes it.
            engine: `trivy`, `grype`, `syft` or `osv-scanner`.
            via: `archive` or `mount`.

        Raises: UnknownEngine, EngineViewMissing, EngineMissing, EngineTooOld, EngineRefused, EngineVersionUnknown:
            before anything is fetched; what `open_image` raises; ScratchFailed; EngineFailed, EngineKilled,
            EngineTooSlow, EngineTalksTooMuch, EngineReportMalformed.
        Cost: what `open_image` costs, the content that the engine looks at, and one run of the engine.
        """
        started, began = time.monotonic(), datetime.now(UTC)
        with self._ran(reference, engine, Via(via)) as run:
            report = read_output(run.program, run.output)
            return _report(run, report, began, time.monotonic() - started)

    def scan_raw(self, reference: str, engine: str, *, via: Via | str = Via.ARCHIVE) -> RawReport:
        """Scan an image by an engine; return the engine's own report as it is.

        Raises, Cost: as `scan`; but that a report is malformed is a gap: nobody knows then what was looked at.
        """
        with self._ran(reference, engine, Via(via)) as run:
            gaps = (*run.shown.gaps, *run.losses, *_gaps_of(run))
            return RawReport(content=run.output.report, engine=_facts(run), gaps=gaps)

    @property
    def _scratch_parent(self) -> Path | None:
        cache = self._options.cache_dir
        return cache / "engines" if cache is not None else None

    @contextmanager
    def _ran(self, reference: str, name: str, via: Via) -> Iterator[_Run]:
        """Run an engine over an image; the image stays open for who reads the report."""
        engine = engine_named(name)
        _check_view(engine.traits, via)
        with open_scratch(self._scratch_parent) as scratch:
            program = open_program(engine, self._options.environment, self._beside, scratch)
            keep = keep_for(rules_for(name)) if via is Via.ARCHIVE else keep_nothing
            with open_image(reference, options=self._options, listener=self._listener, keep=keep) as image:
                with self._shown(image, name, scratch, via) as shown:
                    output = self._drive(program, shown)
                    losses = shown.find_losses()
                yield _Run(image=image, program=program, shown=shown, output=output, losses=losses)

    @contextmanager
    def _shown(self, image: Image, name: str, scratch: Path, via: Via) -> Iterator[Shown]:
        if via is Via.ARCHIVE:
            yield show_archive(image, name, scratch, self._listener)
            return
        with show_mount(image, self._options.cache_dir or scratch, scratch, self._listener) as shown:
            yield shown

    def _drive(self, program: Program, shown: Shown) -> Output:
        name = program.engine.traits.name
        operation = f"{name} over {shown.target.place}"
        self._listener(Started(operation=operation, title=f"{name} is at work"))
        try:
            return drive(program, shown.target, environment=self._options.environment, time_limit=self._time_limit)
        finally:
            self._listener(Finished(operation=operation))


def _check_view(traits: Traits, via: Via) -> None:
    if via is Via.MOUNT and traits.no_mount:
        raise EngineViewMissing(engine=traits.name, view="mounted tree", why=traits.no_mount)


def _gaps_of(run: _Run) -> tuple[Gap, ...]:
    try:
        return read_output(run.program, run.output).gaps
    except EngineReportMalformed as error:
        return (Gap(reason=GapReason.MALFORMED, subject="the report", detail=str(error)),)


def _facts(run: _Run) -> EngineFacts:
    return EngineFacts(name=run.program.engine.traits.name, version=run.program.version, view=run.shown.what)


def _report(run: _Run, report: EngineReport, began: datetime, seconds: float) -> ScanReport:
    traits, image = run.program.engine.traits, describe_image(run.image)
    is_mounted = run.shown.target.via is Via.MOUNT
    notes = (*image.notes, *report.notes, *((traits.mount_note,) if is_mounted and traits.mount_note else ()))
    return ScanReport(
        image=replace(image, notes=notes),
        inventory=report.inventory,
        findings=report.findings,
        gaps=(*run.shown.gaps, *run.losses, *report.gaps),
        unimportant=report.unimportant,
        cost=run.image.cost,
        database=report.database,
        started=began.isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=seconds,
        hidden_count=report.hidden_count,
        engine=_facts(run),
    )
