"""Checks of files that let people in or keep them out: SSH, account files, keys, what runs by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.analysis.misconfig.check import SSHD, Check, Spots
from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.misconfig.subject import Subject
from rafsight.analysis.misconfig.tree_facts import TreeFacts
from rafsight.base.severity import Severity
from rafsight.image.selection import RowArray

CATEGORY: Final = "access"
_HOST_KEYS: Final = (b"ssh_host_*_key", b"dropbear_*_host_key")
_CLIENT_KEYS: Final = (b"id_rsa", b"id_dsa", b"id_ecdsa", b"id_ed25519", b"id_ecdsa_sk", b"id_ed25519_sk")
_KEY_NAMES: Final = (*_CLIENT_KEYS, b"*.key", b"*-key.pem", b"privkey*.pem", b"*.p12", b"*.pfx", b"*.jks", b"*.ppk")
_SERVERS: Final = (b"usr/sbin/sshd", b"usr/local/sbin/sshd", b"usr/sbin/dropbear", b"usr/sbin/in.telnetd",
                   b"usr/sbin/telnetd", b"usr/sbin/in.rshd")  # fmt: skip
_TRUST: Final = (b".rhosts", b".shosts", b"hosts.equiv", b"shosts.equiv")
_PACKAGES: Final = (b"site-packages", b"dist-packages", b"node_modules", b"gems", b"testdata", b"tests", b"test",
                    b"examples", b"doc", b"fixtures", b"registry")  # fmt: skip
"""Folders of packages, and of their tests: what lies there came with the package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """The most that others may do with a file."""

    path: bytes
    allowed: int
    """Permission bits that may be set."""


_HASHES: Final = (
    _Bound(path=b"etc/shadow", allowed=0o640), _Bound(path=b"etc/shadow-", allowed=0o640),
    _Bound(path=b"etc/gshadow", allowed=0o640), _Bound(path=b"etc/gshadow-", allowed=0o640),
    _Bound(path=b"etc/opasswd", allowed=0o600), _Bound(path=b"etc/security/opasswd", allowed=0o600),
)  # fmt: skip
_STEERING: Final = (
    _Bound(path=b"etc/passwd", allowed=0o644), _Bound(path=b"etc/group", allowed=0o644),
    _Bound(path=b"etc/sudoers", allowed=0o640), _Bound(path=b"etc/sudoers.d", allowed=0o755),
    _Bound(path=b"etc/crontab", allowed=0o644), _Bound(path=b"etc/cron.d", allowed=0o755),
    _Bound(path=b"etc/cron.hourly", allowed=0o755), _Bound(path=b"etc/cron.daily", allowed=0o755),
    _Bound(path=b"etc/cron.weekly", allowed=0o755), _Bound(path=b"etc/cron.monthly", allowed=0o755),
    _Bound(path=b"etc/ld.so.preload", allowed=0o644), _Bound(path=b"etc/ld.so.conf", allowed=0o644),
    _Bound(path=b"etc/ld.so.conf.d", allowed=0o755), _Bound(path=b"etc/profile", allowed=0o755),
    _Bound(path=b"etc/profile.d", allowed=0o755), _Bound(path=b"etc/pam.d", allowed=0o755),
    _Bound(path=b"etc/ssh/sshd_config", allowed=0o644), _Bound(path=b"root/.bashrc", allowed=0o755),
    _Bound(path=b"root/.profile", allowed=0o755), _Bound(path=b"root/.bash_profile", allowed=0o755),
    _Bound(path=b"root", allowed=0o755), _Bound(path=b"etc/nsswitch.conf", allowed=0o644),
    _Bound(path=b"etc/resolv.conf", allowed=0o644), _Bound(path=b"etc/hosts", allowed=0o644),
)  # fmt: skip
_INSIDE: Final = (b"etc/sudoers.d", b"etc/cron.d", b"etc/cron.daily", b"etc/cron.hourly", b"etc/cron.weekly",
                  b"etc/cron.monthly", b"etc/pam.d", b"etc/profile.d", b"etc/ld.so.conf.d", b"etc/init.d",
                  b"etc/apt/trusted.gpg.d", b"etc/systemd/system")  # fmt: skip


