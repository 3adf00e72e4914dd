"""What the statements need of a database: transactions, and the few words in which databases differ.

This module alone decides what that is. Statements have `?` where values go, and are written so that SQLite and
PostgreSQL read them alike; values never become text of a statement.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

Answer = TypeVar("Answer")
Row = tuple[Any, ...]


class Cursor(Protocol):
    """A transaction that is open."""

    @property
    def now(self) -> int:
        """[ms since 1970] The time of the transaction, the same for all replicas as far as that goes."""
        ...

    @property
    def lock(self) -> str:
        """Put behind a SELECT of rows that will be changed: others wait."""
        ...

    @property
    def skip_locked(self) -> str:
        """Put behind a SELECT of rows that will be changed: those that others hold are passed over."""
        ...

    def rows(self, statement: str, *values: object) -> list[Row]:
        """Return all rows."""
        ...

    def row(self, statement: str, *values: object) -> Row | None:
        """Return the first row."""
        ...

    def run(self, statement: str, *values: object) -> int:
        """Return how many rows were changed."""
        ...


Action = Callable[[Cursor], Answer]
"""What is done in a transaction. It may be done again after having been undone, so it changes nothing else."""


class Database(Protocol):
    """A database with the tables of `schema.py` in it. Thread-safe."""

    def write(self, action: Action[Answer]) -> Answer:
        """Do something as one transaction, which is on disk afterwards.

        Raises: the classes of `faults.py`; what the action raises, and nothing was done.
        """
        ...

    def read(self, action: Action[Answer]) -> Answer:
        """Ask something as one transaction. Raises: as `write`."""
        ...

    def check(self) -> None:
        """Ask for a sign of life. Raises: the classes of `faults.py`."""
        ...

    def size(self) -> int:
        """Return what the database takes [bytes]."""
        ...

    def shrink(self) -> None:
        """Give room that is free again back, where nobody else does."""
        ...

    def close(self) -> None:
        """Give back files and connections."""
        ...
