"""Progress bars on standard error, drawn from the events of the work.

This module alone decides what progress looks like. Nothing is drawn, and rich is not imported, before the work has
taken a moment: quick answers pay nothing for it.
"""

import threading
from typing import TYPE_CHECKING, Final

from rafsight.base.events import Advanced, Finished, Started
from rafsight.base.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

PATIENCE: Final = 0.4
"""[s] before anything is drawn."""
_ESTIMATED: Final = frozenset(("images", "names"))
"""Units of which there may be thousands, each as dear as the other: how long they take can be told."""
_MINUTE: Final = 60


class Drawing:
    """The bars of one command. Events may come from any thread."""

    def __init__(self) -> None:
        """Start the clock."""
        self._lock = threading.Lock()
        self._running: dict[str, tuple[Started, int]] = {}
        self._tasks: dict[str, TaskID] = {}
        self._progress: Progress | None = None
        self._timer = threading.Timer(PATIENCE, self._begin)
        self._timer.daemon = True
        self._timer.start()
        self._closed = False

    def show(self, event: Started | Advanced | Finished) -> None:
        """Draw an event, or remember it for when drawing begins."""
        with self._lock:
            if isinstance(event, Started):
                self._running[event.operation] = (event, 0)
                self._draw(event.operation)
            elif isinstance(event, Advanced):
                self._advance(event)
            else:
                self._finish(event)

    def pause(self) -> None:
        """Take the bars away so that a line can be written; they come back with the next event."""
        with self._lock:
            self._stop()

    def close(self) -> None:
        """Take the bars away for good."""
        self._timer.cancel()
        with self._lock:
            self._closed = True
            self._stop()
            self._progress = None

    def _begin(self) -> None:
        with self._lock:
            if not self._closed and self._progress is None:
                self._progress = _new_progress()
                for operation in self._running:
                    self._draw(operation)

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _draw(self, operation: str) -> None:
        if self._progress is None:
            return
        event, done = self._running[operation]
        self._progress.start()
        self._tasks[operation] = self._progress.add_task(
            printable(event.title, 60), total=event.total, completed=done, unit=event.unit
        )

    def _advance(self, event: Advanced) -> None:
        if event.operation not in self._running:
            return
        started, done = self._running[event.operation]
        self._running[event.operation] = (started, done + event.amount)
        if self._progress is not None and event.operation in self._tasks:
            self._progress.start()
            self._progress.advance(self._tasks[event.operation], event.amount)

    def _finish(self, event: Finished) -> None:
        self._running.pop(event.operation, None)
        task = self._tasks.pop(event.operation, None)
        if self._progress is not None and task is not None:
            self._progress.remove_task(task)


def _new_progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        _amount_column(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # results are bytes, and go past rich
        redirect_stderr=False,
    )


def _left(seconds: float | None) -> str:
    """Say how long it will take; nothing if nobody can tell."""
    if not seconds:
        return ""
    return f", {seconds:.0f} s left" if seconds < 2 * _MINUTE else f", {seconds / _MINUTE:.0f} min left"


def _amount_column() -> "ProgressColumn":
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    from rafsight.base.units import format_size

    class AmountColumn(ProgressColumn):
        """How much is done, of how much, in the unit of the work."""

        def render(self, task: Task) -> Text:
            unit = str(task.fields.get("unit", ""))
            amounts = [task.completed] if task.total is None else [task.completed, task.total]
            if unit == "bytes":
                return Text(" of ".join(format_size(int(amount)) for amount in amounts))
            left = _left(task.time_remaining) if unit in _ESTIMATED else ""
            return Text(f"{' of '.join(f'{int(amount):,}' for amount in amounts)} {unit}".rstrip() + left)

    return AmountColumn()
