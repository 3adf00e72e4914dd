"""When a failed call is made again, and how long to wait before it.

This module alone decides that. An error says by `permanent` whether trying again can help; `TryLater` says when. Clock,
sleep and dice are arguments, so that tests do not wait.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

from rafsight.base.errors import RegistryFault

T = TypeVar("T")

_LONGEST_RETRY_AFTER: Final = 7 * 24 * 3600.0
"""[s] a longer wish is taken for this one: nobody waits so long, and the number has to be printable."""


class TryLater(RegistryFault):
    """A service is busy; `retry_after` [s] is what it asks for, None if it does not say."""

    permanent = False

    def __init__(self, *, retry_after: float | None, **details: object) -> None:
        """Keep the wish beside the message."""
        super().__init__(**details)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient to be."""

    attempts: int = 5
    """Calls in a row without progress, the first included."""
    first_delay: float = 0.2
    """[s] before the second call; doubles from call to call."""
    longest_delay: float = 8.0
    """[s] bound of the doubling."""
    longest_wait: float = 30.0
    """[s] the most that a service may ask for by Retry-After; if it asks for more, the error is raised at once."""
    patience: float = 0.0
    """[s] in sum that a service may ask for beside all that: such waits count as no attempt."""
    budget: float = 60.0
    """[s] from the first failure on; no call is begun later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrier:
    """A policy with a clock. Thread-safe; each `start` counts for itself."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    deadline: float | None = None
    """[s] on `clock`; no call is begun later. For work that has to be done by then as a whole."""
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    dice: Callable[[], float] = random.random
    """A number from 0 to 1, so that many clients do not come back at the same moment."""

    def run(self, call: Callable[[], T]) -> T:
        """Make a call until it succeeds, fails for good, or patience ends.

        Raises: RegistryFault: the error of the last call.
        """
        attempts = self.start()
        while True:  # ends: `wait` raises after a bounded number of failures
            try:
                return call()
            except RegistryFault as error:
                attempts.wait(error)

    def start(self) -> "Attempts":
        """Begin to count the attempts of one call."""
        return Attempts(self)


class Attempts:
    """The attempts of one call, for those who have to do something between them."""

    def __init__(self, retrier: Retrier) -> None:
        """Nothing has failed yet."""
        self._retrier = retrier
        self._failures = 0
        self._waited = 0.0
        self._limit = retrier.deadline

    def wait(self, error: RegistryFault) -> None:
        """Wait before the next attempt.

        Raises: RegistryFault: the given error, if there shall be no next attempt.
        """
        if self._waits_as_asked(error):
            return
        policy = self._retrier.policy
        now = self._retrier.clock()
        if self._failures == 0 and (self._limit is None or now + policy.budget < self._limit):
            self._limit = now + policy.budget
        self._failures += 1
        if error.permanent or self._failures >= policy.attempts:
            raise error
        delay = self._delay(error)
        if self._limit is not None and now + delay > self._limit:
            raise error
        self._retrier.sleep(delay)

    def progressed(self) -> None:
        """Forget the failures: the last attempt brought the work forward, and the next is worth as much as a first."""
        self._failures = 0
        self._limit = self._retrier.deadline

    def _waits_as_asked(self, error: RegistryFault) -> bool:
        """Wait for as long as a service asks, if that is within the policy's patience; tell whether it was."""
        retrier = self._retrier
        if not isinstance(error, TryLater) or error.retry_after is None:
            return False
        delay = max(error.retry_after, retrier.policy.first_delay)
        if self._waited + delay > retrier.policy.patience:
            return False
        if self._limit is not None:
            if retrier.deadline is not None and self._limit + delay > retrier.deadline:
                return False
            self._limit += delay
        self._waited += delay
        retrier.sleep(delay)
        return True

    def _delay(self, error: RegistryFault) -> float:
        policy = self._retrier.policy
        doubled = policy.first_delay * 2.0 ** min(self._failures - 1, 30)
        delay = min(doubled, policy.longest_delay) * (0.5 + 0.5 * self._retrier.dice())
        asked = error.retry_after if isinstance(error, TryLater) else None
        if asked is None:
            return delay
        if asked > policy.longest_wait:  # coming back earlier than asked for only makes it worse
            raise error
        return max(delay, asked)


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    """Parse a Retry-After header into seconds; None if there is none that makes sense.

    Args:
        value: a number of seconds or an HTTP date.
        date: the Date header of the same answer; an HTTP date counts from there, so that no two clocks are compared.
    """
    if value is None or len(value) > 64:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_RETRY_AFTER)
    try:
        seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(date or "")).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date, or one with a time zone and one without
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)
