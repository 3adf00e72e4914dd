"""What a store was asked for, counted without locks on the way of every read."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTally:
    """What a store did so far."""

    served: int
    """[bytes] handed out."""
    hits: int
    """Chunks that were on disk when somebody asked for a piece of them."""
    misses: int
    """Chunks that were not."""
    failed: int
    """Chunks that somebody asked for and did not get."""
    from_memory: int
    """Chunks that were handed out and cannot be on disk."""


@dataclass(slots=True)
class Counts:
    """The counts of one thread."""

    served: int = 0
    hits: int = 0
    misses: int = 0
    failed: int = 0
    from_memory: int = 0


class ThreadCounts(threading.local):
    """Gives each thread its own counts; all are added up when somebody asks."""

    def __init__(self, all_counts: list[Counts]) -> None:
        """Begin the counts of a thread: called once in each."""
        self.counts = Counts()
        all_counts.append(self.counts)


def add_up(all_counts: list[Counts]) -> StoreTally:
    """Add up the counts of all threads."""
    every = list(all_counts)
    return StoreTally(
        served=sum(one.served for one in every),
        hits=sum(one.hits for one in every),
        misses=sum(one.misses for one in every),
        failed=sum(one.failed for one in every),
        from_memory=sum(one.from_memory for one in every),
    )
