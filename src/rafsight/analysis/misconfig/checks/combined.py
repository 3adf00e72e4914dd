"""Checks that join what the config says with what the tree and its files say."""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.misconfig.accounts import Password
from rafsight.analysis.misconfig.check import LOADER, OCI_CONFIG, Check, Need
from rafsight.analysis.misconfig.checks.accounts import empty_passwords, no_password_for_sudo
from rafsight.analysis.misconfig.checks.environment import SEARCH_PATHS
from rafsight.analysis.misconfig.checks.exposure import engine_socket, sensitive_volume
from rafsight.analysis.misconfig.checks.names import engine_sockets
from rafsight.analysis.misconfig.checks.rights import setuid_shell
from rafsight.analysis.misconfig.checks.services import sshd
from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.misconfig.small_files import PAM
from rafsight.analysis.misconfig.subject import Subject
from rafsight.base.severity import Severity
from rafsight.base.text import printable

CATEGORY: Final = "combinations"
_NULLOK: Final = re.compile(r"-?auth\s.{0,200}pam_unix\.so.{0,100}\bnullok(?:_secure)?\b")
_SHOWN: Final = 200
_PARTS: Final = 200
"""Entries of a search path that are looked at."""


def open_path(subject: Subject) -> Iterator[Evidence]:
    """Find folders of PATH where everybody may put programs."""
    variable = subject.start.last("PATH")
    for part in dict.fromkeys(variable.value.split(":")[:_PARTS]) if variable else ():
        why = subject.tree.open_folder(part) if part.startswith("/") else ""
        if variable and why:
            yield Evidence(place=variable.place, detail=printable(f"{part}: {why}", _SHOWN))


def open_search_path(subject: Subject) -> Iterator[Evidence]:
    """Find libraries and modules that everybody may replace."""
    for name in (*SEARCH_PATHS, "LD_PRELOAD", "LD_AUDIT"):
        variable = subject.start.last(name)
        for part in dict.fromkeys(re.split(r"[:\s]", variable.value)[:_PARTS]) if variable else ():
            why = subject.tree.open_folder(part) if part.startswith("/") else ""
            if variable and why:
                yield Evidence(place=variable.place, detail=printable(f"{name}, {part}: {why}", _SHOWN))


def open_start(subject: Subject) -> Iterator[Evidence]:
    """Find programs that are started, or the working directory, where everybody may write."""
    start = subject.start
    for place, words in (("config.Entrypoint", start.entrypoint), ("config.Cmd", start.cmd)):
        for word in words[:50]:
            path = word if word.startswith("/") else f"{start.working_dir}/{word}"
            row = subject.tree.file(path.encode("utf-8", "replace")) if path.startswith("/") else None
            why = subject.tree.open_folder(path) if row is not None else ""
            if why:
                yield Evidence(place=place, detail=printable(why, _SHOWN))
    folder = start.working_dir
    row = subject.tree.folder(folder.encode("utf-8", "replace")) if folder.startswith("/") else None
    if row and subject.tree.is_open[row]:
        yield Evidence(place="config.WorkingDir", detail=printable(f"{folder} can be written by everybody", _SHOWN))


def way_to_root(subject: Subject) -> Iterator[Evidence]:
    """Find what makes an ordinary user root at once: then USER protects nothing."""
    if subject.runs_as_root:
        return
    tree = subject.tree
    for row in setuid_shell(subject).rows[:10].tolist():
        if int(tree.uid[row]) == 0 and int(tree.mode[row]) & 0o001:
            yield Evidence(path=tree.tree.path(row), detail=f"setuid: {tree.describe(row)}")
    user = subject.account.name if subject.account else subject.start.identity[0]
    for evidence in no_password_for_sudo(subject):
        if evidence.detail.split(" ")[0] in {user, "ALL"}:
            yield evidence
    has_su = any(tree.file(path) is not None for path in (b"bin/su", b"usr/bin/su"))
    for evidence in empty_passwords(subject) if has_su else ():
        if evidence.detail.startswith("root "):
            yield evidence


def root_and_socket(subject: Subject) -> Iterator[Evidence]:
    """Find images that are root, and that are made for the socket of the host's engine."""
    if not subject.runs_as_root:
        return
    yield from (one for one in sensitive_volume(subject) if ".sock" in one.detail)
    yield from engine_socket(subject)
    for row in engine_sockets(subject).rows[:10].tolist():
        yield Evidence(path=subject.tree.tree.path(row), detail=subject.tree.tree.kind(row))


