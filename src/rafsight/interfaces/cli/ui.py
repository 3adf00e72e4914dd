"""What a command has at hand beside its arguments: a listener, warnings, and the places of the cache."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rafsight.base.events import Event, Listener, Noticed
from rafsight.base.places import cache_folder
from rafsight.base.text import printable
from rafsight.interfaces.cli.failure import say_line, say_warning
from rafsight.interfaces.cli.progress import Drawing
from rafsight.interfaces.cli.settings import Settings
from rafsight.interfaces.cli.terminal import can_draw_on_stderr, standard_output


class Ui:
    """One command's way to its user. A context manager: whatever is drawn is taken away at the end."""

    def __init__(self, settings: Settings) -> None:
        """Take the global options."""
        self._settings = settings
        self._draws = not settings.quiet and not settings.no_progress and can_draw_on_stderr()
        self._drawing: Drawing | None = None
        self._lock = threading.Lock()
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take away what is drawn."""
        del kind, error, trace
        if self._drawing is not None:
            self._drawing.close()

    @property
    def listener(self) -> Listener:
        """Where the work reports to; may be called from any thread."""
        return self._hear

    @property
    def cache_dir(self) -> Path:
        """The folder that keeps what was fetched: the option, else the environment, else the home folder."""
        return self._settings.cache_dir or default_cache_dir()

    @property
    def default_database(self) -> Path:
        """Where the advisory database lies if nobody says otherwise."""
        return self.cache_dir / "db" / "advisories.sqlite"

    def warn(self, message: str) -> None:
        """Tell the user something once, unless they want quiet."""
        if self._settings.quiet or message in self._told:
            return
        self._told.add(message)
        if self._drawing is not None:
            self._drawing.pause()
        say_warning(message)

    def say(self, message: str) -> None:
        """Tell the user how it goes, unless they want quiet."""
        if self._settings.quiet:
            return
        if self._drawing is not None:
            self._drawing.pause()
        say_line(message)

    def begin_output(self) -> None:
        """Take the bars away for good if results are about to go to the same terminal."""
        if standard_output().is_terminal:
            self.end_drawing()

    def pause_drawing(self) -> None:
        """Take the bars away for a line of results; they come back while the work goes on."""
        if self._drawing is not None:
            self._drawing.pause()

    def end_drawing(self) -> None:
        """Take the bars away for good."""
        with self._lock:
            self._draws = False
            if self._drawing is not None:
                self._drawing.close()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Noticed):
            self.warn(printable(event.message, 1000))
            return
        with self._lock:  # not before there is something to draw: it has a thread, and who forks must have none
            if self._draws and self._drawing is None:
                self._drawing = Drawing()
        if self._drawing is not None:
            self._drawing.show(event)


def default_cache_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the cache folder of a process with an environment."""
    return cache_folder(environment)
