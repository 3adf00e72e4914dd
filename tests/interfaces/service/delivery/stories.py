"""A store in which images were scanned, and deliveries are due."""

from dataclasses import replace

from tests.interfaces.service.orders import digest as digest_of
from tests.interfaces.service.orders import place
from tests.reports.samples import PLANTED

from rafsight.interfaces.service.jobs.model import DeliveryKind, DeliveryWish, Failure, NewFinding, NewNews, Order
from rafsight.interfaces.service.jobs.reports_kept import pack_report

HOOK = DeliveryWish(kind=DeliveryKind.WEBHOOK, target="hook")
TELLING = DeliveryWish(kind=DeliveryKind.WEBHOOK, target="hook", tells_failures=True)
BESIDE = DeliveryWish(kind=DeliveryKind.REFERRER, target="beside")
FEWER = replace(PLANTED, findings=PLANTED.findings[2:])
"""The planted report without its first two findings."""
NEWS = NewNews(
    added=(NewFinding(id="CVE-2026-1", component="libx", version="1", severity="high", fixed_version="2"),),
    removed=(),
    added_count=1,
    removed_count=0,
)


def scan(store, report=PLANTED, *, number=1, tag="v1", wishes=(HOOK,), where=None, digest="", **more):
    """Do a whole job; the head of its report."""
    order = Order(place=where or place(number, tag=tag), wishes=tuple(wishes), **more)
    accepted = store.accept(order, replica="a", queue_limit=100)
    claimed = store.claim(worker="w", replica="a", lease=60_000)
    assert claimed.job.id == accepted.job.id
    new = pack_report(report, digest=digest or order.place.digest, version="0.1.0")
    return store.finish(claimed.job.id, claimed.ticket, new)


def fail(store, *, number=1, wishes=(TELLING,)):
    """Do a whole job that fails; its id."""
    accepted = store.accept(Order(place=place(number, tag="v1"), wishes=tuple(wishes)), replica="a", queue_limit=100)
    claimed = store.claim(worker="w", replica="a", lease=60_000)
    failure = Failure(code="not-found", message="there is <no> such image", remedy="Push it.", is_permanent=True)
    store.fail(claimed.job.id, claimed.ticket, failure, retry_in=None)
    return accepted.job.id


def revise(store, head, *, wishes=(HOOK,)):
    """Match a report again, with news."""
    new = replace(pack_report(PLANTED, digest=head.place.digest, version="0.1.0"), database_digest=digest_of(9))
    return store.revise(head.id, new, seen_matched=head.matched, news=NEWS, wishes=wishes)
