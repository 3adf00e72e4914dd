"""From a wish to a durable order: the one way by which scans are begun, whoever asks.

    names -> is the registry on the list (after name resolution) -> Order -> store -> credential to the workers -> id

This module alone decides that order of steps. What is refused leaves no trace in the store, and a credential goes
from the request to the workers of this process and nowhere else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from anyio import fail_after, to_thread

from rafsight.base.errors import RafsightError
from rafsight.interfaces.service.jobs.contract import new_id
from rafsight.interfaces.service.jobs.model import Accepted, DeliveryWish, Order, Place
from rafsight.interfaces.service.web.faults import UnusableField
from rafsight.interfaces.service.web.logs import say
from rafsight.interfaces.service.web.metrics import ACCEPTED, REFUSED
from rafsight.interfaces.service.web.registries import Names, RegistryRefused
from rafsight.interfaces.service.web.rules import matches
from rafsight.interfaces.service.web.service import Service
from rafsight.interfaces.service.web.settings import ServiceSettings, Target
from rafsight.interfaces.service.workers.lending import Lent

_NAME_TIME: Final = 3.0
"""[s] for the resolution of a name: Harbor gives the whole answer five."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanWish:
    """What somebody wants, checked as far as can be without asking anybody."""

    names: Names
    source: str
    """`harbor`, `push`, `api`, `page`."""
    scanners: tuple[str, ...] = ("vuln",)
    declared: bool = False
    platform: str = ""
    priority: int = 0
    fresh_for: int = 0
    """[ms]"""
    plain_http: bool | None = None
    note: str = ""
    deliver: tuple[str, ...] = ()
    """Names of targets."""
    credential: Lent | None = None


async def accept(service: Service, wish: ScanWish) -> Accepted:
    """Take an order; when this returns, it is durable.

    Raises: RegistryRefused, UnusableField, MalformedOrder, QueueFull, and what the store raises.
    """
    try:
        await check_registry(service, wish.names.registry)
        accepted = await _keep(service, _order(service.settings, wish), wish.credential)
    except RafsightError as error:
        service.metrics.count(REFUSED, wish.source, error.code)
        raise
    service.crew.wake()
    service.metrics.count(ACCEPTED, wish.source, "no" if accepted.is_new else "yes")
    say(
        "a scan was accepted",
        scan=accepted.request.id,
        job=accepted.job.id,
        image=accepted.request.place.reference,
        source=wish.source,
        joined=not accepted.is_new,
    )
    return accepted


async def check_registry(service: Service, registry: str) -> None:
    """See that a registry may be talked to.

    Raises: RegistryRefused; MalformedName.
    """
    if service.registries.was_checked(registry):
        return

    def check() -> None:
        if not service.registries.was_checked(registry):  # by one of those who came with us
            service.registries.check(registry)

    try:
        with fail_after(_NAME_TIME):
            await to_thread.run_sync(check, limiter=service.threads.names, abandon_on_cancel=True)
    except TimeoutError as error:
        raise RegistryRefused(registry=registry, why="no name server answers in time") from error


async def _keep(service: Service, order: Order, credential: Lent | None) -> Accepted:
    """Keep the order. Its credential is with the workers before, since one of them may be very fast."""
    request_id = new_id()
    if credential is not None:
        service.lending.lend(request_id, credential)
    is_kept = False
    try:
        accepted = await service.ask(
            service.store.accept,
            order,
            replica=service.replica,
            queue_limit=service.settings.limits.queue,
            request_id=request_id,
        )
        is_kept = accepted.job.finished is None  # else it was freshly done, and nobody needs the credential
    finally:
        if not is_kept:
            service.lending.forget(request_id)
    return accepted


def _order(settings: ServiceSettings, wish: ScanWish) -> Order:
    names, plain_http = wish.names, wish.plain_http
    if plain_http is None and plain_hosts(settings, (names.registry,)):
        plain_http = True
    return Order(
        place=Place(registry=names.registry, repository=names.repository, digest=names.digest, tag=names.tag),
        scanners=wish.scanners,
        declared=wish.declared,
        platform=wish.platform,
        plain_http=plain_http,
        source=wish.source,
        priority=wish.priority,
        fresh_for=wish.fresh_for,
        is_lent=wish.credential is not None,
        note=wish.note,
        wishes=tuple(wish_for(_target(settings, name)) for name in wish.deliver),
    )


def plain_hosts(settings: ServiceSettings, registries: Iterable[str]) -> tuple[str, ...]:
    """Return those registries that speak HTTP, as the settings say."""
    patterns = settings.registries.plain_http
    return tuple(one for one in registries if any(matches(pattern, one) for pattern in patterns))


def wish_for(target: Target) -> DeliveryWish:
    """Make the wish that a target is told."""
    return DeliveryWish(kind=target.kind, target=target.name, tells_failures=target.tells_failures)


def _target(settings: ServiceSettings, name: str) -> Target:
    target = settings.target(name)
    if target is None:
        raise UnusableField(field="deliver", why=f"the settings name no target '{name}'")
    return target
