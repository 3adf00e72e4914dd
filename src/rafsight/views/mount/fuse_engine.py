"""The whole tree through FUSE: for ordinary users, and where the kernel has no EROFS for files."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from rafsight.views.fuse.channel import MountOptions
from rafsight.views.fuse.server import serve
from rafsight.views.fuse.tree_files import TreeFiles
from rafsight.views.mount.engine import Plan, Served
from rafsight.views.mount.kernel import mount_at
from rafsight.views.mount.supervisor import leave_if_free


class FuseEngine:
    """Our own FUSE server shows the tree."""

    name = "fuse"

    @contextmanager
    def mount(self, plan: Plan) -> Iterator[Served]:
        """Mount an image.

        Raises: NoFuse.
        """
        on_read = plan.on_read

        def tell(row: int) -> None:
            if on_read is not None:
                on_read(np.array([row]))

        tree = TreeFiles(plan.image.tree, plan.store, on_first_read=tell)
        options = MountOptions(name=plan.site.source)
        with serve(tree, plan.site.directory, options=options, listener=plan.listener):
            mounted = mount_at(plan.site.directory)
            try:
                yield Served(engine=self.name, how="FUSE alone", count_files=lambda: tree.tally.files)
            finally:  # one that is in use is detached by its server, which goes on to refuse those who read
                if mounted is not None:
                    leave_if_free(mounted, plan.listener)
