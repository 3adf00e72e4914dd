"""A mounted image, as those see it who had it mounted, and how it was to be mounted."""

from dataclasses import dataclass
from pathlib import Path

from rafsight.views.mount.kernel import Mounted
from rafsight.views.mount.records import LOG, Record
from rafsight.views.mount.statistics import StatisticsFile, ViewStatistics
from rafsight.views.mount.supervisor import Ending, Supervisor, is_there


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTerms:
    """How an image is to be mounted."""

    engine: str = "auto"
    """`auto`, `erofs`, `erofs-fanotify` or `fuse`."""
    prefetch: str | Path | None = None
    """`table`: what the image itself wants first; `all`; or a file with paths, one a line."""
    access_log: Path | None = None
    """Where to write the paths of files that were read, in order of their first read."""
    cache_size: int | None = None
    """[bytes] of the chunk cache; None: 20 GiB, or a tenth of what is free there if that is less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFacts:
    """What is known of a view, by whatever process it is served."""

    view_id: str
    reference: str
    directory: Path
    """Where the root of the image is."""
    engine: str
    """Empty while it is being made."""
    pid: int
    """The process that serves it."""
    started: int
    """[s since 1970]"""
    is_ready: bool
    log: Path
    """What a server without a terminal says."""


def facts_of(folder: Path, record: Record) -> ViewFacts:
    """Return what is known of a view.

    Args:
        folder: of the view.
        record: what lies there.
    """
    return ViewFacts(
        view_id=record.view_id,
        reference=record.reference,
        directory=Path(record.directory),
        engine=record.engine,
        pid=record.pid,
        started=record.started,
        is_ready=record.is_ready,
        log=folder / LOG,
    )


class View:
    """An image that this process has mounted."""

    def __init__(
        self, facts: ViewFacts, how: str, mounted: Mounted, supervisor: Supervisor, statistics: StatisticsFile
    ) -> None:
        """Take what makes it."""
        self.facts = facts
        self.how = how
        """For people: what serves the content."""
        self.is_left_behind = False
        """It was to end, and something that does not answer holds it."""
        self._mounted = mounted
        self._supervisor = supervisor
        self._statistics = statistics

    @property
    def directory(self) -> Path:
        """Where the root of the image is."""
        return self.facts.directory

    @property
    def statistics(self) -> ViewStatistics:
        """What it did so far."""
        return self._statistics.gather()

    @property
    def is_mounted(self) -> bool:
        """False if somebody else unmounted it."""
        return is_there(self._mounted)

    def wait(self, timeout: float | None = None) -> Ending | None:
        """Wait until somebody else unmounts it, or `end` is called; write the statistics down meanwhile.

        Args:
            timeout: [s]; None waits for ever.

        Returns: why it ended; None if the time ran out.
        """
        return self._supervisor.wait(self._mounted, self._statistics.refresh, timeout=timeout)

    def end(self) -> None:
        """End the waiting, from any thread."""
        self._supervisor.end()
