"""From the store's values to the API's documents.

This module alone decides how the one is spelled as the other.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from rafsight.interfaces.service.jobs.model import (
    Counts,
    Delivery,
    Failure,
    ImageRow,
    Job,
    NewFinding,
    News,
    Page,
    Place,
    ReportHead,
    Request,
    Summary,
)
from rafsight.interfaces.service.web.documents import (
    DatabaseDocument,
    DeliveryDocument,
    FailureDocument,
    FindingDocument,
    ImageDocument,
    JobDocument,
    NewsDocument,
    PlaceDocument,
    ReportDocument,
    ScanDocument,
    StatusDocument,
    SummaryDocument,
)

Item = TypeVar("Item")
_COUNTED = (
    *("critical", "high", "medium", "low", "negligible", "unknown", "fixable", "exploited"),
    *("secrets", "misconfigurations", "components"),
)


def place_document(place: Place) -> PlaceDocument:
    """Spell a place."""
    return PlaceDocument(
        reference=place.reference,
        registry=place.registry,
        repository=place.repository,
        digest=place.digest,
        tag=place.tag,
    )


def failure_document(failure: Failure | None) -> FailureDocument | None:
    """Spell a failure."""
    if failure is None:
        return None
    return FailureDocument(
        code=failure.code, message=failure.message, remedy=failure.remedy, permanent=failure.is_permanent
    )


def summary_document(summary: Summary) -> SummaryDocument:
    """Spell a summary."""
    values: dict[str, Any] = {name: getattr(summary, name) for name in _COUNTED}
    return SummaryDocument(worst=summary.worst, complete=summary.is_complete, **values)


def report_document(head: ReportHead) -> ReportDocument:
    """Spell a report."""
    return ReportDocument(
        id=head.id,
        image=place_document(head.place),
        read_digest=head.read_digest,
        scanners=list(head.scanners),
        scanned=time_text(head.scanned),
        matched=time_text(head.matched),
        database_digest=head.database_digest,
        database_built=head.database_built,
        version=head.version,
        summary=summary_document(head.summary),
    )


def job_document(job: Job) -> JobDocument:
    """Spell a job."""
    return JobDocument(
        id=job.id,
        state=job.state.value,
        image=place_document(job.place),
        scanners=list(job.scanners),
        source=job.source,
        priority=job.priority,
        created=time_text(job.created),
        started=optional_time(job.started),
        finished=optional_time(job.finished),
        attempts=job.attempts,
        worker=job.worker,
        failure=failure_document(job.failure),
        report_id=job.report_id,
    )


def scan_document(request: Request, job: Job, head: ReportHead | None, *, joined: bool | None = None) -> ScanDocument:
    """Spell a request and its job.

    Args:
        request: of whoever asks.
        job: that it waits for.
        head: of the report, if there is one.
        joined: whether the job was there before.
    """
    return ScanDocument(
        id=request.id,
        state=job.state.value,
        image=place_document(request.place),
        scanners=list(job.scanners),
        source=request.source,
        created=time_text(request.created),
        job_id=job.id,
        joined=joined,
        attempts=job.attempts,
        failure=failure_document(job.failure),
        report=report_document(head) if head else None,
    )


def image_document(row: ImageRow) -> ImageDocument:
    """Spell an image."""
    report = report_document(row.report) if row.report else None
    return ImageDocument(
        image=place_document(row.place), seen=time_text(row.seen), digests=row.history_count, report=report
    )


def news_document(news: News) -> NewsDocument:
    """Spell news."""
    return NewsDocument(
        id=news.id,
        report_id=news.report_id,
        image=place_document(news.place),
        made=time_text(news.made),
        database_digest=news.database_digest,
        added_count=news.added_count,
        removed_count=news.removed_count,
        added=list(map(_finding, news.added)),
        removed=list(map(_finding, news.removed)),
    )


def delivery_document(delivery: Delivery) -> DeliveryDocument:
    """Spell a delivery."""
    return DeliveryDocument(
        id=delivery.id,
        kind=delivery.kind.value,
        event=delivery.event.value,
        state=delivery.state.value,
        target=delivery.target,
        image=place_document(delivery.place),
        job_id=delivery.job_id,
        report_id=delivery.report_id,
        created=time_text(delivery.created),
        attempts=delivery.attempts,
        finished=optional_time(delivery.finished),
        failure=failure_document(delivery.failure),
    )


def status_document(
    counts: Counts, database: DatabaseDocument, *, version: str, replica: str, workers: int, busy: int, trouble: str
) -> StatusDocument:
    """Spell the state of the service.

    Args:
        counts: of the store.
        database: the advisory database.
        version: of rafsight.
        replica: this one.
        workers: of this replica.
        busy: those of them that scan.
        trouble: what ails them.
    """
    return StatusDocument(
        version=version,
        replica=replica,
        replicas=counts.replicas,
        workers=workers,
        busy=busy,
        trouble=trouble,
        jobs={state.value: amount for state, amount in counts.jobs.items()},
        deliveries={state.value: amount for state, amount in counts.deliveries.items()},
        oldest_waiting=optional_time(counts.oldest_waiting),
        reports=counts.reports,
        report_size=counts.report_size,
        images=counts.images,
        store_size=counts.store_size,
        database=database,
    )


def page_fields(page: Page[Item], spell: Callable[[Item], Any]) -> dict[str, Any]:
    """Spell a part of a list."""
    return {"items": [spell(item) for item in page.items], "offset": page.offset, "total": page.total}


def time_text(moment: int) -> str:
    """Write a time, RFC 3339.

    Args:
        moment: [ms since 1970]
    """
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def optional_time(moment: int | None) -> str | None:
    """Write a time, if there is one."""
    return None if moment is None else time_text(moment)


def _finding(finding: NewFinding) -> FindingDocument:
    return FindingDocument(
        id=finding.id,
        component=finding.component,
        version=finding.version,
        severity=finding.severity,
        fixed_version=finding.fixed_version,
    )
