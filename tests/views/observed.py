"""What the observer tells of a mounted tree, and what that has to be."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

OBSERVER = Path(__file__).with_name("observer.py")
PATIENCE = 60
"""[s] for any process that looks at a mount: more is a hang."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts are made")


def run(*command, **options):
    """Run a program that looks at a mount; it must not be part of this process, which serves the mount."""
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False, **options)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def run_python(code, *arguments, **options):
    """Run a few lines of Python."""
    return run(sys.executable, "-I", "-S", "-c", code, *arguments, **options)


def observe(root):
    """Return what each entry of a tree is, by path; the path of the root is empty."""
    found = {}
    for line in run(sys.executable, "-I", "-S", OBSERVER, root).splitlines():
        one = json.loads(line)
        one["target"] = bytes.fromhex(one.get("target", ""))
        one["xattrs"] = {bytes.fromhex(name): bytes.fromhex(value) for name, value in one["xattrs"].items()}
        one["names"] = [bytes.fromhex(name) for name in one.get("names", [])]
        one.setdefault("sha256", "")
        path = bytes.fromhex(one.pop("path"))
        assert path not in found, "no name stands twice"
        found[path] = one
    return found


FIELDS = ("mode", "uid", "gid", "mtime", "nlink", "target", "sha256")


def assert_tree(found, expected, *, fields=FIELDS):
    """All of a tree is as it was stated, and there is nothing else.

    `expected` has by path, beside the fields: `size` (not of directories), `rdev` as the format stores it, xattrs, and
    `first`, the first name of the same inode.
    """
    assert set(found) == set(expected)
    inodes = {}
    for path, wanted in expected.items():
        one = found[path]
        assert {name: one[name] for name in fields} == {name: wanted[name] for name in fields}, path
        assert one["xattrs"] == wanted["xattrs"], path
        kind = stat.S_IFMT(wanted["mode"])
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            assert one["rdev"] == [
                wanted["rdev"] >> 8 & 0xFFF,
                wanted["rdev"] & 0xFF | wanted["rdev"] >> 12 & 0xFFF00,
            ], path
        else:
            assert one["rdev"] == [0, 0], path
        if kind != stat.S_IFDIR:
            assert one["size"] == wanted["size"], path
        if one["seen"] is not None:  # what the directory says without a stat
            assert one["seen"] == [one["ino"], kind == stat.S_IFDIR, kind == stat.S_IFLNK], path
        inodes.setdefault(one["ino"], set()).add(wanted["first"])
    assert all(len(firsts) == 1 for firsts in inodes.values())
    assert len(inodes) == len({one["first"] for one in expected.values()})
