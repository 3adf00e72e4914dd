"""Takes deliveries that are due, tries each, and says in the store what became of it.

A delivery that is being tried belongs to one loop for a while; if its process dies, it is due again, so that everything
arrives at least once. This module alone decides how often something is tried, and when.
"""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rafsight.base.errors import Defect, RafsightError
from rafsight.base.events import Listener, Noticed, silent
from rafsight.interfaces.service.delivery import referrer, webhook
from rafsight.interfaces.service.delivery.calling import Caller
from rafsight.interfaces.service.delivery.faults import NoRecipient, NothingToDeliver
from rafsight.interfaces.service.delivery.gathering import gather, stored_report
from rafsight.interfaces.service.delivery.notification import write_notification
from rafsight.interfaces.service.delivery.outcome import DeliveryOutcome, Verdict, outcome_of
from rafsight.interfaces.service.delivery.webhook import Webhook
from rafsight.interfaces.service.jobs.contract import JobStore
from rafsight.interfaces.service.jobs.model import Delivery, DeliveryKind, Failure

if TYPE_CHECKING:
    from rafsight import Options

_MINUTE: Final = 60_000
"""[ms]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRecipient:
    """A target of the settings that is told by a webhook."""

    webhook: Webhook
    report_format: str = ""
    """Of the report that is sent along; empty: none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferrerRecipient:
    """A target of the settings that is an artifact beside the image."""

    report_format: str = "sarif"


Recipient = WebhookRecipient | ReferrerRecipient


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTerms:
    """How deliveries are made."""

    recipients: Mapping[str, Recipient] = field(default_factory=dict)
    """By the names that deliveries have as their target."""
    options: "Callable[[str, bool | None], Options]"
    """Says how a registry is reached and who we are there: from `HOST[:PORT]`, and whether the one who asked for the
    scan named it with `http://` (None: nobody said)."""
    caller: Caller = field(default_factory=Caller)
    threads: int = 2
    """Deliveries at the same time."""
    attempts: int = 16
    """Before a delivery is given up: with the times below, after about seven hours."""
    first_delay: int = 10_000
    """[ms] before the second attempt; doubles from attempt to attempt."""
    longest_delay: int = 60 * _MINUTE
    """[ms]"""
    lease: int = 10 * _MINUTE
    """[ms] after which a delivery is due again if nobody says what became of it; longer than any attempt takes."""
    idle: float = 5.0
    """[s] after which somebody looks again where nothing was due."""


