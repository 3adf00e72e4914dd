"""Checks of programs that have more rights than their caller: setuid, setgid, capabilities."""

from collections.abc import Callable
from typing import Final

import numpy as np

from rafsight.analysis.misconfig.capabilities import DANGEROUS, FileCapabilities
from rafsight.analysis.misconfig.check import CAPABILITIES, CIS, INODES, Check, Spots, cis
from rafsight.analysis.misconfig.privileged import expected_by
from rafsight.analysis.misconfig.subject import Subject
from rafsight.analysis.misconfig.tree_facts import SETGID, SETUID, TreeFacts
from rafsight.base.severity import Severity
from rafsight.formats.records import Bools
from rafsight.image.selection import RowArray, select_rows

CATEGORY: Final = "permissions"
_EXECUTE: Final = 0o111
_GROUP_EXECUTE: Final = 0o010
SHELL_LIKE: Final = (
    b"sh", b"bash", b"dash", b"ash", b"zsh", b"ksh", b"mksh", b"fish", b"csh", b"tcsh", b"busybox", b"rbash",
    b"python", b"python2*", b"python3*", b"perl", b"perl5*", b"ruby", b"ruby2*", b"ruby3*", b"node", b"nodejs", b"php",
    b"php7*", b"php8*", b"lua", b"lua5*", b"tclsh*", b"awk", b"gawk", b"mawk", b"find", b"xargs", b"env", b"vim",
    b"vim.*", b"vi", b"nano", b"emacs*", b"ed", b"less", b"more", b"man", b"tar", b"zip", b"rsync", b"cp", b"mv", b"dd",
    b"install", b"tee", b"cat", b"chmod", b"chown", b"nmap", b"docker", b"gdb", b"strace", b"make", b"git", b"curl",
    b"wget", b"socat", b"nc", b"nc.*", b"ncat", b"openssl", b"chroot", b"nsenter", b"unshare", b"systemctl", b"ld.so",
    b"ld-linux*", b"taskset", b"timeout", b"nice", b"screen.real", b"tmux", b"rpm", b"dpkg", b"apt-get", b"pip*",
)  # fmt: skip
"""Programs that run or write what they are told: with the rights of root, they give them away."""


def setuid_shell(subject: Subject) -> Spots:
    """Find setuid programs that do whatever their caller says."""
    tree = subject.tree
    rows = _with(tree, SETUID)
    found = [select_rows(tree.tree, rows, glob) for glob in SHELL_LIKE] if len(rows) else [rows]
    return Spots(rows=np.unique(np.concatenate(found)))


def setuid(subject: Subject) -> Spots:
    """Find setuid programs that no distribution brings so; hard links to one are programs of their own."""
    tree = subject.tree
    rows = _unexpected(tree, _with(tree, SETUID))
    return Spots(rows=np.setdiff1d(rows, setuid_shell(subject).rows), detail=_describer(tree))


def setgid(subject: Subject) -> Spots:
    """Find setgid programs that no distribution brings so."""
    tree = subject.tree
    rows = np.setdiff1d(_with(tree, SETGID), _with(tree, SETUID))
    return Spots(rows=_unexpected(tree, rows), detail=_describer(tree))


def setid_writable(subject: Subject) -> Spots:
    """Find such programs that others than their owner can change."""
    tree = subject.tree
    rows = np.union1d(_with(tree, SETUID), _with(tree, SETGID))
    mode = tree.mode[rows]
    by_group = ((mode & 0o020) != 0) & (tree.gid[rows] != 0)
    return Spots(rows=rows[((mode & 0o002) != 0) | by_group])


def hidden_names(subject: Subject) -> Spots:
    """Find further names of expected setuid programs, where nobody looks for them."""
    tree = subject.tree
    link_row = tree.tree.entries.link_row
    rows = np.union1d(_with(tree, SETUID), _with(tree, SETGID))
    values, counts = np.unique(link_row[rows], return_counts=True)
    linked = rows[np.isin(link_row[rows], values[counts > 1])]
    outside = linked[~tree.is_system[linked]]
    return Spots(rows=outside, detail=lambda row: f"another name of a program with {tree.describe(row)}")


def dangerous_capabilities(subject: Subject) -> Spots:
    """Find files with capabilities that lead to root."""
    return _capabilities(subject, lambda one: not DANGEROUS.isdisjoint(one.names))


def other_capabilities(subject: Subject) -> Spots:
    """Find files with other capabilities."""
    return _capabilities(subject, lambda one: DANGEROUS.isdisjoint(one.names))


def unread_attributes(subject: Subject) -> Spots:
    """Find files whose capabilities cannot be read."""
    rows = np.array(subject.tree.capabilities.unread, dtype=np.int64)
    return Spots(rows=rows, detail=lambda _: "the attribute cannot be read")


