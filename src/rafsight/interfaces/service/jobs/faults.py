"""What can be wrong with a store, whichever database it is.

This module alone decides how a database's trouble is told; the adapters decide which trouble is which.
"""

from typing import Final

from rafsight.base.errors import CallerError, ExitStatus, HostLimit

_REMEDY_DAMAGED: Final = (
    "Restore it from a copy, or move it away (with the files -wal and -shm beside it): the service begins another."
)


class UnknownStore(CallerError):
    """A store was named in a way that nobody understands."""

    code = "unknown-store"
    template = "there is no store {url}: {why}"
    remedy = "Name a file, or postgresql://USER@HOST/DATABASE (with `pip install rafsight[postgres]`)."
    exit_status = ExitStatus.USAGE


class StoreUnreachable(HostLimit):
    """The database does not answer, or refuses."""

    code = "store-unreachable"
    template = "cannot use the store {store}: {why}"
    remedy = "See that the database runs, and that this user may use it; the service tries again by itself."
    exit_status = ExitStatus.UNAVAILABLE
    permanent = False


class StoreBusy(HostLimit):
    """Others hold the database for too long."""

    code = "store-busy"
    template = "the store {store} is held by another process, which does not go on"
    remedy = "Try again. For several busy replicas take PostgreSQL."
    exit_status = ExitStatus.UNAVAILABLE
    permanent = False


class StoreFull(HostLimit):
    """There is no room on the disk of the database."""

    code = "store-full"
    template = "nothing more can be written to the store {store}: {why}"
    remedy = "Make room on its disk, or prune reports by age and size (--keep-days, --keep-size)."
    permanent = False


class StoreDamaged(HostLimit):
    """The database file is no database, or a broken one."""

    code = "store-damaged"
    template = "the store {store} is damaged: {why}"
    remedy = _REMEDY_DAMAGED


class StoreForeign(HostLimit):
    """The database belongs to something else, or to a later release."""

    code = "store-foreign"
    template = "the store {store} was not made by this release of rafsight: {why}"
    remedy = "Name another file or database, or run the release that made it."


class BrokenRow(HostLimit):
    """Something in the database is not what this module's neighbours put there."""

    code = "store-row-broken"
    template = "the store holds {what} that cannot be read"
    remedy = _REMEDY_DAMAGED
