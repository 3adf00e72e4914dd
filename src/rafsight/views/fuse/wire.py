"""The messages of the FUSE device, as <linux/fuse.h> lays them out (protocol 7.31 to 7.45); no behaviour.

This module alone knows opcodes, flags and layouts. All numbers are in the byte order of the machine; [s] and [ns] are
times, [bytes] sizes. A request is IN_HEADER and a body, an answer OUT_HEADER and a body.
"""

from enum import IntEnum, IntFlag
from struct import Struct
from typing import Final

import numpy as np

MAJOR: Final = 7
MINOR: Final = 38
"""What we speak; the kernel goes down to it."""
OLDEST_MINOR: Final = 31
"""Linux 5.4: opening without a message, cached links, requests of many pages."""

ROOT: Final = 1
"""Node number of the root directory."""
MIN_MAX_WRITE: Final = 4096
CLONE: Final = 0x8004E500
"""FUSE_DEV_IOC_CLONE: attach a new descriptor to the connection of another."""


class Opcode(IntEnum):
    """What the kernel asks. Those that only a writer needs are left out: they are answered with ENOSYS."""

    LOOKUP = 1
    FORGET = 2
    """No answer."""
    GETATTR = 3
    READLINK = 5
    OPEN = 14
    READ = 15
    STATFS = 17
    RELEASE = 18
    GETXATTR = 22
    LISTXATTR = 23
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    ACCESS = 34
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42
    """No answer."""
    READDIRPLUS = 44
    LSEEK = 46


class InitFlag(IntFlag):
    """What both sides can; those that we ask for."""

    ASYNC_READ = 1 << 0
    """Several reads of a file at a time."""
    DO_READDIRPLUS = 1 << 13
    PARALLEL_DIROPS = 1 << 18
    POSIX_ACL = 1 << 20
    """The kernel checks ACLs, which it reads as xattrs."""
    MAX_PAGES = 1 << 22
    CACHE_SYMLINKS = 1 << 23
    EXPLICIT_INVAL_DATA = 1 << 25
    """Cached pages stay: nothing here changes."""


IN_HEADER: Final = Struct("=IIQQIIIHH")
"""len, opcode, unique, nodeid, uid, gid, pid, total_extlen, padding."""
OUT_HEADER: Final = Struct("=IiQ")
"""len, error (0 or -errno), unique."""

INIT_IN: Final = Struct("=IIII")
"""major, minor, max_readahead, flags; more follows from 7.36 on."""
INIT_OUT: Final = Struct("=IIIIHHIIHHI7I")
"""major, minor, max_readahead, flags, max_background, congestion_threshold, max_write, time_gran, max_pages,
map_alignment, flags2, unused."""

OPEN_OUT: Final = Struct("=QII")
"""fh, open_flags, backing_id."""
DIRECT_IO: Final = 1 << 0
"""FOPEN_DIRECT_IO: reads go past the page cache."""

READ_IN: Final = Struct("=QQIIQII")
"""fh, offset, size, read_flags, lock_owner, flags, padding; READDIRPLUS likewise."""
GETXATTR_IN: Final = Struct("=II")
"""size, padding; GETXATTR: the name follows, ended by NUL."""
GETXATTR_OUT: Final = Struct("=II")
"""size, padding."""
STATFS_OUT: Final = Struct("=QQQQQIIII6I")
"""blocks, bfree, bavail, files, ffree, bsize, namelen, frsize, padding, spare."""
ENTRY_HEAD: Final = Struct("=QQQQII")
"""nodeid, generation, entry_valid, attr_valid, entry_valid_nsec, attr_valid_nsec; struct fuse_attr follows."""
ATTR_HEAD: Final = Struct("=QII")
"""attr_valid, attr_valid_nsec, padding; struct fuse_attr follows."""
INO: Final = Struct("=Q")
"""The first field of struct fuse_attr."""
DIRENT: Final = Struct("=QQII8s")
"""ino, off, namelen, type, and a name of up to 8 bytes."""

ENTRY_SIZE: Final = 128
"""[bytes] struct fuse_entry_out."""
DIRENTPLUS_SIZE: Final = 152
"""[bytes] struct fuse_direntplus without the name; the name is padded with NUL to a multiple of 8."""

DIRENTPLUS: Final = np.dtype(
    [
        # name               type   meaning
        ("nodeid", "=u8"),  # 0 in a dirent: nothing to remember
        ("generation", "=u8"),
        ("entry_valid", "=u8"),  # [s] that the name may be cached
        ("attr_valid", "=u8"),  # [s] that the attributes may be cached
        ("entry_valid_nsec", "=u4"),
        ("attr_valid_nsec", "=u4"),
        # struct fuse_attr, 88 bytes
        ("ino", "=u8"),
        ("size", "=u8"),  # [bytes]
        ("blocks", "=u8"),  # [512 bytes]
        ("atime", "=i8"),  # [s]
        ("mtime", "=i8"),
        ("ctime", "=i8"),
        ("atime_nsec", "=u4"),
        ("mtime_nsec", "=u4"),
        ("ctime_nsec", "=u4"),
        ("mode", "=u4"),
        ("nlink", "=u4"),
        ("uid", "=u4"),
        ("gid", "=u4"),
        ("rdev", "=u4"),  # Linux encoding
        ("blksize", "=u4"),  # [bytes]
        ("flags", "=u4"),
        # struct fuse_dirent, 24 bytes and the name
        ("dirent_ino", "=u8"),
        ("next_offset", "=u8"),  # cookie that continues after this entry
        ("name_size", "=u4"),
        ("type", "=u4"),  # st_mode >> 12
    ]
)
