"""Images as mounted file trees: make them, list them, end them.

What mounts is imported when something is mounted: to list and to end views costs little.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rafsight.access.options import Options
from rafsight.base.errors import HostLimit
from rafsight.base.events import Event, Listener, Noticed, silent
from rafsight.views.mount.detached import Starting, WayBack, start
from rafsight.views.mount.log import Log
from rafsight.views.mount.place import place_of
from rafsight.views.mount.records import views_folder
from rafsight.views.mount.running import NoSuchView, Running, ask_to_end, list_running, wait_until_gone
from rafsight.views.mount.stale import clean_stale
from rafsight.views.mount.statistics import ViewStatistics, read_statistics
from rafsight.views.mount.supervisor import Ending, Stage, Supervisor, heard_by, supervised
from rafsight.views.mount.view import View, ViewFacts, ViewTerms, facts_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rafsight.access.session import Image
    from rafsight.views.mount.mounting import Wish

_PATIENCE: Final = 5.0
"""[s] for a view that was served to be taken down."""
_GLANCE: Final = 0.05
"""[s] between two looks for a signal: one that the system gave to another thread wakes nobody who waits for a lock."""


class ViewWithdrawn(HostLimit):
    """A view could not go on, and was taken away."""

    code = "view-withdrawn"
    template = "the view at {directory} was taken away: its engine could not go on safely"
    remedy = "The lines above say why. Mount it again; `--engine fuse` needs the least of the machine."


class Views:
    """The views of one user: images that are mounted as file trees, read-only, without set-user-ID and devices."""

    def __init__(self, cache_dir: Path) -> None:
        """Take rafsight's cache folder, where running views are written down and chunks are kept."""
        self._cache = cache_dir

    @contextmanager
    def mount(
        self,
        reference: str,
        directory: Path | None = None,
        *,
        terms: ViewTerms | None = None,
        options: Options | None = None,
        listener: Listener = silent,
    ) -> Iterator[View]:
        """Mount an image; it is unmounted at the end of the block, whoever uses it then.

        Content is fetched when it is read, and verified before it is shown; what cannot be had is an input/output error
        for the program that reads it. The process that mounts must not itself run programs from the tree, nor map its
        files into memory: other processes may.

        Args:
            reference: as `open_image` takes it.
            directory: made if it is missing; None: a folder inside the cache.
            terms: how.
            options: how to reach the image.
            listener: told about long work, reads that fail, and who used it at the end; by any thread.

        Raises: UnusablePlace, AlreadyAView, UnreadablePathList, HostLimit; what `open_image` raises.
        Cost: what `open_image` costs; then what is read.
        """
        listener = _calm(listener)
        with supervised() as supervisor:
            wish = self._wish(reference, directory, terms, options, listener, hears_signals=False)
            with _mounted(wish, supervisor, listener) as view:
                yield view

    def serve(
        self,
        reference: str,
        directory: Path | None = None,
        *,
        on_ready: Callable[[View], object],
        terms: ViewTerms | None = None,
        options: Options | None = None,
        listener: Listener = silent,
    ) -> ViewStatistics:
        """Mount an image, and serve it until a signal comes or somebody unmounts it; else as `mount`.

        Args:
            reference: as `open_image` takes it.
            directory: made if it is missing; None: a folder inside the cache.
            on_ready: called when the tree is there.
            terms: how.
            options: how to reach the image.
            listener: told about long work, reads that fail, and who used it at the end; by any thread.

        Returns: what it did. If `View.is_left_behind` then, threads still wait for something, and the process should
            end without them: the guardian does the rest.
        Raises: as `mount`; ViewWithdrawn; KeyboardInterrupt: a signal came before the tree was there.
        """
        listener = _calm(listener)
        with supervised() as supervisor, heard_by(supervisor) as signals:
            wish = self._wish(reference, directory, terms, options, listener, hears_signals=True)
            with ExitStack() as stack:
                view = stack.enter_context(_mounted(wish, supervisor, listener))
                signals.stage = Stage.SERVING  # who is told that it is ready may send a signal at once
                on_ready(view)
                ending = view.wait()
                signals.stage = Stage.ENDING
                view.is_left_behind = not _closed_within(_PATIENCE, stack.pop_all())
            if view.is_left_behind:
                listener(Noticed(message="the end is not waited for: a registry or a disk does not answer"))
            if ending is Ending.WITHDRAWN:
                raise ViewWithdrawn(directory=str(view.directory))
            return view.statistics

    def start(
        self,
        reference: str,
        directory: Path | None = None,
        *,
        terms: ViewTerms | None = None,
        options: Options | None = None,
    ) -> Starting:
        """Start a process that serves an image and outlives this one; `wait` of what is returned gives its ViewFacts.

        To be called before there are threads. The arguments are those of `mount`.

        Raises: NotAlone, ServerDied; `wait` raises what `mount` raises.
        """

        def serve(back: WayBack) -> None:
            log = Log(back.tell)

            def on_ready(view: View) -> None:
                log.write_to(view.facts.log)
                back.ready(view.facts)

            try:
                self.serve(reference, directory, on_ready=on_ready, terms=terms, options=options, listener=log.hear)
            except Exception as error:
                log.note(f"the view has ended: {error}")
                raise

        return start(serve)

    def running(self) -> list[ViewFacts]:
        """Return the views that run, the oldest first; what killed ones left is taken away before.

        Raises: UnsafeFolder, NoRecords.
        """
        return [facts_of(one.folder, one.record) for one in self._running()]

    def stop(self, directory: Path | None = None, *, listener: Listener = silent) -> list[ViewFacts]:
        """End views and wait until they are gone.

        Args:
            directory: of one view; None: all.
            listener: told who used them, where this process unmounts.

        Raises: NoSuchView, StillRunning, UnmountRefused, UnsafeFolder, NoRecords.
        """
        wanted = self._running() if directory is None else [self._find(directory)]
        for one in wanted:
            ask_to_end(one, listener)
        for one in wanted:
            wait_until_gone(one)
        return [facts_of(one.folder, one.record) for one in wanted]

    def statistics(self, directory: Path | None = None) -> list[tuple[ViewFacts, ViewStatistics]]:
        """Return what views did so far; their servers write it down four times a second.

        Args:
            directory: of one view; None: all.

        Raises: NoSuchView, UnsafeFolder, NoRecords.
        """
        wanted = self._running() if directory is None else [self._find(directory)]
        found = []
        for one in wanted:
            facts = facts_of(one.folder, one.record)
            numbers = read_statistics(one.folder, started=facts.started)
            if numbers is not None:
                found.append((facts, numbers))
        return found

    def _wish(
        self,
        reference: str,
        directory: Path | None,
        terms: ViewTerms | None,
        options: Options | None,
        listener: Listener,
        *,
        hears_signals: bool,
    ) -> "Wish":
        from rafsight.access.session import open_image
        from rafsight.views.mount.mounting import Wish

        def opened() -> "AbstractContextManager[Image]":
            return open_image(reference, options=options or Options(cache_dir=self._cache), listener=listener)

        return Wish(
            reference=reference,
            open_image=opened,
            cache=self._cache,
            directory=directory,
            terms=terms or ViewTerms(),
            hears_signals=hears_signals,
        )

    def _running(self) -> list[Running]:
        folder = views_folder(self._cache)
        clean_stale(folder)
        return list_running(folder)

    def _find(self, directory: Path) -> Running:
        place = str(place_of(directory))
        for one in reversed(self._running()):
            if one.record.directory == place:
                return one
        raise NoSuchView(directory=str(directory))


def _calm(listener: Listener) -> Listener:
    """Let nobody who reads suffer from a listener that cannot write: its terminal may be gone, or the disk full."""

    def hear(event: Event) -> None:
        with suppress(OSError):
            listener(event)

    return hear


def _closed_within(patience: float, stack: ExitStack) -> bool:
    """Close in a thread of its own, since a registry that does not answer can hold it for minutes.

    Returns: False if it takes longer.
    Raises: what closing raises; KeyboardInterrupt: an impatient person.
    """
    faults: list[BaseException] = []

    def close() -> None:
        try:
            stack.close()
        except BaseException as fault:  # noqa: BLE001 - raised where it is waited for
            faults.append(fault)

    thread = threading.Thread(target=close, name="rafsight-end", daemon=True)
    thread.start()
    until = time.monotonic() + patience
    while thread.is_alive() and (rest := until - time.monotonic()) > 0:
        thread.join(min(rest, _GLANCE))
    if faults:
        raise faults[0]
    return not thread.is_alive()


def _mounted(wish: "Wish", supervisor: Supervisor, listener: Listener) -> "AbstractContextManager[View]":
    from rafsight.views.mount.mounting import mounted

    return mounted(wish, supervisor, listener)
