"""From names to images: the first work of every hunt and of every index."""

from typing import Final, Protocol

from rafsight.access.fleet import Lead
from rafsight.hunt.work import Work


class Resolver(Protocol):
    """Somebody who can look names up."""

    def resolve(self, name: str) -> tuple[Lead, ...]:
        """Find the images that a name means; see `Fleet.resolve`."""
        ...


def _resolve(resolver: Resolver, name: str) -> tuple[Lead, ...]:
    return resolver.resolve(name)


RESOLVE: Final = Work(
    name="resolve",
    do=_resolve,
    title="looking names up",
    unit="names",
    item=str,
    result=tuple[Lead, ...],
    batch=64,
)