def null_ok(subject: Subject) -> Iterator[Evidence]:
    """Find logins that accept an empty password, where an account has one; alone it is many distributions' default."""
    users = [one for one in subject.accounts.shadow if one.password.state is Password.EMPTY]
    plain = [one for one in subject.accounts.users or () if one.password.state is Password.EMPTY]
    if users or plain:
        for file in subject.files.matching(PAM):
            for number, line in file.lines():
                if _NULLOK.match(line):
                    yield Evidence(path=file.path, line=number, detail="pam_unix takes an empty password (nullok)")


def login_by_password(subject: Subject) -> Iterator[Evidence]:
    """Find SSH servers that take passwords, where accounts have one."""
    has_server = any(subject.tree.file(path) is not None for path in (b"usr/sbin/sshd", b"usr/local/sbin/sshd"))
    known = [one for one in subject.accounts.shadow if one.password.state in {Password.SET, Password.EMPTY}]
    if has_server and known:
        for evidence in sshd(subject):
            if evidence.detail.lower().startswith(("passwordauthentication", "permitrootlogin", "permitempty")):
                yield evidence


CHECKS: Final = (
    Check(
        id="RS-MIX-001",
        title="Everybody can put programs into PATH",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="The next program that somebody calls by its name may be another one, also if root calls it.",
        message="{count} folder[|s] of PATH can be written or made by everybody",
        resolution="Remove the folder from PATH, or give it to root.",
        references=(OCI_CONFIG,),
        find=open_path,
        need=Need.BOTH,
    ),
    Check(
        id="RS-MIX-002",
        title="Everybody can replace libraries or modules that are loaded",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="The environment sends programs to a place where everybody may write for their code.",
        message="{count} place[|s] of libraries or modules can be written or made by everybody",
        resolution="Remove the place from the variable, or give it to root.",
        references=(LOADER,),
        find=open_search_path,
        need=Need.BOTH,
    ),
    Check(
        id="RS-MIX-003",
        title="Everybody can change what the container starts",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="What is written there runs at the next start, with the rights of the container.",
        message="{count} place[|s] that the container starts from can be written by everybody",
        resolution="Give them to root, without the right to write for others.",
        references=(OCI_CONFIG,),
        find=open_start,
        need=Need.BOTH,
    ),
    Check(
        id="RS-MIX-004",
        title="The ordinary user becomes root at once",
        severity=Severity.CRITICAL,
        category=CATEGORY,
        description="USER is set, and protects nothing: the image has a way to root that needs no flaw.",
        message="{count} way[|s] lead[s|] from the image's user to root",
        resolution="Remove the setuid bit, the rule or the empty password.",
        references=("https://docs.docker.com/build/building/best-practices/#user",),
        find=way_to_root,
        need=Need.BOTH,
    ),
    Check(
        id="RS-MIX-005",
        title="Root in the container, and the socket of the engine",
        severity=Severity.CRITICAL,
        category=CATEGORY,
        description="With the socket mounted, every flaw of this program is root on the host.",
        message="The container is root and expects the socket of the host's engine ({count} place[|s])",
        resolution="Set USER, and use an engine without root or a proxy that allows little.",
        references=("https://docs.docker.com/engine/security/protect-access/",),
        find=root_and_socket,
        need=Need.BOTH,
    ),
    Check(
        id="RS-MIX-006",
        title="Logins accept an empty password, and an account has one",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="The login module lets that account in without a question.",
        message="{count} login[|s] accept[s|] an empty password",
        resolution="Lock the account (`passwd -l NAME`), and remove `nullok`.",
        references=("https://man7.org/linux/man-pages/man8/pam_unix.8.html",),
        find=null_ok,
    ),
    Check(
        id="RS-MIX-007",
        title="An SSH server takes a password that came with the image",
        severity=Severity.CRITICAL,
        category=CATEGORY,
        description="Whoever has the image knows, or can guess, how to log in to all its containers.",
        message="{count} setting[|s] let[s|] accounts with a known password in",
        resolution="Lock the accounts, and allow keys only.",
        references=("https://man.openbsd.org/sshd_config",),
        find=login_by_password,
    ),
)
