"""The application without a network: requests go straight into it, and nobody scans."""

import asyncio

import httpx
from tests.reports import samples

from rafsight import __version__
from rafsight.interfaces.service.jobs.reports_kept import pack_report
from rafsight.interfaces.service.web.app import build_app, make_service
from rafsight.interfaces.service.web.service import CrewNumbers
from rafsight.interfaces.service.web.settings import RegistrySettings, ServiceSettings
from rafsight.interfaces.service.workers.lending import Lending
from rafsight.interfaces.service.workers.terms import ScanSettings

REGISTRY = "127.0.0.1:5000"
ADDRESS = "http://127.0.0.1:8080"
DIGEST = "sha256:" + "a" * 64


class IdleCrew:
    """Counts what it is told, and does nothing."""

    def __init__(self):
        self.woken = 0
        self.rechecked = 0
        self.rematches = 0
        self.is_alive = True

    def wake(self):
        self.woken += 1

    def recheck(self):
        self.rechecked += 1

    def match_again(self):
        self.rematches += 1

    def numbers(self):
        return CrewNumbers(slots=2, busy=0, starts=2, is_alive=self.is_alive, trouble="")


def settings_for(folder, **more):
    fields = {
        "store": str(folder / "jobs.sqlite"),
        "scan": ScanSettings(database=None),
        "registries": RegistrySettings(allow=(REGISTRY,)),
    }
    return ServiceSettings(**fields | more)


class Door:
    """A service, and a client of it that waits for its answers."""

    def __init__(self, settings, store, **parts):
        self.crew = IdleCrew()
        self.lending = Lending()
        self.store = store
        self.service = make_service(settings, store, crew=self.crew, lending=self.lending, replica="here")
        self.app = build_app(self.service, **parts)
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=ADDRESS)

    def close(self):
        self._runner.run(self._client.aclose())
        self._runner.close()

    def ask(self, method, path, **more):
        return self._runner.run(self._client.request(method, path, **more))

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, json=None, **more):
        return self.ask("POST", path, json=json, **more)

    def run(self, awaitable):
        return self._runner.run(awaitable)

    def work(self, report=samples.PLANTED, *, failure=None, retry_in=None):
        """Do the next job as a worker would: with a report, or with a failure."""
        claim = self.store.claim(worker="w", replica="here", lease=60_000)
        if failure is not None:
            self.store.fail(claim.job.id, claim.ticket, failure, retry_in=retry_in)
        else:
            packed = pack_report(report, digest=claim.job.place.digest or DIGEST, version=__version__)
            self.store.finish(claim.job.id, claim.ticket, packed)
        return claim
