"""Checks of how a container starts: user, health, programs and their options."""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.misconfig.check import (
    BUILDING,
    CIS,
    DOCKERFILE,
    OCI_CONFIG,
    Check,
    Need,
    cis,
    trivy,
)
from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.misconfig.subject import Subject
from rafsight.base.severity import Severity
from rafsight.base.text import printable

CATEGORY: Final = "image config"
_SHOWN: Final = 100
"""[characters] of a member of the config in a report."""
_SIGNALS: Final = frozenset(("SIGKILL", "KILL", "9", "SIGSTOP", "STOP", "19"))
_UNSAFE_WORDS: Final = {
    "--no-sandbox": "the sandbox is off",
    "--allow-root": "allowed to run as root",
    "--insecure": "checks of certificates are off",
    "--privileged": "asks for all privileges",
    "--skip-grant-tables": "no password is asked",
    "--disable-web-security": "the same-origin policy is off",
    "--NotebookApp.token=": "no token is asked",
    "--ServerApp.token=": "no token is asked",
    "--NotebookApp.token=''": "no token is asked",
    "--ServerApp.token=''": "no token is asked",
}


def root_user(subject: Subject) -> Iterator[Evidence]:
    """Find images that start as user 0, whatever the name."""
    if not subject.runs_as_root:
        return
    user = subject.start.identity[0]
    detail = "not set: root" if not user else _shown(subject.start.user)
    if user and user not in {"root", "0"}:
        detail += " is user 0"
    yield Evidence(place="config.User", detail=detail)


def unknown_user(subject: Subject) -> Iterator[Evidence]:
    """Find names that etc/passwd and etc/group do not have."""
    user, group = subject.start.identity
    accounts = subject.accounts
    is_unread = accounts.users is None and subject.tree.file(b"etc/passwd") is not None
    if user and not _is_number(user) and user != "root" and not is_unread and accounts.user(user) is None:
        yield Evidence(place="config.User", detail=f"no user {_shown(user)} in etc/passwd")
    groups = accounts.groups
    if group and not _is_number(group) and groups is not None and all(name != group for name, _ in groups):
        yield Evidence(place="config.User", detail=f"no group {_shown(group)} in etc/group")


def no_healthcheck(subject: Subject) -> Iterator[Evidence]:
    """Find images that say nothing about their health."""
    test = subject.start.healthcheck
    if not test or test[0] == "NONE":
        yield Evidence(place="config.Healthcheck", detail="switched off" if test else "not set")


def shell_form(subject: Subject) -> Iterator[Evidence]:
    """Find an entry point that a shell stands before, so that signals do not reach it."""
    words = subject.start.entrypoint
    is_line = len(words) == 3 and words[1] == "-c" and not words[2].lstrip().startswith("exec ")
    if is_line and re.fullmatch(r"(?:/usr)?(?:/bin/)?(?:ba|da|a)?sh", words[0]):
        yield Evidence(place="config.Entrypoint", detail=f"{words[0]} -c ...")


def deadly_stop(subject: Subject) -> Iterator[Evidence]:
    """Find a stop signal that no program can react to."""
    if subject.start.stop_signal.upper() in _SIGNALS:
        yield Evidence(place="config.StopSignal", detail=subject.start.stop_signal.upper())


def unsafe_start(subject: Subject) -> Iterator[Evidence]:
    """Find options that switch a program's protection off."""
    for place, words in subject.start.started:
        for word in words:
            why = _UNSAFE_WORDS.get(word)
            if why:
                yield Evidence(place=place, detail=f"{word}: {why}")


def starts_sshd(subject: Subject) -> Iterator[Evidence]:
    """Find images whose service is a login."""
    for place, words in subject.start.started:
        for word in words:
            name = word.rpartition("/")[2]
            if name in {"sshd", "dropbear", "telnetd", "in.telnetd"}:
                yield Evidence(place=place, detail=name)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _shown(text: str) -> str:
    return printable(text, _SHOWN)


CHECKS: Final = (
    Check(
        id="RS-CFG-001",
        title="The container starts as root",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="A flaw in the program then gives all rights in the container, one step from the host.",
        message="Programs of this image run as user 0",
        resolution="Add a user while building, and name it in the last USER instruction.",
        references=(CIS, BUILDING + "#user", cis(1)),
        aliases=(*trivy(2), "CIS-DI-0001"),
        find=root_user,
        need=Need.BOTH,
    ),
    Check(
        id="RS-CFG-002",
        title="The user does not exist in the image",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="A container with a user that etc/passwd does not have does not start.",
        message="USER names somebody whom the image does not know",
        resolution="Add the user while building, or name it by its number.",
        references=(DOCKERFILE + "#user",),
        find=unknown_user,
        need=Need.BOTH,
    ),
    Check(
        id="RS-CFG-003",
        title="No health check",
        severity=Severity.LOW,
        category=CATEGORY,
        description="An engine cannot tell a service that hangs from one that works, unless it has probes of its own.",
        message="The image says nothing about how to ask its service whether it works",
        resolution="Add HEALTHCHECK, or ignore this where an orchestrator has probes of its own.",
        references=(CIS, DOCKERFILE + "#healthcheck", cis(6)),
        aliases=(*trivy(26), "CIS-DI-0006"),
        find=no_healthcheck,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-011",
        title="A shell stands before the entry point",
        severity=Severity.LOW,
        category=CATEGORY,
        description="The shell is process 1 and hands signals to nobody: the program is killed, not stopped.",
        message="ENTRYPOINT is written in shell form",
        resolution='Write it as a list (`["program", "option"]`), or begin the line with `exec`.',
        references=(DOCKERFILE + "#shell-form-entrypoint-example",),
        find=shell_form,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-012",
        title="The stop signal cannot be caught",
        severity=Severity.LOW,
        category=CATEGORY,
        description="A program that is killed cannot finish what it does: data may be lost at each stop.",
        message="STOPSIGNAL kills at once",
        resolution="Use SIGTERM, or what the program takes for a request to end.",
        references=(DOCKERFILE + "#stopsignal",),
        find=deadly_stop,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-013",
        title="The program is started with its protection off",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="The option removes what would hold an attacker who found a flaw, or the question for a password.",
        message="{count} option[|s] of what is started switch[es|] protection off",
        resolution="Leave the option out; where a sandbox needs rights, grant those alone.",
        references=(OCI_CONFIG,),
        find=unsafe_start,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-014",
        title="The container's service is a login",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="A server for logins needs keys, passwords and updates of its own, in each container.",
        message="The image starts a server for remote logins",
        resolution="Enter containers by the engine (`exec`), and start the service itself.",
        references=(BUILDING,),
        find=starts_sshd,
        need=Need.CONFIG,
    ),
)
