"""Trees of nodes, mounted through FUSE and served by this process, or by one that can be killed."""

import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.formats.made_tables import Node, directory, make_image, paths_of

from rafsight.image.tree import ImageTree
from rafsight.views.fuse.channel import NoFuse
from rafsight.views.fuse.server import serve
from rafsight.views.fuse.tree_files import TreeFiles
from rafsight.views.mount.kernel import UnmountRefused, unmount

BECOME = "import os, sys; os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv.pop(1)))\n"
"""Becomes another user once Python runs: he may not be allowed to start it."""

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60
"""[s] for whatever ends by itself."""


class Memory:
    """Content from memory, by row."""

    def __init__(self, nodes, small):
        whole = {b"": directory(), **nodes}
        self.contents = [_content(whole, path) for path in paths_of(small.tables)]

    def read_row(self, row, offset, size):
        return self.contents[row][offset : offset + size]


def _content(whole, path):
    node = whole.get(path, directory())
    return (whole[node.same_as] if node.same_as else node).content


def tree_files(nodes, *, store=None, **options):
    """Return a file system of nodes, whose content comes from memory unless another store is given."""
    small = make_image(nodes)
    return TreeFiles(ImageTree(small.tables), store or Memory(nodes, small), **options)


@contextmanager
def mounted(folder, filesystem, **options):
    """Mount a file system of ours, and make sure that nothing is left."""
    directory = folder / "mounted"
    directory.mkdir(exist_ok=True)
    try:
        with serve(filesystem, directory, **options) as mount:
            yield mount
    except NoFuse as missing:
        pytest.skip(str(missing))
    finally:
        with suppress(UnmountRefused):
            unmount(directory, lazy=True)


@contextmanager
def serving(directory, *, delay=0, user=0):
    """Have another process serve `SERVED` at a directory; it ends when the block does."""
    command = [sys.executable, "-m", "tests.views.fuse.serving", directory, str(delay), str(user)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            said = process.stdout.readline().strip()
            if said.startswith("NoFuse"):
                pytest.skip(said)
            assert said == "ready", said + process.stderr.read()
            yield process
        finally:
            process.stdin.close()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()
                with suppress(UnmountRefused):
                    unmount(directory, lazy=True)


SERVED = {
    b"large": Node(content=bytes(range(251)) * 33_000),
    b"small": Node(content=b"small"),
    b"d/own": Node(content=b"own", mode=0o100600, uid=65534),
    b"d/other": Node(content=b"other", mode=0o100600, uid=1),
}
