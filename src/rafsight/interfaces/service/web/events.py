"""Scans on push: the addresses to which registries send what happened.

Who sends is known by a shared secret in `Authorization`. Registries send again what was not answered well, in any
order, so a push is an order for a digest, which joins what is known; what no scan can come of is answered well, too,
or it would be sent for ever. This module alone decides that.
"""

import hmac
from collections.abc import Iterable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from rafsight.interfaces.service.jobs.contract import PUSHED
from rafsight.interfaces.service.jobs.model import MalformedOrder
from rafsight.interfaces.service.web.accepting import ScanWish, accept
from rafsight.interfaces.service.web.endpoints import ANONYMOUS, Answer, Call, Endpoint, answer
from rafsight.interfaces.service.web.event_documents import (
    DOCKER_TYPE,
    HARBOR_TYPES,
    Action,
    DockerEvents,
    Happening,
    HarborEvent,
    Tally,
    docker_happenings,
    harbor_happenings,
)
from rafsight.interfaces.service.web.faults import RequestFault, TooBusy
from rafsight.interfaces.service.web.logs import say
from rafsight.interfaces.service.web.metrics import EVENTS
from rafsight.interfaces.service.web.registries import RegistryRefused
from rafsight.interfaces.service.web.rules import rule_for
from rafsight.interfaces.service.web.service import Service

_GROUP: Final = "events"
_DAY: Final = 24 * 3600 * 1000
"""[ms] A digest that was scanned since is not scanned again because it was pushed again: newer advisories come by
themselves."""


class WrongSecret(RequestFault):
    """Whoever sends an event does not know the secret, or there is none."""

    code = "wrong-secret"
    template = "the event is not taken: its Authorization is not the secret of the settings"
    remedy = "Set events.registry-secret or events.harbor-secret, and send the same in Authorization."
    status = 401


async def _docker(call: Call) -> Response:
    body: DockerEvents = call.body
    return answer(await _take(call.service, docker_happenings(body, _registry(call)), "registry"))


async def _harbor(call: Call) -> Response:
    body: HarborEvent = call.body
    return answer(await _take(call.service, harbor_happenings(body, _registry(call)), "harbor"))


def _registry(call: Call) -> str:
    return call.service.settings.events.registry


def _docker_gate(service: Service, request: Request) -> None:
    check_secret(request, service.settings.events.registry_secret)


def _harbor_gate(service: Service, request: Request) -> None:
    check_secret(request, service.settings.events.harbor_secret)


def check_secret(request: Request, secret: str) -> None:
    """See that whoever sends an event knows the secret; takes the same time whatever is wrong with it.

    Raises: WrongSecret.
    """
    shown = request.headers.get("authorization", "").encode("utf-8", "surrogateescape")
    plain = secret.encode("utf-8", "surrogateescape")
    is_plain = hmac.compare_digest(shown, plain)
    is_bearer = hmac.compare_digest(shown, b"Bearer " + plain)
    if not secret or not (is_plain or is_bearer):
        raise WrongSecret


async def _take(service: Service, happenings: Iterable[Happening | None], kind: str) -> Tally:
    """Do what follows from events.

    Raises: QueueFull, and what the store raises: the registry sends the events again then.
    """
    accepted = ignored = 0
    seen: set[Happening] = set()
    for happening in happenings:
        outcome = "repeated" if happening in seen else await _one(service, happening)
        if happening is not None:
            seen.add(happening)
        service.metrics.count(EVENTS, kind, outcome)
        if outcome in ("scan", "forgotten"):
            accepted += 1
        else:
            ignored += 1
    return Tally(accepted=accepted, ignored=ignored)


async def _one(service: Service, happening: Happening | None) -> str:
    if happening is None:
        return "ignored"
    names = happening.names
    if happening.action is Action.DELETED:
        await service.ask(service.store.forget_image, names.registry, names.repository, digest=names.digest)
        return "forgotten"
    rule = rule_for(service.settings.rules, registry=names.registry, repository=names.repository, tag=names.tag)
    if rule is None:
        return "no-rule"
    wish = ScanWish(
        names=names,
        source=PUSHED,
        scanners=rule.scanners,
        declared=rule.declared,
        platform=rule.platform,
        priority=rule.priority,
        fresh_for=_DAY,
        plain_http=happening.plain_http,
        deliver=rule.deliver,
    )
    try:
        await accept(service, wish)
    except (RegistryRefused, MalformedOrder) as error:
        say("a push was not scanned", code=error.code, reason=str(error))
        return "refused"
    return "scan"


_ANSWERS: Final = (Answer(status=200, what="What became of them.", document=Tally),)

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    Endpoint(
        method="POST",
        path="/events/registry",
        name="post_registry_events",
        summary="Take notifications of a Docker registry (distribution); the secret is events.registry-secret.",
        handler=_docker,
        scope=ANONYMOUS,
        gate=_docker_gate,
        group=_GROUP,
        body=DockerEvents,
        body_types=(DOCKER_TYPE, "application/json"),
        answers=_ANSWERS,
        faults=(WrongSecret, TooBusy),
    ),
    Endpoint(
        method="POST",
        path="/events/harbor",
        name="post_harbor_event",
        summary="Take a webhook of Harbor, in its own format or as a CloudEvent; the secret is events.harbor-secret.",
        handler=_harbor,
        scope=ANONYMOUS,
        gate=_harbor_gate,
        group=_GROUP,
        body=HarborEvent,
        body_types=HARBOR_TYPES,
        answers=_ANSWERS,
        faults=(WrongSecret, TooBusy),
    ),
)
