"""`rafsight serve` as a process of its own, and a client of it."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import yaml

import rafsight
from rafsight.testing.registry import PLANTED

ADVISORIES = PLANTED.parent / "advisories"
START = 60.0
"""[s] that the service may take to start, on a machine with much else to do."""


def environment(folder):
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return clean | {"HOME": str(folder), "RAFSIGHT_CACHE_DIR": str(folder / "cache"), "XDG_STATE_HOME": ""}


def command_line(folder, *arguments):
    """Run a command of rafsight to its end."""
    return subprocess.run(
        [sys.executable, "-m", "rafsight", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(folder),
        timeout=60,
    )


def import_advisories(folder):
    database = folder / "advisories.sqlite"
    if not database.exists():
        rafsight.Advisories(database).take([ADVISORIES])
    return database


class RunningService:
    """A service that runs."""

    def __init__(self, folder, settings, token=""):
        self.folder = folder
        self.log = folder / "service.log"
        (folder / "serve.yaml").write_text(yaml.safe_dump(settings))
        with self.log.open("ab") as log:
            size = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rafsight", "serve", "--config", str(folder / "serve.yaml")],
                stdout=log,
                stderr=log,
                env=environment(folder),
            )
        self.url = self._wait(size)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = httpx.Client(base_url=self.url, timeout=60.0, headers=headers, trust_env=False)

    def _wait(self, size):
        until = time.monotonic() + START
        while time.monotonic() < until and self.process.poll() is None:
            for said in self.lines(size):
                if said["message"] == "listening":
                    return f"http://{said['host']}:{said['port']}"
            time.sleep(0.05)
        raise AssertionError(self.log.read_text()[size:])

    def lines(self, start=0):
        """Return what is in the log from a place on [bytes]; each line is JSON, and the last may be half there."""
        whole = self.log.read_bytes()[start:].rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]

    def wait_for(self, condition, seconds=60.0):
        """Ask until something is true, and return it."""
        until = time.monotonic() + seconds
        while not (found := condition()):
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < until, self.log.read_text()[-2000:]
            time.sleep(0.05)
        return found

    def scan(self, reference, **more):
        answer = self.client.post("/v1/scans", json={"reference": reference, **more})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def ended(self, scan_id):
        """Wait for a scan's end."""

        def look():
            scan = self.client.get(f"/v1/scans/{scan_id}").json()
            return scan if scan["state"] in ("done", "failed", "cancelled") else None

        return self.wait_for(look)

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.client.close()
        return self.process.wait(60)


@contextmanager
def running(folder, *, token="", **settings):
    """Run a service until the block ends; it has to end well."""
    settings = {
        "listen": "127.0.0.1:0",
        "store": str(folder / "jobs.sqlite"),
        "database": str(import_advisories(folder)),
        "cache": str(folder / "cache"),
        "workers": 2,
        **settings,
    }
    service = RunningService(folder, settings, token)
    try:
        yield service
    finally:
        status = service.end()
    assert status == 0, service.log.read_text()[-2000:]


def files_with(folder, *secrets):
    """Return the files below a folder in which one of some secrets stands; some may go away meanwhile."""
    found = []
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            with suppress(FileNotFoundError):
                content = path.read_bytes() if path.is_file() else b""
                found += [path for secret in secrets if secret.encode() in content]
    return found