class DeliveryLoop:
    """The deliveries of one replica. Several may share a store."""

    def __init__(
        self,
        store: JobStore,
        terms: DeliveryTerms,
        *,
        listener: Listener = silent,
        dice: Callable[[], float] = random.random,
    ) -> None:
        """Begin nothing yet.

        Args:
            store: of all replicas.
            terms: how deliveries are made.
            listener: told what could not be delivered.
            dice: a number from 0 to 1, so that what failed together does not come back together.
        """
        self._store = store
        self._terms = terms
        self._listener = listener
        self._dice = dice
        self._ending = threading.Event()
        self._woken = threading.Condition()
        self._wakes = 0
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to deliver, in threads."""
        for number in range(self._terms.threads):
            thread = threading.Thread(target=self._run, name=f"rafsight-delivery-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def wake(self) -> None:
        """Say that something may be due."""
        with self._woken:
            self._wakes += 1
            self._woken.notify_all()

    def stop(self, grace: float = 15.0) -> bool:
        """End; what is being tried may be finished. What is not is due again after its lease.

        Args:
            grace: [s] to wait.
        Returns: Whether all has ended.
        """
        self._ending.set()
        self.wake()
        for thread in self._threads:
            thread.join(grace / max(len(self._threads), 1))
        return not any(thread.is_alive() for thread in self._threads)

    def deliver_one(self) -> bool:
        """Try the next delivery that is due; False: there is none.

        Raises: what the store raises.
        """
        delivery = self._store.claim_delivery(lease=self._terms.lease)
        if delivery is None:
            return False
        outcome = self._attempt(delivery)
        if outcome.verdict is Verdict.DONE:
            self._store.delivered(delivery.id, delivery.ticket)
            return True
        retry_in = self._retry_in(delivery, outcome)
        failure = Failure(
            code=outcome.code,
            message=outcome.message,
            remedy=outcome.remedy,
            is_permanent=outcome.verdict is Verdict.NEVER,
        )
        self._store.delivery_failed(delivery.id, delivery.ticket, failure, retry_in=retry_in)
        again = "is given up" if retry_in is None else f"is tried again in {retry_in // 1000} s"
        self._listener(Noticed(message=f"a delivery to {delivery.target} {again}: {outcome.message}"))
        return True

    def _run(self) -> None:
        while not self._ending.is_set():
            with self._woken:
                seen = self._wakes
            try:
                was_due = self.deliver_one()
            except RafsightError as fault:  # of the store: what was claimed is due again after its lease
                self._listener(Noticed(message=f"deliveries wait: {fault}"))
                was_due = False
            except Exception as error:  # noqa: BLE001 - a mistake of ours must not end all deliveries
                defect = Defect(what=f"a delivery ended in {type(error).__name__}: {error}")
                self._listener(Noticed(message=str(defect)))
                was_due = False
            if not was_due:
                with self._woken:
                    self._woken.wait_for(lambda seen=seen: self._wakes != seen, self._terms.idle)  # type: ignore[misc]

    def _attempt(self, delivery: Delivery) -> DeliveryOutcome:
        try:
            recipient = self._terms.recipients.get(delivery.target)
            if isinstance(recipient, WebhookRecipient) and delivery.kind is DeliveryKind.WEBHOOK:
                return self._notify(delivery, recipient)
            if isinstance(recipient, ReferrerRecipient) and delivery.kind is DeliveryKind.REFERRER:
                return self._attach(delivery, recipient)
            return outcome_of(NoRecipient(name=delivery.target))
        except RafsightError as fault:
            return outcome_of(fault)
        except Exception as error:  # noqa: BLE001 - one delivery that we cannot make must not stop all others
            return DeliveryOutcome(verdict=Verdict.AGAIN, code="defect", message=f"{type(error).__name__} in rafsight")

    def _notify(self, delivery: Delivery, recipient: WebhookRecipient) -> DeliveryOutcome:
        body = write_notification(gather(self._store, delivery, recipient.report_format))
        return webhook.deliver(
            recipient.webhook, body, delivery_id=delivery.id, event=delivery.event.value, caller=self._terms.caller
        )

    def _attach(self, delivery: Delivery, recipient: ReferrerRecipient) -> DeliveryOutcome:
        if not delivery.report_id:  # nothing can be attached for a scan that failed
            return outcome_of(NothingToDeliver(what="report"))
        head, report = stored_report(self._store, delivery.report_id)
        place = delivery.place
        digest = place.digest or head.place.digest
        job = self._store.job(delivery.job_id) if delivery.job_id else None
        options = self._terms.options(place.registry, job.plain_http if job is not None else None)
        reference = f"{place.registry}/{place.repository}@{digest}"
        return referrer.deliver(report, reference, recipient.report_format, options=options)

    def _retry_in(self, delivery: Delivery, outcome: DeliveryOutcome) -> int | None:
        """Return when to try again [ms]; None: never."""
        terms = self._terms
        if outcome.verdict is Verdict.NEVER or delivery.attempts >= terms.attempts:
            return None
        doubled = min(terms.first_delay * 2 ** min(max(delivery.attempts - 1, 0), 30), terms.longest_delay)
        wished = int((outcome.retry_after or 0) * 1000)
        return max(int(doubled * (0.75 + 0.5 * self._dice())), wished)
