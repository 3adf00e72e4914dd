"""A program that serves `mounts.SERVED` until its standard input ends. Arguments: directory, [s] that a read takes, user.

The user is taken on late: he may not be allowed to read Python's own files.
"""

import os
import sys
import time
from pathlib import Path

from tests.formats.made_tables import make_image
from tests.views.fuse.mounts import SERVED, Memory

from rafsight.image.tree import ImageTree
from rafsight.views.fuse.channel import NoFuse
from rafsight.views.fuse.server import serve
from rafsight.views.fuse.tree_files import TreeFiles


class Slow(Memory):
    """Takes its time."""

    delay = 0.0

    def read_row(self, row, offset, size):
        time.sleep(self.delay)
        return super().read_row(row, offset, size)


def say(what):
    print(what, flush=True)  # noqa: T201


def main(directory, delay, user):
    small = make_image(SERVED)
    store = Slow(SERVED, small)
    store.delay = delay
    if user:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    try:
        with serve(TreeFiles(ImageTree(small.tables), store), directory):
            say("ready")
            sys.stdin.read()
            say("ending")
    except NoFuse as missing:
        say(f"NoFuse: {missing}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
