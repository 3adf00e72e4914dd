"""What a way to mount an image is: the contract of the engines, and what they leave to others.

An engine gets an open image, the store of its chunks and a place; it mounts, yields, and unmounts. It writes nothing
down and cleans up after nobody: what it mounts is found by `stale.mounts_of`, so its mounts lie in the view's folder or
carry its name (`Site.source`).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from rafsight.access.chunk_store.store import ChunkStore
from rafsight.access.session import Image
from rafsight.base.errors import HostLimit
from rafsight.base.events import Listener
from rafsight.image.plan import RowArray
from rafsight.views.mount.records import Site
from rafsight.views.mount.supervisor import Supervisor


class EngineUnfit(HostLimit):
    """An engine does not serve this image on this machine."""

    code = "engine-unfit"
    template = "the engine {engine} cannot serve this image here: {why}"
    remedy = "Leave --engine out, or choose `--engine fuse`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an engine works with."""

    image: Image
    store: ChunkStore
    site: Site
    supervisor: Supervisor
    """Told if the engine cannot go on."""
    listener: Listener
    on_read: Callable[[RowArray], None] | None
    """Told of entry rows that are read for the first time, in order, by any thread; None if nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A mounted image."""

    engine: str
    """As `--engine` names it."""
    how: str
    """For people: what serves the content."""
    count_files: Callable[[], int] | None
    """Says how many different files were opened, as far as the engine sees it; None if it sees none."""
    count_refused: Callable[[], int] | None = None
    """Says how many reads failed for a reason that the store does not know; None if there is no such reason."""


class Engine(Protocol):
    """A way to mount an image."""

    @property
    def name(self) -> str:
        """As `--engine` names it."""
        ...

    def mount(self, plan: Plan) -> AbstractContextManager[Served]:
        """Mount an image; it is unmounted at the end.

        Raises: HostLimit: this machine, user or image does not allow it, and the next engine may do.
        """
        ...