def host_keys(subject: Subject) -> Spots:
    """Find keys that an SSH server proves itself with."""
    tree = subject.tree
    rows = tree.named(_HOST_KEYS, tree.is_file)
    parents = tree.tree.entries.parent[rows].astype(np.int64)
    near = np.isin(
        parents, [row for row in map(tree.folder, (b"etc/ssh", b"etc/dropbear", b"usr/local/etc/ssh")) if row]
    )
    return Spots(rows=_filled(tree, rows[near]))


def authorized_keys(subject: Subject) -> Spots:
    """Find lists of keys that may log in."""
    tree = subject.tree
    rows = np.union1d(
        tree.paths_ending(b".ssh/authorized_keys", tree.is_file),
        tree.paths_ending(b".ssh/authorized_keys2", tree.is_file),
    )
    return Spots(rows=_filled(tree, rows), detail=lambda row: f"{int(tree.tree.entries.size[row])} bytes")


def login_server(subject: Subject) -> Spots:
    """Find servers for remote logins."""
    found = {row for row in map(subject.tree.file, _SERVERS) if row is not None}
    return Spots(rows=np.array(sorted(found), dtype=np.int64))


def host_trust(subject: Subject) -> Spots:
    """Find files that let people of other hosts in without a password."""
    tree = subject.tree
    return Spots(rows=_filled(tree, _no_package(tree, tree.named(_TRUST, tree.is_file))))


def readable_hashes(subject: Subject) -> Iterator[Evidence]:
    """Find hashes of passwords that others can read."""
    yield from _exceeding(subject.tree, _HASHES)


def steering_files(subject: Subject) -> Spots:
    """Find files that decide who is who, and what runs by itself, in the hands of others than root."""
    tree = subject.tree
    rows = {row for row in (_breaks(tree, bound) for bound in _STEERING) if row is not None}
    inside = np.flatnonzero(tree.below(_INSIDE) & tree.is_file)
    mode = tree.mode[inside]
    by_group = ((mode & 0o020) != 0) & (tree.gid[inside] != 0)
    rows.update(inside[((mode & 0o002) != 0) | by_group | (tree.uid[inside] != 0)].tolist())
    return Spots(rows=np.array(sorted(rows), dtype=np.int64))


def readable_keys(subject: Subject) -> Spots:
    """Find private keys that others can read, by the names of such files."""
    tree = subject.tree
    rows = _no_package(tree, tree.named(_KEY_NAMES, tree.is_file))
    rows = np.setdiff1d(rows[(tree.mode[rows] & 0o004) != 0], tree.named((b"*.gpg.key",), tree.is_file))
    rows = rows[~tree.below((b"usr/share", b"usr/lib", b"lib", b"usr/local/lib", b"etc/apt", b"etc/apk"))[rows]]
    return Spots(rows=_filled(tree, rows))


def open_ssh_folder(subject: Subject) -> Spots:
    """Find folders of SSH that others can write to: then the server or the client refuses them, or worse, does not."""
    tree = subject.tree
    rows = tree.named((b".ssh", b".gnupg"), tree.is_directory)
    return Spots(rows=rows[(tree.mode[rows] & 0o022) != 0])


def _exceeding(tree: TreeFacts, bounds: Sequence[_Bound]) -> Iterator[Evidence]:
    for bound in bounds:
        row = tree.file(bound.path)
        if row is not None and int(tree.mode[row]) & 0o7777 & ~bound.allowed:
            yield Evidence(path=bound.path, detail=tree.describe(row))


