"""Checks of accounts: who is root, who needs no password, which passwords came with the image, who may use sudo."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.misconfig.accounts import Password
from rafsight.analysis.misconfig.check import SHADOW, Check
from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.misconfig.small_files import PAM, SUDO
from rafsight.analysis.misconfig.subject import Subject
from rafsight.base.severity import Severity
from rafsight.base.text import printable

CATEGORY: Final = "accounts"
_PASSWD, _SHADOW, _GROUP = b"etc/passwd", b"etc/shadow", b"etc/group"
_NO_PASSWORD: Final = re.compile(r"NOPASSWD\s{0,8}:|!authenticate\b")
_WHOM: Final = re.compile(r"\s{0,8}([^\s=]{1,100})\s")
_DOAS: Final = re.compile(r"\s{0,8}permit\b(?=.{0,200}\bnopass\b)")
_PERMIT: Final = re.compile(
    r"-?(?:auth|account|password)\s{1,20}(?:sufficient|required|requisite)\s{1,20}(?:\S{0,100}/)?pam_permit\.so"
)
_SERVICES_THAT_ASK: Final = frozenset(
    (b"common-auth", b"system-auth", b"password-auth", b"sshd", b"login", b"su", b"sudo")
)


def second_root(subject: Subject) -> Iterator[Evidence]:
    """Find accounts beside root that are user 0."""
    for account in subject.accounts.users or ():
        if account.uid == 0 and account.name != "root":
            yield Evidence(path=_PASSWD, line=account.line, detail=f"{_shown(account.name)} is user 0")


def empty_passwords(subject: Subject) -> Iterator[Evidence]:
    """Find accounts without a password."""
    for account in subject.accounts.users or ():
        if account.password.state is Password.EMPTY:
            yield Evidence(path=_PASSWD, line=account.line, detail=f"{_shown(account.name)} has no password")
    for one in subject.accounts.shadow:
        if one.password.state is Password.EMPTY:
            yield Evidence(path=_SHADOW, line=one.line, detail=f"{_shown(one.name)} has no password")


def baked_passwords(subject: Subject) -> Iterator[Evidence]:
    """Find passwords that came with the image; their hashes are never shown."""
    for path, line, name, password in _set_passwords(subject):
        yield Evidence(path=path, line=line, detail=f"{_shown(name)} has a password ({password})")


def weak_hashes(subject: Subject) -> Iterator[Evidence]:
    """Find passwords that are quickly guessed from their hash."""
    for path, line, name, password in _set_passwords(subject, weak_only=True):
        yield Evidence(path=path, line=line, detail=f"{_shown(name)}: {password}")


def unshadowed(subject: Subject) -> Iterator[Evidence]:
    """Find hashes of passwords in a file that everybody reads."""
    for account in subject.accounts.users or ():
        if account.password.state is Password.SET:
            yield Evidence(path=_PASSWD, line=account.line, detail=f"{_shown(account.name)}")


def duplicates(subject: Subject) -> Iterator[Evidence]:
    """Find names and numbers that stand for two."""
    users, groups = subject.accounts.users or (), subject.accounts.groups or ()
    names = Counter(one.name for one in users)
    ids = Counter(one.uid for one in users if one.uid)
    for account in users:
        if names[account.name] > 1:
            yield Evidence(path=_PASSWD, line=account.line, detail=f"the name {_shown(account.name)} is there twice")
        elif ids[account.uid] > 1:
            detail = f"{_shown(account.name)} shares user {account.uid}"
            yield Evidence(path=_PASSWD, line=account.line, detail=detail)
    for name, count in Counter(name for name, _ in groups).items():
        if count > 1:
            yield Evidence(path=_GROUP, detail=f"the group {_shown(name)} is there twice")


def no_password_for_sudo(subject: Subject) -> Iterator[Evidence]:
    """Find rules that let somebody become another without a password; what root may do is no matter."""
    for file in subject.files.matching(SUDO):
        for number, line in file.lines():
            if b"doas" in file.path:
                if _DOAS.match(line) and " root " not in f"{line} ".partition(" as ")[0]:
                    yield Evidence(path=file.path, line=number, detail="permit nopass")
            elif _NO_PASSWORD.search(line):
                whom = _WHOM.match(line)
                name = whom[1] if whom else "somebody"
                if name != "root":
                    yield Evidence(path=file.path, line=number, detail=f"{_shown(name)} is asked for no password")


def pam_open(subject: Subject) -> Iterator[Evidence]:
    """Find services whose question for a password is always answered."""
    for file in subject.files.matching(PAM):
        if file.path.rpartition(b"/")[2] not in _SERVICES_THAT_ASK:
            continue
        asks = False
        for number, line in file.lines():
            if line.startswith(("auth", "-auth")):
                if _PERMIT.match(line) and not asks:
                    yield Evidence(path=file.path, line=number, detail="pam_permit before any other module")
                asks = asks or "pam_permit" not in line


def _set_passwords(subject: Subject, *, weak_only: bool = False) -> Iterator[tuple[bytes, int, str, str]]:
    """Yield (path, line, account, kind of hash) of all passwords that are set."""
    for account in subject.accounts.users or ():
        if account.password.state is Password.SET and (account.password.is_weak or not weak_only):
            yield _PASSWD, account.line, account.name, account.password.hash_kind
    for one in subject.accounts.shadow:
        if one.password.state is Password.SET and (one.password.is_weak or not weak_only):
            yield _SHADOW, one.line, one.name, one.password.hash_kind


def _shown(name: str) -> str:
    return printable(name, 64)


CHECKS: Final = (
    Check(
        id="RS-ACC-001",
        title="Another account is root",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="An account with user number 0 has all rights, whatever it is called: a usual back door.",
        message="{count} account[|s] beside root [is|are] user 0",
        resolution="Remove the account, or give it a number of its own.",
        references=("https://man7.org/linux/man-pages/man5/passwd.5.html",),
        find=second_root,
    ),
    Check(
        id="RS-ACC-002",
        title="An account has no password",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="Everybody in the container can become that user, and through a server for logins from outside.",
        message="{count} account[|s] need[s|] no password",
        resolution="Lock them (`passwd -l NAME`).",
        references=(SHADOW, "https://nvd.nist.gov/vuln/detail/CVE-2019-5021"),
        aliases=("DKL-LI-0001",),
        find=empty_passwords,
    ),
    Check(
        id="RS-ACC-003",
        title="A password came with the image",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="It is the same in all containers, and whoever has the image can try to guess it.",
        message="{count} account[|s] [has|have] a password",
        resolution="Lock the accounts, and enter containers by the engine.",
        references=(SHADOW,),
        find=baked_passwords,
    ),
    Check(
        id="RS-ACC-004",
        title="A password is stored in a weak form",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="Passwords can be guessed quickly from such a hash.",
        message="{count} password[|s] [is|are] stored by an outdated method",
        resolution="Lock the accounts, or set the passwords again (yescrypt, SHA-512).",
        references=("https://man7.org/linux/man-pages/man5/crypt.5.html",),
        find=weak_hashes,
    ),
    Check(
        id="RS-ACC-005",
        title="Everybody can read a password's hash",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="Every program reads etc/passwd; hashes belong to etc/shadow.",
        message="{count} hash[|es] of passwords stand[s|] in etc/passwd",
        resolution="Run `pwconv`, or lock the accounts.",
        references=(SHADOW,),
        find=unshadowed,
    ),
    Check(
        id="RS-ACC-006",
        title="Accounts share a name or a number",
        severity=Severity.LOW,
        category=CATEGORY,
        description="Who owns a file, and who may log in, then depends on who asks.",
        message="{count} [entry|entries] of etc/passwd and etc/group [is|are] not alone",
        resolution="Give each account and each group a name and a number of its own.",
        references=("https://man7.org/linux/man-pages/man5/passwd.5.html",),
        aliases=("DKL-LI-0002",),
        find=duplicates,
    ),
    Check(
        id="RS-ACC-007",
        title="Somebody becomes root without a password",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="Whoever takes a program of that user over has all rights in the container.",
        message="{count} rule[|s] of sudo or doas ask[s|] for no password",
        resolution="Remove the rule, and sudo with it.",
        references=("https://www.sudo.ws/docs/man/sudoers.man/",),
        find=no_password_for_sudo,
    ),
    Check(
        id="RS-ACC-008",
        title="A login asks for nothing",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="pam_permit lets everybody in, and what stands behind it is not asked.",
        message="{count} service[|s] let[s|] everybody in",
        resolution="Restore the distribution's file.",
        references=("https://man7.org/linux/man-pages/man8/pam_permit.8.html",),
        find=pam_open,
    ),
)
