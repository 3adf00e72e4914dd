"""Something that is done now and then, by one replica at a time, in a thread of its own.

This module alone decides when. A chore that fails is done again at its next time.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from rafsight.base.errors import Defect, RafsightError
from rafsight.base.events import Listener, Noticed

_LATER: Final = 5.0
"""[s] after which somebody who was asked looks again, where another replica had the turn."""


class Chore:
    """A thread that does something. `request`, `stop` and `is_ending` may be used from any thread."""

    def __init__(self, name: str, step: Callable[[bool], bool], *, every: float, listener: Listener) -> None:
        """Start nothing yet.

        Args:
            name: for people.
            step: does it; told whether somebody asked for it, and tells whether it was its turn.
            every: [s] between two times.
            listener: told about trouble.
        """
        self._step = step
        self._every = every
        self._listener = listener
        self._name = name
        self._change = threading.Condition()
        self._is_wanted = False
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name=f"rafsight-{name}")

    @property
    def is_ending(self) -> bool:
        """True once it was told to stop: long work looks here now and then."""
        return self._is_ending

    def start(self) -> None:
        """Begin; the first time is at once."""
        self._thread.start()

    def request(self) -> None:
        """Do it now."""
        with self._change:
            self._is_wanted = True
            self._change.notify()

    def stop(self) -> None:
        """End; what is being done is waited for."""
        with self._change:
            self._is_ending = True
            self._change.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._is_ending:
            with self._change:
                is_wanted, self._is_wanted = self._is_wanted, False
            pause = self._every if self._do(is_wanted=is_wanted) else _LATER
            until = time.monotonic() + min(pause, self._every)
            with self._change:
                while not self._is_ending and not self._is_wanted and (left := until - time.monotonic()) > 0:
                    self._change.wait(left)

    def _do(self, *, is_wanted: bool) -> bool:
        try:
            was_ours = self._step(is_wanted)
        except RafsightError as error:
            self._listener(Noticed(message=f"{self._name}: {error}"))
            return True
        except Exception as error:  # noqa: BLE001 - it is done again, and the service goes on
            defect = Defect(what=f"{self._name} ended in {type(error).__name__}: {error}")
            self._listener(Noticed(message=str(defect)))
            return True
        if is_wanted and not was_ours:
            with self._change:
                self._is_wanted = not self._is_ending
        return was_ours
