"""A pool with stub scans, and what its processes left on the disk."""

import json
import os
import time
from contextlib import contextmanager
from pathlib import Path

from rafsight.interfaces.service.jobs.contract import new_id
from rafsight.interfaces.service.workers.lending import Lending
from rafsight.interfaces.service.workers.pool import Pool
from rafsight.interfaces.service.workers.terms import PoolTerms, ScanSettings

ROOT = Path(__file__).parents[4]
STUB = "tests.interfaces.service.workers.stubs:scan"


def worker_environ():
    """The environment of a process that has the tests on its path."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def settings(folder, plan=None):
    """Settings for the stub."""
    log = folder / "log"
    log.mkdir(exist_ok=True)
    return ScanSettings(database=None, environment={"LOG": str(log), "PLAN": json.dumps(plan or {})})


def begun(folder):
    """The scans that began: the number of the image and the process, in order."""
    found = sorted((folder / "log").iterdir(), key=lambda path: int(path.name.split("-")[1]))
    return [(int(path.name.split("-")[0]), int(path.name.split("-")[2])) for path in found]


def shown(folder):
    """What each scan was shown: places with credentials, in order."""
    found = sorted((folder / "log").iterdir(), key=lambda path: int(path.name.split("-")[1]))
    return [json.loads(path.read_text()) for path in found]


def until(condition, limit=60.0):
    """Wait for something that takes a moment."""
    end = time.monotonic() + limit
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
    return found


@contextmanager
def pool(
    store, folder, plan=None, *, workers=1, grace=0.0, lending=None, replica=None, listener=None, outcomes=None, **terms
):
    """A pool that runs; it is stopped at the end."""
    outcomes = [] if outcomes is None else outcomes
    made = Pool(
        store,
        lending=lending or Lending(),
        terms=PoolTerms(**{"workers": workers, "retry_in": 0, **terms}),
        scans=settings(folder, plan),
        replica=replica or new_id(),
        environment=worker_environ(),
        observer=outcomes.append,
        work=STUB,
        **({"listener": listener} if listener else {}),
    )
    made.outcomes = outcomes
    made.start()
    try:
        yield made
    finally:
        made.stop(grace)


def gone(pid):
    """Tell whether a process is no more, or waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
