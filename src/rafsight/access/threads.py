"""Threads for a while: they begin with a block and end with it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from rafsight.base.interrupts import interruption_behind


@contextmanager
def threads(count: int, *, name: str) -> Iterator[ThreadPoolExecutor]:
    """Give some threads; at the end calls that have not begun are dropped, and those that have are waited for.

    They are not waited for when the process is to end (Ctrl-C): a registry that does not answer must not hold it.
    """
    pool = ThreadPoolExecutor(count, thread_name_prefix=name)
    is_ending = True
    try:
        yield pool
        is_ending = False
    except Exception as error:
        is_ending = interruption_behind(error) is not None
        raise
    finally:
        pool.shutdown(wait=not is_ending, cancel_futures=True)
