"""Where results are kept: in the cache folder, in a database that machines share, or nowhere.

This module alone decides which store serves which options.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from rafsight.access.options import Options
from rafsight.access.results.contract import NoResults, ResultStore
from rafsight.base.events import Listener, silent

FOLDER = "results"
"""Below the cache folder."""


@contextmanager
def open_results(options: Options, listener: Listener = silent) -> Iterator[ResultStore]:
    """Give the place where results are kept; it is closed at the end of the block.

    Args:
        options: name the cache.
        listener: told what fails there; no failure of the place is raised.
    Raises: NotACache, NoPostgresDriver.
    Cost: nothing is opened before the first question.
    """
    store = _store(options, listener)
    try:
        yield store
    finally:
        store.close()


def _store(options: Options, listener: Listener) -> ResultStore:
    if options.shared_cache:
        from rafsight.access.results.postgres import PostgresResults

        return PostgresResults(options.shared_cache, listener=listener)
    if options.cache_dir is not None:
        from rafsight.access.results.sqlite import SqliteResults

        return SqliteResults(options.cache_dir / FOLDER, listener=listener)
    return NoResults()
