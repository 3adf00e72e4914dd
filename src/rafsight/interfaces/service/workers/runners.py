"""Where a scan runs: in a process here, or on a cluster. The pool knows no more of it than this.

This module alone decides what a runner is. A runner does one task at a time.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Protocol

from rafsight.interfaces.service.workers.process import WorkerProcess
from rafsight.interfaces.service.workers.task import ScanAnswer, ScanTask, WorkerSetup
from rafsight.interfaces.service.workers.terms import PoolTerms


class RunnerLost(Exception):
    """What ran the task is no more. Never leaves the package."""


class Runner(Protocol):
    """Something that does one task at a time. For one thread."""

    starts: int
    """Processes that were begun; 0 where that is not ours to count."""

    @property
    def name(self) -> str:
        """For people: what the job says about who runs it."""
        ...

    @property
    def signal(self) -> Connection | None:
        """Can be read when there is news; None: the runner calls `wake`."""
        ...

    def send(self, task: ScanTask) -> None:
        """Begin a task. Raises: RunnerLost."""
        ...

    def answer(self) -> ScanAnswer | None:
        """Return the answer to the task that was sent, if it is there. Raises: RunnerLost."""
        ...

    def kill(self) -> None:
        """End the task, whatever it is doing, and be ready for another."""
        ...

    def close(self) -> None:
        """End for good."""
        ...


class Runners(Protocol):
    """Where runners come from."""

    def make(self, number: int) -> Runner:
        """Make the runner of a slot."""
        ...

    def close(self) -> None:
        """End what they share."""
        ...


@dataclass(slots=True)
class LocalRunner:
    """A process of this machine, begun when there is something to do."""

    setup: WorkerSetup
    environment: Mapping[str, str]
    number: int
    starts: int = 0
    """Processes that were begun."""
    _process: WorkerProcess | None = None

    @property
    def name(self) -> str:
        """The machine's name, and the slot's number."""
        return f"{os.uname().nodename} {self.number + 1}"[:200]

    @property
    def signal(self) -> Connection | None:
        """The pipe."""
        return self._process.pipe if self._process else None

    def prepare(self) -> None:
        """Begin a process if there is none, so that a task finds it ready.

        Raises: RunnerLost.
        """
        if self._process is None:
            try:
                self._process = WorkerProcess(self.setup, self.environment)
            except OSError as error:
                raise RunnerLost from error
            self.starts += 1

    def send(self, task: ScanTask) -> None:
        """Begin a task."""
        self.prepare()
        assert self._process is not None
        self._process.send(task)

    def answer(self) -> ScanAnswer | None:
        """Return the answer, if it is there."""
        if self._process is None:
            raise RunnerLost
        try:
            found = self._process.answer()
        except EOFError as error:
            self.kill()
            raise RunnerLost from error
        if found is not None and found.is_spent:
            self.close()
        return found

    def kill(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def close(self) -> None:
        """Let the process end."""
        if self._process is not None:
            self._process.close()
            self._process = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRunners:
    """Processes of this machine."""

    setup: WorkerSetup
    environment: Mapping[str, str]

    def make(self, number: int) -> Runner:
        """Make the runner of a slot."""
        return LocalRunner(setup=self.setup, environment=self.environment, number=number)

    def close(self) -> None:
        """Have nothing that they share."""


def open_runners(
    setup: WorkerSetup, terms: PoolTerms, environment: Mapping[str, str], wake: Callable[[], None]
) -> Runners:
    """Return where scans run: here, or on the cluster that the terms name.

    Args:
        setup: how scans are done.
        terms: may name a cluster.
        environment: of this process.
        wake: to be called when there is news from a cluster.
    Raises: MalformedCluster, NoDask, ClusterUnreachable.
    """
    if not terms.dask:
        return LocalRunners(setup=setup, environment=environment)
    from rafsight.interfaces.service.workers.cluster import DaskRunners

    return DaskRunners(terms.dask, setup=setup, time_limit=terms.time_limit, wake=wake)
