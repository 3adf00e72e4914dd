"""From the settings to a loop that delivers results.

This module alone decides how a target of the settings becomes a recipient, and who is told of news.
"""

from collections.abc import Callable, Sequence

import rafsight
from rafsight.base.events import Listener
from rafsight.interfaces.service.delivery.calling import Caller
from rafsight.interfaces.service.delivery.loop import (
    DeliveryLoop,
    DeliveryTerms,
    Recipient,
    ReferrerRecipient,
    WebhookRecipient,
)
from rafsight.interfaces.service.delivery.webhook import make_webhook
from rafsight.interfaces.service.jobs.contract import JobStore
from rafsight.interfaces.service.jobs.model import DeliveryKind, DeliveryWish, NewNews, ReportHead
from rafsight.interfaces.service.web.accepting import plain_hosts, wish_for
from rafsight.interfaces.service.web.settings import ServiceSettings, Target


def make_loop(settings: ServiceSettings, store: JobStore, listener: Listener) -> DeliveryLoop:
    """Make the loop that delivers.

    Args:
        settings: name the targets.
        store: has the deliveries.
        listener: told what could not be delivered.
    Raises: MalformedTarget.
    """
    terms = DeliveryTerms(
        recipients={target.name: recipient_of(target) for target in settings.targets},
        options=_options(settings),
        caller=Caller(ca_files=settings.scan.ca_files),
    )
    return DeliveryLoop(store, terms, listener=listener)


def recipient_of(target: Target) -> Recipient:
    """Make a recipient of a target.

    Raises: MalformedTarget.
    """
    if target.kind is DeliveryKind.REFERRER:
        return ReferrerRecipient(report_format=target.format)
    webhook = make_webhook(target.url, target.secret, is_private=target.is_private)
    return WebhookRecipient(webhook=webhook, report_format=target.format)


def wishes_for_news(settings: ServiceSettings) -> Callable[[ReportHead, NewNews], Sequence[DeliveryWish]]:
    """Say who is told when a newer database says more about an image; that it says less is told to nobody."""
    wishes = tuple(wish_for(target) for name in settings.news if (target := settings.target(name)) is not None)
    return lambda head, news: wishes if news.added_count else ()  # noqa: ARG005 - all images are told of alike


def _options(settings: ServiceSettings) -> Callable[[str, bool | None], rafsight.Options]:
    scan = settings.scan

    def make(registry: str, plain_http: bool | None) -> rafsight.Options:
        return rafsight.Options(
            plain_http=plain_http,
            plain_hosts=plain_hosts(settings, (registry,)),
            ca_files=scan.ca_files,
            environment=scan.environment,
            timeout=scan.timeout,
            permits=scan.reach.permits if scan.reach else None,
        )

    return make
