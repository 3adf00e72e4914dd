"""What goes to the workers of a cluster and comes back, as bytes.

This module alone decides how it travels. Values are read as exactly what they should be and nothing else, so that a
worker whose rafsight is another one is refused by its words, not by accident. Parcels show nothing of what is in them
where a library prints its arguments: credentials may be in there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import msgspec

from rafsight._version import __version__
from rafsight.access.options import Options
from rafsight.base.errors import HostLimit
from rafsight.hunt.spreading import Fault
from rafsight.hunt.work import Spent
from rafsight.verbs.scan.release import release_fingerprint


class OtherRelease(HostLimit):
    """A worker of a cluster has another rafsight than we do."""

    code = "other-release"
    template = "the worker {worker} has {theirs}, and here is {ours}"
    remedy = "Install the same release of rafsight on all workers, and start them again."


@dataclass(frozen=True, slots=True)
class Parcel:
    """Bytes that are nobody's business."""

    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """All that a worker has to know to take part."""

    trade: str
    """What the worker shall be, see `station.TRADES`."""
    terms: bytes = field(repr=False)
    """Of the trade."""
    options: Options = field(repr=False)
    """Without our environment and our cache folder: the worker has its own."""
    keeps: bool
    """Whether the worker's cache may be used."""
    jobs: int
    """Items at the same time."""
    release: str = __version__
    fingerprint: bytes = b""
    """Of the code that decides what is found: two checkouts may call themselves the same release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one item; one of the two is there."""

    result: bytes | None = None
    """As written by `pack`."""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What became of some items."""

    outcomes: tuple[Outcome, ...] = ()
    """In the order of the items."""
    final: Fault | None = None
    """Why there are none, and why there will be none of other items either."""
    worker: str = ""
    """Who says so, with `final`."""
    account: str = ""
    """Whose the cost is: one process, as long as it does not forget the order."""
    spent: Spent = field(default_factory=Spent)
    """On that account so far."""
    notices: tuple[str, ...] = ()
    """What a person should know."""


def pack_order(order: Order) -> Parcel:
    """Write an order; files that it names are looked for under the same whole path by the workers."""
    options = order.options
    travelling = replace(
        options,
        environment={},
        cache_dir=None,
        ca_files=tuple(path.absolute() for path in options.ca_files),
        certificate=options.certificate and options.certificate.absolute(),
        key=options.key and options.key.absolute(),
        blob_dir=options.blob_dir and options.blob_dir.absolute(),
    )
    return pack(replace(order, options=travelling, fingerprint=release_fingerprint()))


def unpack_order(parcel: Parcel, worker: str) -> Order:
    """Read an order.

    Args:
        parcel: with the order.
        worker: what it is called where it is read.
    Raises: OtherRelease.
    """
    ours = f"rafsight {__version__}"
    try:
        order: Order = unpack(parcel, Order)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise OtherRelease(worker=worker, theirs=ours, ours="one whose orders are not understood there") from error
    if order.release != __version__:
        raise OtherRelease(worker=worker, theirs=ours, ours=f"rafsight {order.release}")
    return order


def pack(value: object) -> Parcel:
    """Write a value."""
    return Parcel(msgspec.msgpack.encode(value, enc_hook=_plain))


def unpack(parcel: Parcel, kind: Any) -> Any:
    """Read a value.

    Args:
        parcel: with the value.
        kind: its type.
    Raises: msgspec.MsgspecError, UnicodeDecodeError.
    """
    return msgspec.msgpack.decode(parcel.content, type=kind, dec_hook=_rich)


def _plain(value: object) -> object:
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError


def _rich(kind: type, value: object) -> object:
    if issubclass(kind, PurePath) and isinstance(value, str):
        return Path(value)
    raise NotImplementedError
