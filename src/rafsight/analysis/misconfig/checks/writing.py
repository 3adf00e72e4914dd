"""Checks of who may write what: world-writable files and folders, the system's own files, owners."""

from typing import Final

import numpy as np

from rafsight.analysis.misconfig.check import INODES, Check, Spots
from rafsight.analysis.misconfig.subject import Subject
from rafsight.analysis.misconfig.tree_facts import REGULAR, STICKY, TYPE, TreeFacts
from rafsight.base.severity import Severity
from rafsight.formats.records import Bools
from rafsight.formats.tables import Words

CATEGORY: Final = "permissions"
_STANDARD: Final = frozenset(
    ((1, 1), (1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (1, 11), (5, 0), (5, 1), (5, 2), (10, 229), (0, 0))
)
"""(major, minor) of character devices that every container has; 0:0 stands for a removed file."""
_NOBODY: Final = 65534
_CHARACTER, _BLOCK, _FIFO, _SOCKET = 0o020000, 0o060000, 0o010000, 0o140000


def open_system(subject: Subject) -> Spots:
    """Find programs, libraries, and folders of both, that everybody may write to."""
    tree = subject.tree
    return Spots(rows=np.flatnonzero(_open(tree) & (tree.is_system | _settings(tree))))


def open_files(subject: Subject) -> Spots:
    """Find other files that everybody may write to."""
    tree = subject.tree
    return Spots(rows=np.flatnonzero(_open(tree) & tree.is_file & ~(tree.is_system | _settings(tree))))


def open_folders(subject: Subject) -> Spots:
    """Find other folders where everybody may remove what others put there."""
    tree = subject.tree
    is_loose = tree.is_directory & ((tree.mode & STICKY) == 0)
    return Spots(rows=np.flatnonzero(_open(tree) & is_loose & ~(tree.is_system | _settings(tree))))


def foreign_system(subject: Subject) -> Spots:
    """Find programs and libraries of ordinary users; setuid ones run as them on purpose."""
    tree = subject.tree
    is_foreign = tree.is_system & (tree.uid != 0) & ~tree.is_link & ((tree.mode & 0o6000) == 0)
    return Spots(rows=np.flatnonzero(is_foreign & (tree.is_file | tree.is_directory)))


def unowned(subject: Subject) -> Spots:
    """Find owners that etc/passwd or etc/group do not have; the user that the image names is known."""
    tree, accounts = subject.tree, subject.accounts
    user, group = subject.start.identity
    mask = np.zeros(len(tree), dtype=np.bool_)
    if accounts.users is not None:
        known = {one.uid for one in accounts.users} | {0, _NOBODY} | _number(user)
        mask |= ~_among(tree.uid, known)
    if accounts.groups is not None:
        known = {gid for _, gid in accounts.groups} | {0, _NOBODY} | _number(group) | _number(user)
        known |= {one.gid for one in accounts.users or ()}
        mask |= ~_among(tree.gid, known)
    rows = np.flatnonzero(mask & ~tree.is_pseudo)
    return Spots(rows=rows, detail=lambda row: f"owner {int(tree.uid[row])}:{int(tree.gid[row])}")


def devices(subject: Subject) -> Spots:
    """Find device nodes that a container does not need: block devices, and all others outside /dev."""
    tree = subject.tree
    kind = tree.mode & TYPE
    rows = np.flatnonzero((kind == _BLOCK) | (kind == _CHARACTER))
    rows = rows[[not _is_standard(tree, row) for row in rows.tolist()]] if len(rows) else rows
    return Spots(rows=rows, detail=lambda row: _describe_device(tree, row))


def pipes(subject: Subject) -> Spots:
    """Find named pipes and sockets, which serve nobody once their process has ended."""
    tree = subject.tree
    kind = tree.mode & TYPE
    return Spots(rows=np.flatnonzero(((kind == _FIFO) | (kind == _SOCKET)) & ~tree.is_pseudo))


def files_in_dev(subject: Subject) -> Spots:
    """Find regular files where only devices belong; those that engines leave there are empty."""
    tree = subject.tree
    is_there = tree.below((b"dev",)) & tree.is_file & (tree.tree.entries.size > 0)
    return Spots(rows=np.flatnonzero(is_there), detail=lambda row: f"{int(tree.tree.entries.size[row])} bytes")


def _open(tree: TreeFacts) -> Bools:
    """Return what everybody may write to, without devices and sticky folders."""
    kind = tree.mode & TYPE
    is_meant = tree.is_directory & ((tree.mode & STICKY) != 0)
    return np.asarray(tree.is_open & ((kind == REGULAR) | tree.is_directory) & ~is_meant & ~tree.is_pseudo)


def _settings(tree: TreeFacts) -> Bools:
    """Return settings, boot files, and data of package managers."""
    mask = tree.below((b"etc", b"boot", b"usr/share", b"var/lib/dpkg", b"var/lib/rpm", b"lib/apk", b"var/spool/cron"))
    for path in (b"etc", b"usr", b"usr/share", b"boot", b""):
        row = tree.folder(path)
        if row is not None:
            mask[row] = True
    return mask


def _among(column: Words, known: set[int]) -> Bools:
    return np.isin(column, np.array(sorted(known), dtype=np.uint32))


def _number(text: str) -> set[int]:
    return {int(text)} if text.isascii() and text.isdigit() and len(text) < 10 else set()


def _device(tree: TreeFacts, row: int) -> tuple[int, int]:
    return tree.tree.attributes(row).device


def _is_standard(tree: TreeFacts, row: int) -> bool:
    if int(tree.mode[row]) & TYPE == _BLOCK:
        return False
    device = _device(tree, row)
    if device == (0, 0):
        return True
    folder = tree.tree.path(row).partition(b"/")[0]
    return folder == b"dev" and (device in _STANDARD or device[0] in {4, 136})  # 4: terminals, 136: pseudo terminals


def _describe_device(tree: TreeFacts, row: int) -> str:
    kind = "block" if int(tree.mode[row]) & TYPE == _BLOCK else "character"
    major, minor = _device(tree, row)
    return f"{kind} device {major}:{minor}, {tree.describe(row)}"


CHECKS: Final = (
    Check(
        id="RS-FS-010",
        title="Everybody can write to files of the system",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="Programs, libraries and settings that everybody can change make everybody root in the container.",
        message="{count} place[|s] of programs, libraries or settings [is|are] writable by everybody",
        resolution="Take the right to write from others (`chmod o-w`), in the step that made the file.",
        references=(INODES,),
        find=open_system,
    ),
    Check(
        id="RS-FS-011",
        title="Everybody can write to files",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="A program that was taken over can change what others read or run.",
        message="{count} file[|s] [is|are] writable by everybody",
        resolution="Take the right to write from others (`chmod o-w`), and give the file to who needs it.",
        references=(INODES,),
        find=open_files,
    ),
    Check(
        id="RS-FS-012",
        title="Everybody can replace what lies in a folder",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="Without the sticky bit everybody may remove and rename files of others there.",
        message="{count} folder[|s] [is|are] writable by everybody and not sticky",
        resolution="Give the folder to who needs it, or set the sticky bit (`chmod +t`).",
        references=(INODES,),
        find=open_folders,
    ),
    Check(
        id="RS-FS-013",
        title="Programs or libraries belong to an ordinary user",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="That user, and whoever takes a program of his over, changes what others run.",
        message="{count} place[|s] of programs or libraries [does|do] not belong to root",
        resolution="Install them as root (`COPY` without `--chown`, `chown -R root:root`).",
        references=(INODES,),
        find=foreign_system,
    ),
    Check(
        id="RS-FS-014",
        title="Files of owners that the image does not know",
        severity=Severity.LOW,
        category=CATEGORY,
        description="Who gets that number later owns the files; often it is a user of the machine that built them.",
        message="{count} file[|s] belong[s|] to a user or group without an entry",
        resolution="Give them to a user of the image (`COPY --chown`), or to root.",
        references=("https://docs.docker.com/reference/dockerfile/#copy---chown---chmod",),
        find=unowned,
    ),
    Check(
        id="RS-FS-015",
        title="Device nodes",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="A node of a disk or of memory gives whoever may use devices the whole host.",
        message="{count} device node[|s] [is|are] in the image that a container does not need",
        resolution="Remove them; a runtime makes those that a container may have.",
        references=("https://man7.org/linux/man-pages/man1/mknod.1.html",),
        find=devices,
    ),
    Check(
        id="RS-FS-016",
        title="Named pipes and sockets",
        severity=Severity.LOW,
        category=CATEGORY,
        description="They are left over from a process of the build.",
        message="{count} named pipe[|s] or socket[|s] [is|are] in the image",
        resolution="Remove them in the step that made them.",
        references=(INODES,),
        find=pipes,
    ),
    Check(
        id="RS-FS-017",
        title="Files among devices",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="A runtime mounts over /dev, so that nobody sees what lies there: a place to hide things.",
        message="{count} file[|s] lie[s|] in /dev",
        resolution="Find out who put them there, and remove them.",
        references=("https://attack.mitre.org/techniques/T1564/",),
        find=files_in_dev,
    ),
)
