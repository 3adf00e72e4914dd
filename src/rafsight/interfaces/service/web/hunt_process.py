"""A hunt in a process of its own: the question comes on standard input, answers leave on standard output, a line each.

    python -m rafsight.interfaces.service.web.hunt_process

The service stays quick while many images are looked at, and a hunt ends with its process, whatever it is doing. This
module alone decides what the lines are: `begun`, or `error` if the question is none; then those of
`reports.hunt_lines`. What nobody foresaw goes to standard error, which is the service's log.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

import rafsight
from rafsight.base.errors import RafsightError
from rafsight.interfaces.service.delivery.addresses import Reach
from rafsight.interfaces.service.web.logs import REQUEST, catch_strays, complain, configure
from rafsight.reports.hunt_lines import answer_line, failure_line, summary_line

_NICE: Final = 10
BEGUN: Final = "begun"
ERROR: Final = "error"


class HuntTask(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told."""

    references: list[str] = []
    registry: str = ""
    repositories: str = "**"
    tags: str = "**"
    all_platforms: bool = False
    show_all: bool = False
    question: dict[str, Any] = {}
    """Arguments of `Hunts.ask`; paths, names and xattr as text."""
    database: str = ""
    cache_dir: str = ""
    ca_files: list[str] = []
    plain_hosts: tuple[str, ...] = ()
    request: str = ""
    """Id of the request that wants it, for the log."""
    reach: Reach | None = None
    timeout: float = 30.0


def hunt(task: HuntTask) -> None:
    """Ask, and write what comes.

    Raises: RafsightError.
    """
    options = rafsight.Options(
        cache_dir=Path(task.cache_dir) if task.cache_dir else None,
        ca_files=tuple(map(Path, task.ca_files)),
        timeout=task.timeout,
        environment=dict(os.environ),
        plain_hosts=task.plain_hosts,
        permits=task.reach.permits if task.reach else None,
    )
    hunts = rafsight.Hunts(options=options, all_platforms=task.all_platforms)
    hunts.add(*task.references)
    if task.registry:
        hunts.add_registry(task.registry, repositories=task.repositories, tags=task.tags)
    answers = hunts.ask(**_arguments(task))
    _write(json.dumps({"type": BEGUN}) + "\n")
    for answer in answers:
        if task.show_all or answer.is_match or answer.unseen:
            _write(answer_line(answer))
    for failure in hunts.failures:
        _write(failure_line(failure))
    if hunts.tally is not None:
        _write(summary_line(hunts.tally))


def _arguments(task: HuntTask) -> dict[str, Any]:
    question = dict(task.question)
    for name in ("paths", "names"):
        question[name] = [os.fsencode(glob) for glob in question.get(name, ())]
    question["xattr"] = os.fsencode(question.get("xattr", ""))
    question["database"] = Path(task.database) if task.database and question.get("advisories") else None
    return question


def _write(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def main() -> None:
    """Run one hunt."""
    configure()
    catch_strays()
    os.nice(_NICE)
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=HuntTask)
    try:
        hunt(task)
    except RafsightError as error:
        _write(json.dumps({"type": ERROR, "code": error.code, "message": str(error), "remedy": error.advice}) + "\n")
    except Exception as error:  # noqa: BLE001 - the client is told that there is no end, the log why
        REQUEST.set(task.request)
        complain("a hunt failed in a way that nobody foresaw", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
