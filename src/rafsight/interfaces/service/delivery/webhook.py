"""A notification to a webhook, signed.

    X-Rafsight-Delivery        the id of the delivery; the same when it is tried again
    X-Rafsight-Event           scanned, failed, news
    X-Rafsight-Timestamp       [s since 1970] of this attempt
    X-Rafsight-Signature-256   sha256=HMAC-SHA256(secret, timestamp "." body), in hexadecimal digits

This module alone decides how a notification is signed, and what the receiver's answer means.
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final

from rafsight import __version__
from rafsight.base.errors import RafsightError
from rafsight.interfaces.service.delivery.calling import Answer, Caller
from rafsight.interfaces.service.delivery.faults import MalformedTarget, TargetRefuses
from rafsight.interfaces.service.delivery.outcome import ARRIVED, DeliveryOutcome, Verdict, outcome_of
from rafsight.interfaces.service.delivery.targets import Target, TargetRules, parse_target, rules_for

_SECRET_SIZE: Final = 16
"""[bytes] A shorter secret can be guessed."""
_AGAIN: Final = frozenset((401, 403, 404, 408, 409, 421, 423, 424, 425, 429))
"""Refusals that end by themselves, or when somebody has set the receiver up; all of 5xx do, but for two."""
_NEVER: Final = frozenset((501, 505))
_LONGEST_WISH: Final = 24 * 3600.0
"""[s] a longer Retry-After is taken for this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A receiver of notifications, as the settings name it."""

    target: Target = field(repr=False)
    rules: TargetRules
    secret: bytes = field(repr=False)


def make_webhook(url: str, secret: str, *, is_private: bool = False, networks: tuple[str, ...] = ()) -> Webhook:
    """Check what the settings say about a receiver.

    Args:
        url: of the receiver; without TLS if it begins with `http://`.
        secret: that it shares with us; at least 16 characters.
        is_private: it may lie on this machine, or in a network of one's own.
        networks: more addresses that may be called, such as `10.1.0.0/16`.
    Raises: MalformedTarget.
    """
    target = parse_target(url)
    key = secret.encode("utf-8", "surrogateescape")
    if len(key) < _SECRET_SIZE:
        raise MalformedTarget(target=target.origin, why=f"its secret has fewer than {_SECRET_SIZE} characters")
    return Webhook(target=target, rules=rules_for(target, is_private=is_private, networks=networks), secret=key)


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """Sign a notification.

    Args:
        secret: shared with the receiver.
        timestamp: [s since 1970] of the attempt.
        body: as it is sent.
    Returns: The value of `X-Rafsight-Signature-256`.
    """
    return "sha256=" + hmac.new(secret, b"%d." % timestamp + body, hashlib.sha256).hexdigest()


def deliver(
    webhook: Webhook,
    body: bytes,
    *,
    delivery_id: str,
    event: str,
    caller: Caller,
    clock: Callable[[], float] = time.time,
) -> DeliveryOutcome:
    """Try to deliver a notification, once.

    Args:
        webhook: the receiver.
        body: the notification in JSON.
        delivery_id: by which the receiver knows one that it had already.
        event: what it tells of.
        caller: makes the request.
        clock: [s since 1970].
    Returns: What became of it; nothing is raised for what the receiver, its name or its network do.
    Cost: one request, at most as long as the caller is patient.
    """
    timestamp = int(clock())
    headers = (
        ("Content-Type", "application/json"),
        ("User-Agent", f"rafsight/{__version__}"),
        ("X-Rafsight-Delivery", delivery_id),
        ("X-Rafsight-Event", event),
        ("X-Rafsight-Timestamp", str(timestamp)),
        ("X-Rafsight-Signature-256", sign(webhook.secret, timestamp, body)),
    )
    try:
        answer = caller.post(webhook.target, webhook.rules, headers=headers, body=body)
    except RafsightError as fault:
        return outcome_of(fault)
    return _judge(webhook.target, answer, clock)


def _judge(target: Target, answer: Answer, clock: Callable[[], float]) -> DeliveryOutcome:
    """Tell what an answer means."""
    status = answer.status
    if 200 <= status < 300:
        return ARRIVED
    if 300 <= status < 400:
        why = f"it answers {status}, a redirect; those are not followed, so name the place itself"
        return outcome_of(TargetRefuses(target=target.origin, why=why), verdict=Verdict.NEVER)
    is_passing = status in _AGAIN or (500 <= status < 600 and status not in _NEVER)
    return outcome_of(
        TargetRefuses(target=target.origin, why=f"it answers {status}"),
        verdict=Verdict.AGAIN if is_passing else Verdict.NEVER,
        retry_after=_retry_after(answer, clock) if is_passing else None,
    )


def _retry_after(answer: Answer, clock: Callable[[], float]) -> float | None:
    """Read how long the receiver asks to wait [s]: a number, or a date; None if it does not say."""
    text = answer.retry_after.strip()[:64]
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_WISH)
    try:
        until = parsedate_to_datetime(text).timestamp()
        since = parsedate_to_datetime(answer.date[:64]).timestamp() if answer.date else clock()
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return min(max(until - since, 0.0), _LONGEST_WISH)
