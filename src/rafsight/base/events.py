"""Progress as data.

Long work tells a `Listener` what it does; the default listener is silent. The command line draws the events, a service
stores them. No layer below the interfaces prints or configures logging.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """An operation began."""

    operation: str
    """Identity of the operation, unique among those that run at the same time."""
    title: str
    """What a person should read."""
    total: int | None = None
    """How much there is to do, in `unit`; None if nobody knows yet."""
    unit: str = ""
    """`bytes`, `records`, `layers`, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advanced:
    """An operation went on by `amount` of its unit."""

    operation: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """An operation ended, well or not."""

    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """Something that a person should know, and that does not end the work."""

    message: str


Event = Started | Advanced | Finished | Noticed
Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """Ignore an event: the listener of those who do not listen."""