def _breaks(tree: TreeFacts, bound: _Bound) -> int | None:
    """Return the row of a file that somebody else than root may change."""
    row = tree.tree.find(bound.path)
    if row is None or tree.is_link[row]:
        return None
    too_open = int(tree.mode[row]) & 0o022 & ~bound.allowed
    by_group = too_open & 0o020 and int(tree.gid[row]) != 0
    return row if too_open & 0o002 or by_group or int(tree.uid[row]) != 0 else None


def _filled(tree: TreeFacts, rows: RowArray) -> RowArray:
    """Keep the rows of files that are not empty."""
    return rows[tree.tree.entries.size[rows] > 0]


def _no_package(tree: TreeFacts, rows: RowArray) -> RowArray:
    keep = [row for row in rows.tolist() if not set(tree.tree.path(row).split(b"/")[:-1]) & set(_PACKAGES)]
    return np.array(keep, dtype=np.int64)


CHECKS: Final = (
    Check(
        id="RS-FS-020",
        title="SSH host keys are in the image",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="All containers prove themselves with the same key, and whoever has the image can pose as them.",
        message="{count} host key[|s] [is|are] in the image",
        resolution="Remove them in the step that installs the server, and make them when a container starts.",
        references=(SSHD + "#HostKey",),
        find=host_keys,
    ),
    Check(
        id="RS-FS-021",
        title="Keys that may log in are in the image",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="Their owners can enter each container, and the list cannot be changed without a new image.",
        message="{count} list[|s] of authorized keys [is|are] in the image",
        resolution="Mount the list when a container starts, or leave the server out.",
        references=("https://man.openbsd.org/sshd#AUTHORIZED_KEYS_FILE_FORMAT",),
        find=authorized_keys,
    ),
    Check(
        id="RS-FS-022",
        title="A server for remote logins is installed",
        severity=Severity.LOW,
        category=CATEGORY,
        description="It is one more program to look after, and one more way in.",
        message="{count} server[|s] for remote logins [is|are] installed",
        resolution="Leave it out, and enter containers by the engine (`exec`).",
        references=("https://docs.docker.com/build/building/best-practices/#dont-install-unnecessary-packages",),
        find=login_server,
    ),
    Check(
        id="RS-FS-023",
        title="Logins from other hosts are trusted",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="Such files let in whoever another host says it is, without a password.",
        message="{count} file[|s] trust[s|] the logins of other hosts",
        resolution="Remove them.",
        references=("https://man7.org/linux/man-pages/man5/hosts.equiv.5.html",),
        find=host_trust,
    ),
    Check(
        id="RS-FS-024",
        title="Others can read the hashes of passwords",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="Who can read them can try passwords without anybody noticing.",
        message="{count} file[|s] with hashes of passwords [is|are] readable by others",
        resolution="Restore the mode of the distribution (`chmod 640`, group shadow; or `chmod 600`).",
        references=("https://man7.org/linux/man-pages/man5/shadow.5.html",),
        find=readable_hashes,
    ),
    Check(
        id="RS-FS-025",
        title="Others than root can change accounts, or what runs by itself",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="These files decide who is root and what root runs.",
        message="{count} file[|s] about accounts, privileges or jobs can be changed by others than root",
        resolution="Give them to root, without the right to write for others (`chown root:root`, `chmod go-w`).",
        references=("https://man7.org/linux/man-pages/man5/passwd.5.html",),
        find=steering_files,
    ),
    Check(
        id="RS-FS-026",
        title="Others can read private keys",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="Every program of the container can take the key away, whoever it runs as.",
        message="{count} file[|s] with the name of a private key [is|are] readable by everybody",
        resolution="Mount keys when a container starts; keep their mode at 600.",
        references=("https://docs.docker.com/build/building/secrets/",),
        find=readable_keys,
    ),
    Check(
        id="RS-FS-027",
        title="Others can write to folders of keys",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="They can add keys that may log in, or replace known hosts.",
        message="{count} folder[|s] of keys [is|are] writable by others",
        resolution="`chmod 700`.",
        references=("https://man.openbsd.org/ssh#FILES",),
        find=open_ssh_folder,
    ),
)
