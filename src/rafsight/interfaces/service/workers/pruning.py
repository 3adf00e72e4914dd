"""Old and large things go from the store now and then.

This module alone decides when; the store decides what nobody waits for.
"""

from typing import Final

from rafsight.base.events import Listener, Noticed, silent
from rafsight.interfaces.service.jobs.contract import JobStore
from rafsight.interfaces.service.jobs.model import Pruned
from rafsight.interfaces.service.workers.chore import Chore
from rafsight.interfaces.service.workers.terms import KeepTerms

CHORE: Final = "prune"
_LEASE: Final = 600_000
"""[ms]"""


class Pruner:
    """The chore of one replica. `start`, `request`, `stop` and `latest` may be used from any thread."""

    def __init__(self, store: JobStore, *, terms: KeepTerms, replica: str, listener: Listener = silent) -> None:
        """Start nothing yet.

        Args:
            store: what is pruned.
            terms: what is kept.
            replica: the name of this one.
            listener: told what was removed, and about trouble.
        """
        self._store = store
        self._terms = terms
        self._replica = replica
        self._listener = listener
        self._chore = Chore("pruning", self._step, every=terms.every, listener=listener)
        self.latest: Pruned | None = None
        """What the latest pruning removed; None: there was none by this replica."""

    def start(self) -> None:
        """Begin; the first pruning is at once."""
        self._chore.start()

    def request(self) -> None:
        """Prune now."""
        self._chore.request()

    def stop(self) -> None:
        """End, after the pruning that goes on."""
        self._chore.stop()

    def _step(self, is_wanted: bool) -> bool:
        del is_wanted
        if not self._store.take_turn(CHORE, self._replica, lease=_LEASE):
            return False
        try:
            terms = self._terms
            pruned = self._store.prune(
                older_than=terms.older_than, size_limit=terms.size_limit, keep_requests=terms.keep_requests
            )
        finally:
            self._store.end_turn(CHORE, self._replica)
        self.latest = pruned
        if pruned.jobs or pruned.reports or pruned.deliveries:
            self._listener(
                Noticed(
                    message=f"pruned {pruned.jobs} jobs, {pruned.reports} reports ({pruned.freed} bytes) and "
                    f"{pruned.deliveries} deliveries"
                )
            )
        return True
