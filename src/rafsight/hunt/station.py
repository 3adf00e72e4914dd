"""A worker of a cluster takes part: what an order needs is opened once a process, and closed when nobody asks any more.

The functions at the top are what the cluster calls. They never raise: what a worker cannot do is an answer, too, and a
library that prints the arguments of what failed has nothing to print. This module alone decides how long a process
keeps connections, and with them the credentials of an order.
"""

import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from queue import Empty, SimpleQueue
from secrets import token_hex
from typing import Any, Final

from rafsight.access.fetch import threads
from rafsight.access.fleet import Fleet
from rafsight.access.pace import Pace
from rafsight.base.errors import Defect, RafsightError
from rafsight.base.events import Event, Noticed
from rafsight.base.places import cache_folder
from rafsight.hunt.site import Site
from rafsight.hunt.spreading import Done, fault_of, settle
from rafsight.hunt.wire import Batch, Order, Outcome, Parcel, pack, unpack, unpack_order
from rafsight.hunt.work import Tradesman, Work
from rafsight.verbs.scan.release import release_fingerprint

IDLE: Final = 60.0
"""[s] after which what an order needs is closed, if nothing more of it comes."""
_LOOK: Final = 0.5
"""[s] between two looks whether the work is still wanted."""

Join = Callable[[bytes, Site], AbstractContextManager[Tradesman]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A kind of order."""

    join: str
    """`MODULE:FUNCTION` that makes a tradesman of the order's terms."""
    works: str
    """`MODULE:NAME` of the kinds of work."""


TRADES: Final = {
    "hunt": Trade(join="rafsight.hunt.joining:join_hunt", works="rafsight.hunt.looker:WORKS"),
    "index": Trade(join="rafsight.hunt.index.making:join_index", works="rafsight.hunt.index.making:WORKS"),
    "scan": Trade(join="rafsight.hunt.scanning:join_scan", works="rafsight.hunt.scanning:WORKS"),
}


def hand_on(order: Parcel) -> Parcel:
    """Give an order as it is: workers get it from each other."""
    return order


def work_on(name: str, order: Parcel, work: str, items: Parcel, rate: float | None) -> Parcel:
    """Do some work of an order.

    Args:
        name: of the order.
        order: as `pack_order` wrote it.
        work: name of the kind.
        items: a list of items.
        rate: [requests/s] that this process may ask one host; None: as often as it likes.
    Returns: A `Batch`.
    """
    try:
        with _borrowed(name, order) as station:
            return pack(station.work(work, items, rate))
    except RafsightError as error:
        return pack(Batch(final=fault_of(error), worker=worker_name()))
    except Exception as error:  # noqa: BLE001 - see above
        mistake = Defect(what=f"{type(error).__name__}: {error}")
        return pack(Batch(final=fault_of(mistake), worker=worker_name()))


def end_work(name: str) -> None:
    """Give up what is under way for an order, and close what it needs as soon as that has ended."""
    with _LOCK:
        _ENDED.append(name)
        station = _STATIONS.get(name)
        if station is None:
            return
        station.is_ended = True
        if station.timer is not None:
            station.timer.cancel()

    def end() -> None:
        station.end()
        _close(name, station)

    _aside(end)


def worker_name() -> str:
    """Say what this process is called."""
    return f"{socket.gethostname()} (process {os.getpid()})"


class _Station:
    """What one order needs in this process: opened by who comes first."""

    def __init__(self) -> None:
        self.users = 0
        """Pieces of work that are under way; `_LOCK` holds it, and the next two."""
        self.is_ended = False
        self.timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._bench: _Bench | None = None

    def bench(self, order: Parcel) -> "_Bench":
        """Return what is needed.

        Raises: OtherRelease; what the trade raises.
        """
        with self._lock:
            if self._bench is None:
                self._bench = _Bench(order)
            return self._bench

    def end(self) -> None:
        """Let nobody wait any more."""
        with self._lock:
            if self._bench is not None:
                self._bench.end()

    def close(self) -> None:
        """Close what is needed; it would be opened again."""
        with self._lock:
            bench, self._bench = self._bench, None
        if bench is not None:
            bench.close()


class _Bench:
    """Where the work of one order is done. Thread-safe."""

    def __init__(self, order: Parcel) -> None:
        told = unpack_order(order, worker_name())
        trade = TRADES[told.trade]
        join: Join = _named(trade.join)
        works: tuple[Work[Any, Any, Any], ...] = _named(trade.works)
        self._works = {work.name: work for work in works}
        self._notices: SimpleQueue[str] = SimpleQueue()
        self._pace = Pace(listener=self._hear)
        if told.fingerprint != release_fingerprint():
            self._notices.put(f"{worker_name()} has other code than we do, under the same release")
        self._account = token_hex(8)
        self._is_ended = False
        self._opened = ExitStack()
        try:
            self._pool = self._opened.enter_context(threads(told.jobs, name="rafsight-hunt"))
            self._tradesman = self._opened.enter_context(join(told.terms, self._site(told)))
        except BaseException:
            self._opened.close()
            raise

    def work(self, name: str, items: Parcel, rate: float | None) -> Batch:
        """Do some work; see `work_on`.

        Raises: what ends all of it; CancelledError.
        """
        work = self._works[name]
        self._pace.change(rate)
        todo = unpack(items, list[work.item])  # type: ignore[name-defined]  # a type that is a value
        running = [self._pool.submit(work.do, self._tradesman, item) for item in todo]
        try:
            while wait(running, _LOOK).not_done:
                if self._is_ended:  # a registry that does not answer holds its thread, and not us
                    raise CancelledError
            outcomes = tuple(_outcome(settle(item, future)) for item, future in zip(todo, running, strict=True))
        finally:
            for future in running:
                future.cancel()
        notices = []
        with suppress(Empty):
            while True:
                notices.append(self._notices.get_nowait())
        spent = self._tradesman.spent
        return Batch(outcomes=outcomes, account=self._account, spent=spent, notices=tuple(notices))

    def end(self) -> None:
        """Give up what is under way."""
        self._is_ended = True
        self._tradesman.end()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Close everything."""
        self._opened.close()

    def _site(self, told: Order) -> Site:
        """Reach images as this machine does, but for what the order says."""
        options = replace(
            told.options,
            environment=dict(os.environ),
            cache_dir=cache_folder(os.environ) if told.keeps else None,
            connections=max(told.options.connections, 2 * told.jobs),
        )
        fetching = self._opened.enter_context(threads(options.connections, name="rafsight-fetch"))
        fleet = Fleet(options, pool=fetching, pace=self._pace)
        self._opened.callback(fleet.close)
        return Site(options=options, fleet=fleet, jobs=told.jobs, listener=self._hear)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Noticed):
            self._notices.put(f"{worker_name()}: {event.message}")


_STATIONS: Final[dict[str, _Station]] = {}
_ENDED: Final[deque[str]] = deque(maxlen=256)
"""Orders that nobody wants any more: a call that was on its way opens nothing again."""
_LOCK: Final = threading.Lock()


@contextmanager
def _borrowed(name: str, order: Parcel) -> Iterator[_Bench]:
    """Give what an order needs, for one piece of work.

    Raises: CancelledError: the order has ended.
    """
    with _LOCK:
        if name in _ENDED:
            raise CancelledError
        station = _STATIONS.setdefault(name, _Station())
        station.users += 1
        if station.timer is not None:
            station.timer.cancel()
    try:
        yield station.bench(order)
    finally:
        with _LOCK:
            station.users -= 1
            is_last = not station.users
            if is_last and not station.is_ended:
                station.timer = threading.Timer(IDLE, _close, (name, station))
                station.timer.daemon = True
                station.timer.start()
        if is_last and station.is_ended:
            _aside(partial(_close, name, station))


def _close(name: str, station: _Station) -> None:
    """Close what an order needs, unless somebody has come meanwhile."""
    with _LOCK:
        if station.users or _STATIONS.get(name) is not station:
            return
        del _STATIONS[name]
    station.close()


def _aside(action: Callable[[], object]) -> None:
    """Do something for which nobody must be held up."""
    threading.Thread(target=action, name="rafsight-end", daemon=True).start()


def _outcome(done: Done[Any, Any]) -> Outcome:
    if done.fault is not None:
        return Outcome(fault=done.fault)
    try:
        return Outcome(result=pack(done.result).content)
    except UnicodeEncodeError as error:  # a name that is no text
        return Outcome(fault=fault_of(Defect(what=f"an answer cannot be sent: {error}")))


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