def _capabilities(subject: Subject, keep: Callable[[FileCapabilities], bool]) -> Spots:
    tree = subject.tree
    expected = expected_by(tree)
    found = {
        one.row: one.text for one in tree.capabilities.files if keep(one) and not expected(tree.tree.path(one.row), "c")
    }
    return Spots(rows=np.array(sorted(found), dtype=np.int64), detail=found.__getitem__)


def _with(tree: TreeFacts, bit: int) -> RowArray:
    """Return files with a bit that means something: setgid without the group's execute bit is a way of locking."""
    mode = tree.mode
    runs: Bools = (mode & (_GROUP_EXECUTE if bit == SETGID else _EXECUTE)) != 0
    return np.flatnonzero(tree.is_file & ((mode & bit) != 0) & runs)


def _unexpected(tree: TreeFacts, rows: RowArray) -> RowArray:
    expected = expected_by(tree)
    keep = [row for row in rows.tolist() if not expected(tree.tree.path(row), _bits(tree, row))]
    return np.array(keep, dtype=np.int64)


def _bits(tree: TreeFacts, row: int) -> str:
    mode = int(tree.mode[row])
    return ("u" if mode & SETUID else "") + ("g" if mode & SETGID else "")


def _describer(tree: TreeFacts) -> Callable[[int], str]:
    link_row = tree.tree.entries.link_row

    def describe(row: int) -> str:
        first = int(link_row[row])
        same = f", the same file as /{tree.tree.path(first).decode('utf-8', 'replace')}" if first != row else ""
        return tree.describe(row) + same

    return describe


CHECKS: Final = (
    Check(
        id="RS-FS-001",
        title="Setuid program that the distribution does not have",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="It runs with the rights of its owner, whoever starts it: a flaw in it is a way to root.",
        message="{count} setuid program[|s] come[s|] from no package that is known for it",
        resolution="Remove the bit (`chmod u-s`), or forbid its effect at run time (`no-new-privileges`).",
        references=(CIS, INODES, cis(8)),
        aliases=("CIS-DI-0008",),
        find=setuid,
    ),
    Check(
        id="RS-FS-002",
        title="Setgid program that the distribution does not have",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="It runs with the rights of its group, whoever starts it.",
        message="{count} setgid program[|s] come[s|] from no package that is known for it",
        resolution="Remove the bit (`chmod g-s`), or forbid its effect at run time (`no-new-privileges`).",
        references=(CIS, INODES, cis(8)),
        aliases=("CIS-DI-0008",),
        find=setgid,
    ),
    Check(
        id="RS-FS-003",
        title="Setuid shell, or a program as good as one",
        severity=Severity.CRITICAL,
        category=CATEGORY,
        description="It does what its caller says with the rights of its owner: every user is root.",
        message="{count} setuid program[|s] run[s|] or write[s|] whatever callers say",
        resolution="Remove the bit (`chmod u-s`), and look where it came from.",
        references=("https://gtfobins.github.io/", INODES, cis(8)),
        find=setuid_shell,
    ),
    Check(
        id="RS-FS-004",
        title="Setuid or setgid program that others can change",
        severity=Severity.CRITICAL,
        category=CATEGORY,
        description="Whoever may write to it decides what runs with the rights of its owner.",
        message="{count} program[|s] with the rights of the owner can be changed by others",
        resolution="Take the right to write from group and others (`chmod go-w`).",
        references=(INODES,),
        find=setid_writable,
    ),
    Check(
        id="RS-FS-005",
        title="A setuid program has another name outside the system's folders",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="A hard link keeps an old setuid program alive when its package is updated or removed.",
        message="{count} name[|s] of setuid programs lie[s|] where none belong",
        resolution="Remove the link.",
        references=("https://man7.org/linux/man-pages/man2/link.2.html",),
        find=hidden_names,
    ),
    Check(
        id="RS-FS-006",
        title="File capabilities that lead to root",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="Whoever starts the program has a right that can be turned into all rights.",
        message="{count} program[|s] [has|have] capabilities that are as good as root",
        resolution="Remove the attribute (`setcap -r`), and grant the capability to the container that needs it.",
        references=(CAPABILITIES,),
        find=dangerous_capabilities,
    ),
    Check(
        id="RS-FS-007",
        title="File capabilities",
        severity=Severity.LOW,
        category=CATEGORY,
        description="The program does not start where the capability is not granted, and has it where it is.",
        message="{count} program[|s] [has|have] capabilities",
        resolution="See whether the program needs them; low ports can be opened without.",
        references=(CAPABILITIES,),
        find=other_capabilities,
    ),
    Check(
        id="RS-FS-008",
        title="Capabilities that cannot be read",
        severity=Severity.LOW,
        category=CATEGORY,
        description="What no tool can read may hide something, or comes from a damaged image.",
        message="{count} file[|s] [has|have] attributes that cannot be read",
        resolution="Build the image again.",
        references=(CAPABILITIES,),
        find=unread_attributes,
    ),
)
