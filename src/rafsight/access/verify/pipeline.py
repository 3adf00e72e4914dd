"""Work that threads do ahead of whoever takes its results, in order and within a bound.

This module alone decides how far ahead a check fetches.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from rafsight.base.units import MiB

Item = TypeVar("Item")
Result = TypeVar("Result")

WINDOW: Final = 48 * MiB
"""[bytes] that are in flight; a single piece of work may be larger."""


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], weigh: Callable[[Item], int]
) -> Iterator[tuple[Item, Result]]:
    """Yield what threads make of some items, in their order.

    Args:
        pool: the threads.
        work: what to do with each item; what it raises is raised here.
        items: taken one by one, when there is room for them.
        weigh: [bytes] that an item takes until its result was used.
    """
    waiting: deque[tuple[Item, int, Future[Result]]] = deque()
    in_flight = 0
    try:
        for item in items:
            weight = weigh(item)
            while waiting and in_flight + weight > WINDOW:
                done, freed, future = waiting.popleft()
                yield done, future.result()
                in_flight -= freed
            waiting.append((item, weight, pool.submit(work, item)))
            in_flight += weight
        while waiting:
            done, _, future = waiting.popleft()
            yield done, future.result()
    finally:
        for _, _, future in waiting:
            future.cancel()
