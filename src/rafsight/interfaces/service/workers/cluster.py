"""Scans on a Dask cluster: the same scan, in a process of a node.

The node needs rafsight, the advisory database and the rules under the paths that the settings name. What a task is
made of, a credential that came with the request too, travels in the message to the node and is in the memory of the
scheduler as long as the task: `tls://` keeps it from the wire. This module alone knows what the
service asks of Dask.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, Final

import rafsight
from rafsight.interfaces.service.jobs.contract import LOST, new_id
from rafsight.interfaces.service.workers.process import WorkerProcess
from rafsight.interfaces.service.workers.runners import Runner, RunnerLost
from rafsight.interfaces.service.workers.task import (
    ScanAnswer,
    ScanTask,
    WorkerSetup,
    decode_answer,
    decode_setup,
    decode_task,
    encode,
)

_CONNECT: Final = 15.0
"""[s]"""
_LOOK: Final = 1.0
"""[s] between two questions of a node whether its task is still wanted."""
_SUFFIX: Final = "-unwanted"


class DaskRunners:
    """The nodes of a cluster, through its scheduler."""

    def __init__(self, address: str, *, setup: WorkerSetup, time_limit: float, wake: Callable[[], None]) -> None:
        """Connect.

        Args:
            address: `tcp://HOST:PORT` or `tls://HOST:PORT`; certificates are named by Dask's own configuration.
            setup: how scans are done.
            time_limit: [s] after which a node kills the process of a scan.
            wake: called when a scan has ended.
        Raises: MalformedCluster, NoDask, ClusterUnreachable.
        """
        self._client = rafsight.Cluster(address=address).open("rafsight")
        self._setup = encode(setup)
        self._time_limit = time_limit
        self._wake = wake

    def make(self, number: int) -> Runner:
        """Make the runner of a slot."""
        del number
        return _DaskRunner(client=self._client, setup=self._setup, time_limit=self._time_limit, wake=self._wake)

    def close(self) -> None:
        """Disconnect."""
        self._client.close(timeout=5)


@dataclass(slots=True)
class _DaskRunner:
    """One task at a time on some node."""

    client: Any
    setup: bytes = field(repr=False)
    time_limit: float
    wake: Callable[[], None]
    starts: int = 0
    _future: Any = None

    @property
    def name(self) -> str:
        """The scheduler."""
        return str(self.client.scheduler.address)[:200]

    @property
    def signal(self) -> Connection | None:
        """None: the end of a task wakes the pool."""
        return None

    def send(self, task: ScanTask) -> None:
        """Submit a task under a name that says nothing."""
        self._future = self.client.submit(
            scan_on_node,
            encode(task),
            self.setup,
            self.time_limit,
            key=f"rafsight-{new_id()}",
            pure=False,
            retries=0,
        )
        self._future.add_done_callback(lambda _: self.wake())

    def answer(self) -> ScanAnswer | None:
        """Return the answer, if it is there."""
        future = self._future
        if future is None:
            raise RunnerLost
        if not future.done():
            return None
        self._future = None
        if future.status != "finished":
            raise RunnerLost
        try:
            found = decode_answer(future.result(timeout=_CONNECT))
        except (OSError, TypeError) as error:
            raise RunnerLost from error
        if found is None:
            raise RunnerLost
        return found

    def kill(self) -> None:
        """Say that the task is unwanted; its node kills the process within a second or two."""
        future, self._future = self._future, None
        if future is not None:
            _dask().Event(future.key + _SUFFIX, client=self.client).set()
            future.cancel()

    def close(self) -> None:
        """End for good."""
        self.kill()


def scan_on_node(task: bytes, setup: bytes, time_limit: float) -> bytes:
    """Scan on a node, in a process of its own that can be killed.

    Args:
        task: of the pool.
        setup: of the pool.
        time_limit: [s] after which the process is killed.
    Returns: The answer, for the pool.
    """
    wanted = decode_task(task)
    process = WorkerProcess(decode_setup(setup), os.environ)
    try:
        process.send(wanted)
        until = time.monotonic() + time_limit
        while time.monotonic() < until and not _is_unwanted():
            if (answer := process.answer(_LOOK)) is not None:
                return encode(answer)
    except EOFError:
        pass
    finally:
        process.kill()
    return encode(ScanAnswer(job_id=wanted.job_id, failure=LOST))


def _is_unwanted() -> bool:
    """Tell whether the pool has given the running task up."""
    dask = _dask()
    key = dask.get_worker().get_current_task()
    return bool(dask.Event(f"{key}{_SUFFIX}", client=dask.get_client()).is_set())


def _dask() -> Any:
    """Return the library, which says little about its types."""
    return import_module("distributed")
