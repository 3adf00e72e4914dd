"""A program that tells all about a tree: every entry as a line of JSON. Argument: the root.

It needs nothing but the standard library, so that it starts fast, and runs as a process of its own, so that whoever
serves the tree can serve it.
"""

import errno
import hashlib
import json
import os
import stat
import sys


def list_xattrs(place):
    """Return the names of xattrs; a file system may also say that it knows none."""
    try:
        return os.listxattr(place, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return []
        raise


def observe(root):
    """Yield what each entry is, directories before what is in them; the path of the root is empty."""
    pending = [(b"", None)]
    while pending:
        path, seen = pending.pop()
        place = root + b"/" + path if path else root
        found = os.lstat(place)
        entry = {
            "path": path.hex(),
            "mode": found.st_mode,
            "uid": found.st_uid,
            "gid": found.st_gid,
            "size": found.st_size,
            "mtime": found.st_mtime_ns,
            "nlink": found.st_nlink,
            "rdev": [os.major(found.st_rdev), os.minor(found.st_rdev)],
            "ino": found.st_ino,
            "blocks": found.st_blocks,
            "times": [found.st_atime_ns, found.st_ctime_ns],
            "seen": seen,
            "xattrs": {
                os.fsencode(name).hex(): os.getxattr(place, name, follow_symlinks=False).hex()
                for name in list_xattrs(place)
            },
        }
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFLNK:
            entry["target"] = os.readlink(place).hex()  # noqa: PTH115 - the path is bytes
        elif kind == stat.S_IFREG:
            with open(place, "rb") as file:  # noqa: PTH123 - the path is bytes
                entry["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
        elif kind == stat.S_IFDIR:
            with os.scandir(place) as inside:
                listed = [
                    (one.name, one.inode(), one.is_dir(follow_symlinks=False), one.is_symlink()) for one in inside
                ]
            entry["names"] = [name.hex() for name, *_ in listed]
            pending += [(path + b"/" + name if path else name, rest) for name, *rest in listed]
        yield entry


if __name__ == "__main__":
    for line in observe(os.fsencode(sys.argv[1])):
        print(json.dumps(line))  # noqa: T201
