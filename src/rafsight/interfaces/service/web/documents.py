"""What the API says, as documents: jobs, reports, images and the rest in JSON.

This module alone decides what members they have; `spelling.py` fills them. Times are RFC 3339, sizes [bytes].
"""

from typing import Literal

from rafsight.interfaces.service.web.wire import Document

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Scanner = Literal["vuln", "secret", "misconfig"]


class PlaceDocument(Document, frozen=True, kw_only=True):
    """Where an image lies."""

    reference: str
    registry: str
    repository: str
    digest: str
    tag: str


class FailureDocument(Document, frozen=True, kw_only=True):
    """Why something did not succeed."""

    code: str
    message: str
    remedy: str
    permanent: bool


class SummaryDocument(Document, frozen=True, kw_only=True):
    """A report in numbers."""

    worst: str
    critical: int
    high: int
    medium: int
    low: int
    negligible: int
    unknown: int
    fixable: int
    exploited: int
    secrets: int
    misconfigurations: int
    components: int
    complete: bool


class ReportDocument(Document, frozen=True, kw_only=True):
    """What is known about a report without its content."""

    id: str
    image: PlaceDocument
    read_digest: str
    scanners: list[str]
    scanned: str
    matched: str
    database_digest: str
    database_built: str
    version: str
    summary: SummaryDocument


class JobDocument(Document, frozen=True, kw_only=True):
    """Work, for one or for many who asked."""

    id: str
    state: State
    image: PlaceDocument
    scanners: list[str]
    source: str
    priority: int
    created: str
    started: str | None
    finished: str | None
    attempts: int
    worker: str
    failure: FailureDocument | None
    report_id: str


class ScanDocument(Document, frozen=True, kw_only=True):
    """What somebody asked for, and what has become of it."""

    id: str
    state: State
    image: PlaceDocument
    scanners: list[str]
    source: str
    created: str
    job_id: str
    joined: bool | None
    """Whether it joined a scan that was under way; null when nobody knows any more."""
    attempts: int
    failure: FailureDocument | None
    report: ReportDocument | None


class ImageDocument(Document, frozen=True, kw_only=True):
    """An image that somebody asked for."""

    image: PlaceDocument
    seen: str
    digests: int
    """How many the tag has named."""
    report: ReportDocument | None


class FindingDocument(Document, frozen=True, kw_only=True):
    """A vulnerability that came or went."""

    id: str
    component: str
    version: str
    severity: str
    fixed_version: str


class NewsDocument(Document, frozen=True, kw_only=True):
    """What a newer advisory database says about an image that was scanned before."""

    id: str
    report_id: str
    image: PlaceDocument
    made: str
    database_digest: str
    added_count: int
    removed_count: int
    added: list[FindingDocument]
    removed: list[FindingDocument]


class DeliveryDocument(Document, frozen=True, kw_only=True):
    """A result on its way to somebody."""

    id: str
    kind: str
    event: str
    state: str
    target: str
    image: PlaceDocument
    job_id: str
    report_id: str
    created: str
    attempts: int
    finished: str | None
    failure: FailureDocument | None


class JobPage(Document, frozen=True, kw_only=True):
    """Part of a list of jobs."""

    items: list[JobDocument]
    offset: int
    total: int


class ImagePage(Document, frozen=True, kw_only=True):
    """Part of a list of images."""

    items: list[ImageDocument]
    offset: int
    total: int


class ReportPage(Document, frozen=True, kw_only=True):
    """Part of a list of reports."""

    items: list[ReportDocument]
    offset: int
    total: int


class NewsPage(Document, frozen=True, kw_only=True):
    """Part of a list of news."""

    items: list[NewsDocument]
    offset: int
    total: int


class DeliveryPage(Document, frozen=True, kw_only=True):
    """Part of a list of deliveries."""

    items: list[DeliveryDocument]
    offset: int
    total: int


class DatabaseDocument(Document, frozen=True, kw_only=True):
    """The advisory database."""

    available: bool
    error: str
    """Why it is not."""
    built: str
    newest_record: str
    records: int
    exploited: int
    digest: str
    matched_digest: str
    """Of the database that all stored reports were last matched with."""


class CachePartDocument(Document, frozen=True, kw_only=True):
    """A part of the cache."""

    name: str
    title: str
    size: int


class CacheDocument(Document, frozen=True, kw_only=True):
    """What is kept between scans on this machine."""

    size: int
    parts: list[CachePartDocument]


class ReadyDocument(Document, frozen=True, kw_only=True):
    """Whether requests can be answered, and scans be done."""

    ready: bool
    store: bool
    database: bool
    workers: bool


class StatusDocument(Document, frozen=True, kw_only=True):
    """The state of the service."""

    version: str
    replica: str
    replicas: int
    workers: int
    busy: int
    """Workers of this replica that scan."""
    trouble: str
    """What ails them; empty: nothing."""
    jobs: dict[str, int]
    deliveries: dict[str, int]
    oldest_waiting: str | None
    reports: int
    report_size: int
    images: int
    store_size: int
    database: DatabaseDocument
