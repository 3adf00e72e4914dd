"""A program that serves a volume through a gate until its standard input ends. Arguments: folder, delay."""

import sys
from contextlib import ExitStack
from pathlib import Path

from tests.views.mount.fanotify_volumes import CopyStore

from rafsight.views.mount.fanotify_gate import answering, open_gate
from rafsight.views.mount.fanotify_guardian import guarded_group
from rafsight.views.mount.kernel import mount_erofs, unmount


def say(what):
    print(what, flush=True)  # noqa: T201


def main(folder, delay):
    store = CopyStore(folder / "content", folder / "sparse", delay)
    directory = folder / "mounted"
    with ExitStack() as stack:
        gate = stack.enter_context(open_gate(store, say))
        guardian = stack.enter_context(guarded_group(gate.group, directory, lambda: say("lost"), say))
        stack.enter_context(answering(gate))
        mount_erofs(folder / "metadata", store.paths(), directory)
        stack.callback(unmount, directory, lazy=True)
        guardian.say_mounted()
        say("ready")
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
