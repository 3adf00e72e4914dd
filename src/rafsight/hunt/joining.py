"""How the worker of a cluster joins a hunt: what it is told, and where it keeps what contents had to say.

This module alone decides what is shared by workers: verdicts about contents lie beside the results of scans, in the
database that the cache is, or in the worker's own folder, which the processes of one machine have in common.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from rafsight.access.results.contract import ResultKind, ResultStore, result_key
from rafsight.hunt.advisories import check_advisories
from rafsight.hunt.claims import Claims
from rafsight.hunt.inventories import Inventories
from rafsight.hunt.looker import Looker, open_store
from rafsight.hunt.looking import make_asking
from rafsight.hunt.site import Site
from rafsight.hunt.state import Verdict
from rafsight.hunt.terms import HuntTerms
from rafsight.hunt.wire import Parcel, unpack
from rafsight.reports.hunting import Evidence

_NOTHING: Final = b""


@contextmanager
def join_hunt(terms: bytes, site: Site) -> Iterator[Looker]:
    """Make ready for a hunt.

    Args:
        terms: a HuntTerms, as `pack` writes it.
        site: what the process has.
    Raises: NoContentEngine, NoDatabase, DatabaseDamaged, OtherAdvisories, NotACache, NoPostgresDriver.
    """
    told: HuntTerms = unpack(Parcel(terms), HuntTerms)
    check_advisories(told.database, told.advisories)
    with open_store(site.options, site.listener) as store:
        yield Looker(
            fleet=site.fleet,
            asking=make_asking(told.question, told.database),
            claims=Claims(StoredVerdicts(store, told.fingerprint)),
            inventories=Inventories(store),
            all_platforms=told.all_platforms,
        )


class StoredVerdicts:
    """What contents had to say, where results of scans are kept. Thread-safe."""

    def __init__(self, store: ResultStore, fingerprint: str) -> None:
        """Begin.

        Args:
            store: where they are kept; what it loses is looked into again.
            fingerprint: of all that they depend on, beside the contents.
        """
        self._store = store
        self._fingerprint = fingerprint.encode()

    def verdicts(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        """See Verdicts."""
        names = {self._name(key): key for key in keys}
        found: dict[bytes, Verdict] = {}
        for name, content in self._store.fetch(names).items():
            try:
                verdict = msgspec.msgpack.decode(content, type=tuple[Evidence, ...]) if content else None
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
            found[names[name]] = verdict
        return found

    def keep_verdicts(self, verdicts: Iterable[tuple[bytes, Verdict]]) -> None:
        """See Verdicts."""
        self._store.keep(
            {
                self._name(key): _NOTHING if verdict is None else msgspec.msgpack.encode(verdict)
                for key, verdict in verdicts
            }
        )

    def _name(self, key: bytes) -> bytes:
        return result_key(ResultKind.FILE, b"hunt", self._fingerprint, key)
