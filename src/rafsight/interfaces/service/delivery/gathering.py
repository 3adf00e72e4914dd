"""What a notification tells, gathered from the store: the report, what is new in it, why a scan failed.

This module alone decides which earlier report a new one is compared with: the last one of the same tag, else of the
same repository and digest; it has to have looked for vulnerabilities, too.
"""

from typing import TYPE_CHECKING, Final

from rafsight.interfaces.service.delivery.faults import NothingToDeliver
from rafsight.interfaces.service.delivery.notification import Enclosure, Tidings, WhatsNew
from rafsight.interfaces.service.jobs.contract import JobStore
from rafsight.interfaces.service.jobs.model import Delivery, DeliveryEvent, NewNews, News, Paging, ReportHead
from rafsight.interfaces.service.jobs.reports_kept import ReportUnreadable, unpack_report
from rafsight.interfaces.service.workers.novelty import news_between
from rafsight.reports.formats import render
from rafsight.reports.terms import Terms

if TYPE_CHECKING:
    from rafsight import ScanReport

_VULNERABILITIES: Final = "vuln"
_LOOKED_AT: Final = 50
"""Earlier reports among which one to compare with is looked for."""
_NO_NEWS: Final = NewNews(added=(), removed=(), added_count=0, removed_count=0)


def gather(store: JobStore, delivery: Delivery, report_format: str = "") -> Tidings:
    """Gather what a delivery tells.

    Args:
        store: has it.
        delivery: that is due.
        report_format: of a report that is sent along; empty: none is.
    Raises: NothingToDeliver; ReportUnreadable; what the store raises.
    Cost: one report is read, two where there is an earlier one.
    """
    if delivery.event is DeliveryEvent.FAILED:
        job = store.job(delivery.job_id)
        if job is None:
            raise NothingToDeliver(what="job")
        return Tidings(delivery=delivery, failure=job.failure)
    head, report = stored_report(store, delivery.report_id)
    enclosure = None
    if report_format:
        content = render(report, report_format, Terms(created=report.started))
        enclosure = Enclosure(format=report_format, content=content)
    return Tidings(delivery=delivery, head=head, new=_new(store, delivery, head, report), enclosure=enclosure)


def stored_report(store: JobStore, report_id: str) -> "tuple[ReportHead, ScanReport]":
    """Read a report.

    Raises: NothingToDeliver: it was pruned. ReportUnreadable; what the store raises.
    """
    stored = store.report(report_id)
    if stored is None:
        raise NothingToDeliver(what="report")
    return stored.head, unpack_report(stored.content)


def _new(store: JobStore, delivery: Delivery, head: ReportHead, report: "ScanReport") -> WhatsNew | None:
    if delivery.event is DeliveryEvent.NEWS:
        news = store.one_news(delivery.news_id)
        if news is None:
            raise NothingToDeliver(what="news")
        return _whats_new(None, news)
    earlier = _earlier(store, delivery, head)
    if earlier is None:
        return None
    try:
        since, before = stored_report(store, earlier.id)
    except (NothingToDeliver, ReportUnreadable):  # pruned just now, or of another release: then nothing is compared
        return None
    return _whats_new(since, news_between(before, report) or _NO_NEWS)


def _whats_new(since: ReportHead | None, news: News | NewNews) -> WhatsNew:
    return WhatsNew(
        since=since,
        added=news.added,
        removed=news.removed,
        added_count=news.added_count,
        removed_count=news.removed_count,
    )


def _earlier(store: JobStore, delivery: Delivery, head: ReportHead) -> ReportHead | None:
    """Find the report that came before one."""
    place = delivery.place
    if _VULNERABILITIES not in head.scanners:
        return None
    known = store.history(place.registry, place.repository, Paging(limit=_LOOKED_AT), tag=place.tag or None)
    for other in known.items:
        is_earlier = other.id != head.id and other.scanned <= head.scanned
        is_same = bool(place.tag) or other.place.digest == head.place.digest
        if is_earlier and is_same and _VULNERABILITIES in other.scanners:
            return other
    return None
