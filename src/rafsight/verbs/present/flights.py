"""One piece of work for all who want the same at the same time.

This module alone decides who does it, who waits, and how long a failure stands for those who come later.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event, Lock
from typing import Final, Generic, TypeVar

from rafsight.access.registry.errors import RegistryDenied
from rafsight.base.errors import ImageFault, RafsightError

T = TypeVar("T")

FAILED_FOR: Final = 60.0
"""[s] that damage of an image stands: clients ask again and again, and each answer costs the same as the first."""
_MOST_FAILURES: Final = 1000


@dataclass(slots=True)
class _Flight(Generic[T]):
    done: Event = field(default_factory=Event)
    result: list[T] = field(default_factory=list)
    """One, if it ended well."""
    fault: BaseException | None = None


class Flights(Generic[T]):
    """Work by name. Thread-safe."""

    def __init__(self, at_once: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing.

        Args:
            at_once: pieces of work that are done at the same time; others wait.
            clock: [s].
        """
        self._turns = BoundedSemaphore(at_once)
        self._clock = clock
        self._flights: dict[str, _Flight[T]] = {}
        self._failures: OrderedDict[str, tuple[float, RafsightError]] = OrderedDict()
        self._lock = Lock()

    def run(self, name: str, work: Callable[[], T]) -> T:
        """Do some work, or wait for those who do it.

        Raises: what the work raises; or raised less than `FAILED_FOR` ago, if that was damage.
        """
        while True:  # ends: each round is somebody else's refusal, or our own work
            flight, is_ours = self._board(name)
            if is_ours:
                return self._fly(name, flight, work)
            flight.done.wait()
            if flight.fault is None:
                return flight.result[0]
            if not isinstance(flight.fault, RegistryDenied):  # what is denied to them may be given to us
                raise flight.fault

    def _board(self, name: str) -> tuple[_Flight[T], bool]:
        with self._lock:
            until, failure = self._failures.get(name, (0.0, None))
            if failure is not None and self._clock() < until:
                raise failure
            flight = self._flights.get(name)
            if flight is not None:
                return flight, False
            flight = self._flights[name] = _Flight()
            return flight, True

    def _fly(self, name: str, flight: _Flight[T], work: Callable[[], T]) -> T:
        try:
            with self._turns:
                flight.result.append(work())
        except BaseException as fault:
            flight.fault = fault
            raise
        else:
            return flight.result[0]
        finally:
            with self._lock:
                del self._flights[name]
                if isinstance(flight.fault, ImageFault):
                    self._failures[name] = (self._clock() + FAILED_FOR, flight.fault)
                    while len(self._failures) > _MOST_FAILURES:
                        self._failures.popitem(last=False)
            flight.done.set()
