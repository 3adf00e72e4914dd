"""Owners, modes, extended attributes and times of files on this machine.

This module alone decides who gets what, in which order: the owner first, since giving a file away takes set-user-ID
bits and capabilities from it; the time last, since everything else changes it.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable
from typing import Final

from rafsight.formats.tables import Xattr
from rafsight.views.export.faults import writing
from rafsight.views.export.order import Node
from rafsight.views.export.tally import Omission, Tally

_REFUSED: Final = frozenset(
    (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EINVAL, errno.ENOENT, errno.ENOSPC, errno.E2BIG, errno.ERANGE)
)
"""What systems say to attributes that they do not take; `ENOENT`: there is no /proc to name a link by."""
_GIVEN_BITS: Final = stat.S_ISUID | stat.S_ISGID
_NOBODY_AT_ALL: Final = 0xFFFFFFFF
"""The number that chown(2) takes for "leave it"."""
_NAME_SIZE: Final = 255


def is_attribute_name(name: bytes) -> bool:
    """Tell whether an extended attribute may have this name: images of strangers may have others."""
    return 0 < len(name) <= _NAME_SIZE and b"\0" not in name


def is_root() -> bool:
    """Tell whether this process may do everything, as far as its user says."""
    return os.geteuid() == 0


def apply_to_descriptor(file: int, node: Node, xattrs: Iterable[Xattr], tally: Tally) -> None:
    """Give an open file or folder what an entry says.

    Raises: NotWritten.
    """
    with writing(node.path):
        owned = _give(lambda: os.fchown(file, node.uid, node.gid), node, tally)
        for xattr in xattrs:
            _attach(xattr, lambda one: os.setxattr(file, one.name, one.value), node, tally)
        os.fchmod(file, _mode(node, tally, owned=owned))
        _set_time(lambda: os.utime(file, ns=(node.mtime, node.mtime)), node, tally)


def apply_to_name(folder: int, name: bytes, node: Node, xattrs: Iterable[Xattr], tally: Tally) -> None:
    """Give a link, a device, a pipe or a socket what an entry says.

    Args:
        folder: a descriptor of the folder that it lies in.
        name: in that folder.
        node: the entry.
        xattrs: its extended attributes.
        tally: told what could not be given.
    Raises: OSError.
    """
    owned = _give(lambda: os.chown(name, node.uid, node.gid, dir_fd=folder, follow_symlinks=False), node, tally)
    path = b"/proc/self/fd/%d/%s" % (folder, name)  # there is no lsetxattrat
    for xattr in xattrs:
        _attach(xattr, lambda one: os.setxattr(path, one.name, one.value, follow_symlinks=False), node, tally)
    if node.kind != "symlink":
        os.chmod(name, _mode(node, tally, owned=owned), dir_fd=folder)
    _set_time(lambda: os.utime(name, ns=(node.mtime, node.mtime), dir_fd=folder, follow_symlinks=False), node, tally)


def _give(change_owner: Callable[[], None], node: Node, tally: Tally) -> bool:
    """Change the owner; return False if that may not be."""
    if not is_root():
        if (node.uid, node.gid) != (os.geteuid(), os.getegid()):
            tally.omit(Omission.OWNER, node.path)
        return False
    try:
        change_owner()
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EINVAL):
            raise
    else:
        if _NOBODY_AT_ALL not in (node.uid, node.gid):
            return True
    tally.omit(Omission.OWNER, node.path)
    return False


def _mode(node: Node, tally: Tally, *, owned: bool) -> int:
    mode = stat.S_IMODE(node.mode)
    if owned or not mode & _GIVEN_BITS:
        return mode
    tally.omit(Omission.SPECIAL_BITS, node.path)
    return mode & ~_GIVEN_BITS


def _attach(xattr: Xattr, attach: Callable[[Xattr], None], node: Node, tally: Tally) -> None:
    try:
        if not is_attribute_name(xattr.name) or not (is_root() or xattr.name.startswith(b"user.")):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        attach(xattr)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        tally.omit(Omission.XATTR, node.path)


def _set_time(set_time: Callable[[], None], node: Node, tally: Tally) -> None:
    try:
        set_time()
    except (OverflowError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (errno.EINVAL, errno.EOVERFLOW):
            raise
        tally.omit(Omission.TIME, node.path)
