"""Which engines are on this machine, and whether they may be used.

This module alone decides where programs are looked for, what their versions are, and which are refused. A release that
is known to be malicious is recognised by the build information inside the file, before it runs, where the file has any.
"""

import mmap
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.base.errors import RafsightError
from rafsight.base.units import KiB
from rafsight.engines.engine import Engine, Traits, Version
from rafsight.engines.environment import environment_for
from rafsight.engines.faults import (
    EngineMissing,
    EngineRefused,
    EngineTooOld,
    EngineVersionUnknown,
    Excerpt,
)
from rafsight.engines.runner import Ended, Stopped, run
from rafsight.reports.engines import FoundEngine

_VERSION: Final = r"(?im)^(?:{name} )?(?:version: *)?v?([0-9]{{1,6}})\.([0-9]{{1,6}})\.([0-9]{{1,6}})(?![0-9.])"
"""`Version: 0.66.0`, `grype 0.121.0`, `osv-scanner version: 2.5.0`; further lines may have versions of other things."""
_PATIENCE: Final = 30.0
"""[s] for `--version`."""
_INTRODUCTION_SIZE: Final = 64 * KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An installed engine that may be used."""

    engine: Engine
    path: Path
    version: str
    introduction: str
    """What `--version` said."""


def find_program(name: str, environment: Mapping[str, str], beside: Path) -> Path | None:
    """Find a program on PATH, then in one more folder; None if it is in neither.

    Args:
        name: without folders.
        environment: PATH is looked up there; its relative folders are passed over.
        beside: the one more folder.
    """
    folders = [Path(folder) for folder in environment.get("PATH", os.defpath).split(os.pathsep)]
    for folder in (*folders, beside):
        path = folder / name
        if folder.is_absolute() and path.is_file() and os.access(path, os.X_OK):
            return path
    return None


def open_program(engine: Engine, environment: Mapping[str, str], beside: Path, scratch: Path) -> Program:
    """Find an engine's program and make sure that it may be used.

    Args:
        engine: which one.
        environment: of the user.
        beside: a folder to look in after PATH.
        scratch: where it may run.
    Raises: EngineMissing, EngineRefused, EngineTooOld, EngineVersionUnknown, EngineNotStarted.
    Cost: one run of `PROGRAM --version`.
    """
    traits = engine.traits
    path = find_program(traits.name, environment, beside)
    if path is None:
        raise EngineMissing(engine=traits.name, program=traits.name, install=traits.install)
    if traits.bad:
        _check_bad(traits, path, _stamped_version(traits, path))
    introduction, version = _introduce(traits, path, environment, scratch)
    _check_bad(traits, path, version)
    if version < traits.oldest:
        raise EngineTooOld(
            program=str(path),
            engine=traits.name,
            version=dotted(version),
            oldest=dotted(traits.oldest),
            install=traits.install,
        )
    return Program(engine=engine, path=path, version=dotted(version), introduction=introduction)


def describe_engine(engine: Engine, environment: Mapping[str, str], beside: Path, scratch: Path) -> FoundEngine:
    """Say what is known about an engine on this machine; whatever is wrong is part of the answer."""
    traits, problem, remedy, version = engine.traits, "", "", ""
    path = find_program(traits.name, environment, beside)
    try:
        version = open_program(engine, environment, beside, scratch).version
    except RafsightError as error:
        problem, remedy = str(error), error.advice
    return FoundEngine(
        name=traits.name,
        path=str(path) if path else "",
        version=version,
        usable=not problem,
        problem=problem,
        remedy=remedy,
        covers=traits.covers,
        needs=traits.needs,
        oldest=dotted(traits.oldest),
        views=("archive",) if traits.no_mount else ("archive", "mount"),
    )


def dotted(version: Version) -> str:
    """Write a version."""
    return ".".join(map(str, version))


def _introduce(traits: Traits, path: Path, environment: Mapping[str, str], scratch: Path) -> tuple[str, Version]:
    """Return what `--version` says, and the version in it or, if it names none, that of the build."""
    try:
        ended = run(
            path,
            ("--version",),
            environment=environment_for(traits, environment, scratch),
            folder=scratch,
            time_limit=_PATIENCE,
            output_limit=_INTRODUCTION_SIZE,
        )
    except Stopped as error:
        ended = Ended(status=1, output=b"", log=error.log)
    said = ended.output.decode("utf-8", "replace") if ended.status == 0 else ended.log
    found = re.search(_VERSION.format(name=re.escape(traits.name)), said) if ended.status == 0 else None
    if found is not None:
        return said, (int(found[1]), int(found[2]), int(found[3]))
    stamped = _stamped_version(traits, path) if ended.status == 0 else None  # `go install` leaves no other trace
    if stamped is None or not any(stamped):
        raise EngineVersionUnknown(program=str(path), engine=traits.name, said=Excerpt.of(said), install=traits.install)
    return said, stamped


def _check_bad(traits: Traits, path: Path, version: Version | None) -> None:
    for bad in traits.bad:
        if version is not None and bad.first <= version <= bad.last:
            raise EngineRefused(
                program=str(path), engine=traits.name, version=dotted(version), why=bad.why, install=traits.install
            )


def _stamped_version(traits: Traits, path: Path) -> Version | None:
    """Read the version that the Go linker wrote into a program; None if it wrote none. Cost: reads the file once."""
    form = rb"\tv?([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})[\t\n+-]"
    stamp = re.compile(rb"mod\t" + re.escape(traits.module.encode()) + form)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = stamp.search(content)
            return (int(found[1]), int(found[2]), int(found[3])) if found else None
    except (OSError, ValueError):  # an empty file cannot be mapped; whoever runs it says what is wrong
        return None
