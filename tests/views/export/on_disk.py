"""What lies in a folder of this machine, compared with what an image says."""

import hashlib
import os
import stat
from pathlib import Path


def at(root, path):
    return Path(root) / os.fsdecode(path)


def found_below(root):
    """Return lstat results by path relative to `root`; links are never followed."""
    found = {b"": os.lstat(root)}
    pending = [b""]
    while pending:
        above = pending.pop()
        for entry in os.scandir(os.fsencode(at(root, above))):
            path = above + b"/" + entry.name if above else entry.name
            found[path] = entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                pending.append(path)
    return found


def xattrs_of(path):
    return {
        os.fsencode(name): os.getxattr(path, name, follow_symlinks=False)
        for name in os.listxattr(path, follow_symlinks=False)
    }


def assert_as_stated(root, expected, *, xattrs=True):
    """All that `expected` (of `golden.entries_of`) says is on disk, and nothing else."""
    found = found_below(root)
    assert set(found) == set(expected)
    inodes = {}
    for path, wanted in expected.items():
        place, status = at(root, path), found[path]
        kind = stat.S_IFMT(wanted["mode"])
        assert stat.S_IFMT(status.st_mode) == kind, path
        if kind != stat.S_IFLNK:
            assert status.st_mode == wanted["mode"], path
        assert [status.st_uid, status.st_gid] == [wanted["uid"], wanted["gid"]], path
        assert status.st_mtime_ns == wanted["mtime"][0] * 10**9 + wanted["mtime"][1], path
        if kind == stat.S_IFREG:
            assert hashlib.sha256(place.read_bytes()).hexdigest() == wanted["sha256"], path
        if kind == stat.S_IFLNK:
            assert os.fsencode(place.readlink()) == wanted["target"]
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            assert [os.major(status.st_rdev), os.minor(status.st_rdev)] == wanted["rdev"]
        if xattrs:
            assert xattrs_of(place) == wanted["xattrs"], path
        if "link_group" in wanted:
            inodes.setdefault(wanted["link_group"], set()).add(status.st_ino)
    assert all(len(one) == 1 for one in inodes.values())
    assert len({min(one) for one in inodes.values()}) == len(inodes)
