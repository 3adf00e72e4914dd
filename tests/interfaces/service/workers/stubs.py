"""Scans that are none: run in real worker processes, quick, and as badly behaved as a test wants.

`settings.environment` says what happens: LOG is a folder that gets a file for each scan that began, PLAN is JSON from
the number of an image to one of the words below. Who is told to wait does so until there is a file `go` beside LOG.
"""

import json
import os
import signal
import time
from pathlib import Path

import rafsight
from rafsight.base.errors import ExitStatus, RegistryFault
from rafsight.interfaces.service.jobs.model import NewReport, Summary


class Away(RegistryFault):
    code = "registry-unreachable"
    template = "{host} cannot be reached"
    remedy = "Wait."
    permanent = False


class Denied(RegistryFault):
    code = "registry-denied"
    template = "{host} refuses {user}"
    remedy = "Log in."
    exit_status = ExitStatus.DENIED


def scan(task, settings):
    """Do what the plan says."""
    number = int(task.digest[-6:], 16)
    log = Path(settings.environment["LOG"])
    began = len(list(log.glob(f"{number}-*"))) + 1
    (log / f"{number}-{time.monotonic_ns()}-{os.getpid()}").write_text(
        json.dumps([[place.repository, place.username, place.password] for place in task.places])
    )
    words = json.loads(settings.environment.get("PLAN", "{}")).get(str(number), ["ok"])
    word = words[min(began, len(words)) - 1]
    _behave(word, task, log.parent / "go")
    return NewReport(
        content=b"report of %d" % number,
        summary=Summary(high=number),
        digest=task.digest,
        read_digest=task.digest,
        database_digest="sha256:db1",
        version=rafsight.__version__,
    )


def _behave(word, task, go):
    if word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "hang":
        time.sleep(3600)
    elif word == "wait":
        while not go.exists():
            time.sleep(0.005)
    elif word == "pause":
        time.sleep(0.3)
    elif word == "away":
        raise Away(host=task.places[0].registry)
    elif word == "denied":
        raise Denied(host=task.places[0].registry, user=task.places[0].username)
    elif word == "secret-in-error":
        message = f"{task.places[0].password} was wrong"
        raise RuntimeError(message)
    elif word == "much":
        bytearray(1 << 40)
    elif word == "large":
        time.sleep(0)
    else:
        assert word == "ok"
