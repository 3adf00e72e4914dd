"""`rafsight serve` killed by SIGKILL, whenever: what it has answered by 202 is done in the end.

`workers/test_crashes.py` kills the pool alone; here all of the service runs, and real images are scanned.
"""

import random
import signal
import threading
import time
from contextlib import ExitStack

import httpx
from tests.interfaces.service.postgres_server import empty
from tests.interfaces.service.web.running_service import RunningService, import_advisories

from rafsight.testing.registry import PLANTED, serve_layout

ROUNDS = 3
LATENCY = 0.02
"""[s] of each answer of the registry, so that scans last long enough to be interrupted."""


def settings_of(folder, store, **more):
    return {
        "listen": "127.0.0.1:0",
        "store": store,
        "database": str(import_advisories(folder)),
        "cache": str(folder / "cache"),
        "registries": {"allow": ["127.0.0.1"]},
        "workers": 2,
        "scan": {"retry-in": "1s", "lease": "2s"},
        **more,
    }


class Asking(threading.Thread):
    """Asks for scans, each of them other work, until the service is no more; keeps the ids of those that were taken."""

    def __init__(self, service, registry, turn, count=8):
        super().__init__()
        self._client = service.client
        self._wishes = [
            {"reference": registry.reference(("v5", "v6")[number % 2]), "platform": f"linux/t{turn}n{number}"}
            for number in range(count)
        ]
        self.ids = []

    def run(self):
        for wish in self._wishes:
            try:
                answer = self._client.post("/v1/scans", json=wish)
            except httpx.HTTPError:
                return
            if answer.status_code == 202:
                self.ids.append(answer.json()["id"])


def check_done(service, ids):
    """Wait for all scans; each has a report of its own, and there are no others."""
    scans = [service.ended(scan_id) for scan_id in ids]
    assert {scan["state"] for scan in scans} == {"done"}
    assert len({scan["report"]["id"] for scan in scans}) == len(ids)
    jobs = service.client.get("/v1/status").json()["jobs"]
    assert jobs["failed"] == jobs["cancelled"] == 0


def test_again_and_again_while_it_takes_orders_and_scans(tmp_path):
    dice, ids = random.Random(9), []
    settings = settings_of(tmp_path, str(tmp_path / "jobs.sqlite"))
    with serve_layout(PLANTED, latency=LATENCY) as registry:
        for turn in range(ROUNDS):
            service = RunningService(tmp_path, settings)
            asking = Asking(service, registry, turn)
            asking.start()
            wanted = dice.randrange(1, 7)
            service.wait_for(lambda asking=asking, wanted=wanted: len(asking.ids) >= wanted)
            time.sleep(dice.uniform(0.0, 0.5))
            assert service.process.poll() is None
            service.process.send_signal(signal.SIGKILL)
            asking.join()
            assert service.end() == -signal.SIGKILL
            ids += asking.ids
        assert ids
        service = RunningService(tmp_path, settings)
        check_done(service, ids)
        assert service.end() == 0


def test_three_replicas_on_postgresql_and_one_is_killed(tmp_path, postgres_url):
    """Each takes orders; the others do what the killed one took, and what it had begun."""
    empty(postgres_url)
    with serve_layout(PLANTED, latency=LATENCY) as registry, ExitStack() as stack:
        replicas = []
        for number in range(3):
            folder = tmp_path / str(number)
            folder.mkdir()
            replicas.append(RunningService(folder, settings_of(folder, postgres_url, workers=1)))
            stack.callback(replicas[-1].end, signal.SIGKILL)
        asking = [Asking(service, registry, number, 6) for number, service in enumerate(replicas)]
        for one in asking:
            one.start()
        killed = replicas.pop(1)
        killed.wait_for(lambda: killed.client.get("/v1/status").json()["busy"])
        killed.process.send_signal(signal.SIGKILL)
        for one in asking:
            one.join()
        assert killed.end() == -signal.SIGKILL
        ids = [scan_id for one in asking for scan_id in one.ids]
        assert len(ids) >= 12
        check_done(replicas[0], ids)
        ended = [line for replica in replicas for line in replica.lines() if line["message"] == "a scan ended"]
        done = [line["job"] for line in ended if line["state"] == "done"]
        assert len(done) == len(set(done)), "nothing is scanned twice by those that live"
        assert [replica.end() for replica in replicas] == [0, 0]
