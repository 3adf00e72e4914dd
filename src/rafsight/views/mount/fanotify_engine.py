"""EROFS over the cache files themselves, which the kernel asks us about before it reads what is not there yet.

Nothing of ours stands between the kernel and what is there, so a cache that fills up becomes as fast as a complete one
while the view runs. What it needs is more than the default engine does: Linux 6.14, root, and a file system under the
cache that supports it. This module alone decides the order of its steps:

    marks, guardian, threads, mount;  at the end  unmount, threads, guardian, marks.

The marks come before the mount, since the kernel asks about a file only if it was marked when it was opened.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rafsight.base.events import Noticed
from rafsight.views.mount.engine import Plan, Served
from rafsight.views.mount.erofs_engine import count_files
from rafsight.views.mount.fanotify_gate import answering, open_gate
from rafsight.views.mount.fanotify_guardian import guarded_group
from rafsight.views.mount.kernel import mount_erofs, require_kind
from rafsight.views.mount.supervisor import Ending, left_at_the_end
from rafsight.views.mount.volume import write_volume


class FanotifyEngine:
    """EROFS over sparse files, with pre-content events."""

    name = "erofs-fanotify"

    @contextmanager
    def mount(self, plan: Plan) -> Iterator[Served]:
        """Mount an image.

        Raises: MountRefused, EngineUnfit, FanotifyRefused, NotKept, NoGuardian.
        """
        directory = plan.site.directory

        def give_up() -> None:
            plan.listener(Noticed(message="the guardian of the mount was killed; the view ends, for safety"))
            plan.supervisor.end(Ending.WITHDRAWN)

        require_kind("erofs", directory)
        volume = write_volume(plan, self.name)
        with ExitStack() as stack:
            gate = stack.enter_context(open_gate(plan.store, plan.listener))
            guardian = stack.enter_context(guarded_group(gate.group, directory, give_up, plan.listener))
            stack.enter_context(answering(gate))
            mount_erofs(volume.path, plan.store.paths(), directory)
            stack.enter_context(left_at_the_end(directory, plan.listener))
            guardian.say_mounted()
            count = count_files(plan, volume, stack)
            how = "the kernel, from cache files that fill up"
            yield Served(engine=self.name, how=how, count_files=count, count_refused=lambda: gate.refused)
