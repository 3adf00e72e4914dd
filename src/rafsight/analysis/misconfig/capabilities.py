"""File capabilities: the extended attribute `security.capability`, and the files that have it.

This module alone reads its bytes. Where many entries have attributes, the place of the name in the buffer tells which
of them are worth decoding.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.records import Bools
from rafsight.formats.tables import MalformedImage
from rafsight.image.selection import RowArray
from rafsight.image.tree import ImageTree

NAME: Final = b"security.capability"
_FEW: Final = 5000
"""Entries with attributes that are decoded one by one."""
_MOST: Final = 100_000
"""Entries that are decoded at all."""
_ALL: Final = (
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service"
    " net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin"
    " sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override"
    " mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"
)
_NAMES: Final = tuple(_ALL.split())
_AS_GOOD_AS_ROOT: Final = (
    "chown dac_override dac_read_search fowner fsetid setgid setuid setpcap linux_immutable net_admin sys_module"
    " sys_rawio sys_chroot sys_ptrace sys_admin sys_boot mknod setfcap mac_override mac_admin bpf"
)
DANGEROUS: Final = frozenset(_AS_GOOD_AS_ROOT.split())
"""Each of them is a way to root, or to the files of others."""
_SIZES: Final = {1: 12, 2: 20, 3: 24}
"""[bytes] by revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCapabilities:
    """What one file has."""

    row: int
    names: tuple[str, ...]
    """Permitted ones, then inheritable ones."""
    is_effective: bool

    @property
    def text(self) -> str:
        """As `getcap` writes them, about."""
        return ",".join(f"cap_{name}" for name in self.names) + ("=ep" if self.is_effective else "=p")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """All that a tree has."""

    files: tuple[FileCapabilities, ...]
    unread: tuple[int, ...]
    """Rows whose attributes cannot be read."""


def read_capabilities(value: bytes) -> tuple[tuple[str, ...], bool] | None:
    """Read the attribute.

    Returns: (names, whether they are effective at once); None if it is none.
    """
    if len(value) < 4:
        return None
    head = int.from_bytes(value[:4], "little")
    revision = head >> 24
    if len(value) != _SIZES.get(revision):
        return None
    words = [int.from_bytes(value[at : at + 4], "little") for at in range(4, 20, 4) if at + 4 <= len(value)]
    permitted = words[0] | (words[2] << 32 if revision > 1 else 0)
    inheritable = words[1] | (words[3] << 32 if revision > 1 else 0)
    mask = permitted | inheritable
    names = [name for bit, name in enumerate(_NAMES) if mask >> bit & 1]
    if mask >> len(_NAMES):
        names.append("unknown")
    return tuple(names), bool(head & 1)


def find_capabilities(tree: ImageTree, is_file: Bools) -> Capabilities:
    """Find the files that have capabilities.

    Args:
        tree: the tree.
        is_file: (n,) its regular files.
    """
    found: list[FileCapabilities] = []
    broken: list[int] = []
    for row in _candidates(tree, is_file).tolist():
        try:
            values = [one.value for one in tree.xattrs(row) if one.name == NAME]
        except MalformedImage:
            broken.append(row)
            continue
        for value in values[:1]:
            read = read_capabilities(value)
            if read is None:
                broken.append(row)
            elif read[0]:
                found.append(FileCapabilities(row=row, names=read[0], is_effective=read[1]))
    return Capabilities(files=tuple(found), unread=tuple(broken))


def _candidates(tree: ImageTree, is_file: Bools) -> RowArray:
    """Return rows of files that may have the attribute."""
    entries = tree.entries
    rows = np.flatnonzero((entries.xattr_size > 0) & is_file)
    if len(rows) <= _FEW:
        return rows
    order = rows[np.argsort(entries.xattr_offset[rows], kind="stable")]
    starts = entries.xattr_offset[order]
    reach = int(entries.xattr_size[rows].max())
    hits: set[int] = set()
    for place in _places(tree, int(starts[0]), int(starts[-1]) + reach):
        low = int(np.searchsorted(starts, place - reach, side="left"))
        high = int(np.searchsorted(starts, place, side="right"))
        near = order[low:high]
        ends = entries.xattr_offset[near] + entries.xattr_size[near]
        hits.update(near[ends > place][: _MOST - len(hits)].tolist())
        if len(hits) >= _MOST:
            break
    return np.array(sorted(hits), dtype=np.int64)


def _places(tree: ImageTree, start: int, end: int) -> Iterator[int]:
    for match in re.finditer(rb"capability", tree.buffer[start:end]):
        yield start + match.start()
