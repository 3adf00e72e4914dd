"""What the service is asked for, and what it keeps. Values only.

This module alone decides what an order, a job and a stored report are. Times are whole milliseconds since 1970 [ms];
ids are opaque random text. No value here holds a credential.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Generic, TypeVar

from rafsight.base.errors import CallerError, ExitStatus

Item = TypeVar("Item")

NAME_LENGTH: Final = 255
"""The longest registry, repository, tag or digest [characters]."""
TARGET_LENGTH: Final = 2048
NOTE_LENGTH: Final = 8192
"""The longest note [characters]."""
WISH_COUNT: Final = 16
"""The most deliveries that one order may ask for."""
PAGE_LIMIT: Final = 200
"""The most rows of one answer."""


class MalformedOrder(CallerError):
    """An order has a field that cannot be kept."""

    code = "malformed-order"
    template = "the field {field} of a scan request is not usable: {why}"
    remedy = "Name a registry, a repository, and a digest or a tag, as registries write them."
    exit_status = ExitStatus.USAGE


class JobState(StrEnum):
    """Where a job stands. It moves down this list, and from RUNNING back to WAITING."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


LIVE_STATES: Final = (JobState.WAITING, JobState.RUNNING)


class DeliveryKind(StrEnum):
    """How a result reaches somebody."""

    WEBHOOK = "webhook"
    REFERRER = "referrer"
    """An artifact in the image's own repository that refers to the image."""


class DeliveryEvent(StrEnum):
    """What a delivery tells of."""

    SCANNED = "scanned"
    FAILED = "failed"
    NEWS = "news"
    """A newer advisory database says more about an image that was scanned before."""


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    HELD = "held"
    """Its job is not done."""
    DUE = "due"
    """To be sent at its time, or being sent."""
    DONE = "done"
    FAILED = "failed"
    """Given up."""
    DROPPED = "dropped"
    """Its job ended in a way that nobody is to be told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an image lies."""

    registry: str
    """`HOST[:PORT]`."""
    repository: str
    digest: str = ""
    """Of the manifest or index that was asked for; empty: what `tag` names when the job runs."""
    tag: str = ""
    """Empty if only the digest is known."""

    def __post_init__(self) -> None:
        """Check what strangers wrote.

        Raises: MalformedOrder.
        """
        for name in ("registry", "repository", "digest", "tag"):
            value = getattr(self, name)
            if len(value) > NAME_LENGTH:
                raise MalformedOrder(field=name, why=f"it has more than {NAME_LENGTH} characters")
            if not value.isascii() or not value.isprintable() or " " in value:
                raise MalformedOrder(field=name, why="it has characters that no such name has")
        if not self.registry or not self.repository:
            raise MalformedOrder(field="repository" if self.registry else "registry", why="it is empty")
        if not self.digest and not self.tag:
            raise MalformedOrder(field="digest", why="it is empty, and so is the tag")

    @property
    def reference(self) -> str:
        """`HOST/REPOSITORY@DIGEST`, or `HOST/REPOSITORY:TAG` where only the tag is known."""
        return f"{self.registry}/{self.repository}" + (f"@{self.digest}" if self.digest else f":{self.tag}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryWish:
    """Who is to be told about the result."""

    kind: DeliveryKind
    target: str
    """A URL, or a name that the settings explain; never a secret."""
    note: str = ""
    """For whoever delivers: opaque here."""
    tells_failures: bool = False
    """Also tell when the job failed for good or was cancelled."""

    def __post_init__(self) -> None:
        """Check what strangers wrote.

        Raises: MalformedOrder.
        """
        check_text("target", self.target, TARGET_LENGTH)
        check_text("note", self.note, NOTE_LENGTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A scan that somebody wants."""

    place: Place
    scanners: tuple[str, ...] = ("vuln",)
    """Of `vuln`, `secret`, `misconfig`."""
    declared: bool = False
    """Read lock files, too."""
    platform: str = ""
    """`OS/ARCH[/VARIANT]`, for an index; empty: the service's own choice."""
    plain_http: bool | None = None
    """As the requester's address says (`http://`); None: as `rafsight.Options` decides."""
    source: str = "api"
    """Who asked, for people and metrics: `harbor`, `push`, `api`, `page`."""
    priority: int = 0
    """Higher ones go first; -100 to 100."""
    fresh_for: int = 0
    """[ms] A report that was made or matched again no longer ago is taken instead of a scan; 0: scan in any case."""
    is_lent: bool = False
    """A credential came with it, held in the memory of the replica that accepts it."""
    note: str = ""
    """For whoever accepts: kept with the request, opaque here (such as the media type that Harbor names)."""
    wishes: tuple[DeliveryWish, ...] = ()

    def __post_init__(self) -> None:
        """Check what strangers wrote.

        Raises: MalformedOrder.
        """
        for name in ("platform", "source"):
            value = getattr(self, name)
            if len(value) > NAME_LENGTH or not value.isascii() or not (value.isprintable()):
                raise MalformedOrder(field=name, why="it is too long, or has characters that no such name has")
        if not self.scanners or set(self.scanners) - {"vuln", "secret", "misconfig"}:
            raise MalformedOrder(field="scanners", why="they are vuln, secret and misconfig")
        if not -100 <= self.priority <= 100:
            raise MalformedOrder(field="priority", why="it is from -100 to 100")
        if len(self.wishes) > WISH_COUNT:
            raise MalformedOrder(field="wishes", why=f"there are more than {WISH_COUNT}")
        check_text("note", self.note, NOTE_LENGTH)

    @property
    def key(self) -> str:
        """What makes two orders the same work: the digest (or the reference), the scanners, the platform."""
        what = self.place.digest or self.place.reference
        words = (what, "+".join(sorted(set(self.scanners))), "declared" if self.declared else "", self.platform)
        return " ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job or a delivery did not succeed."""

    code: str
    message: str
    remedy: str = ""
    is_permanent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work that was accepted; one for all who asked for the same."""

    id: str
    state: JobState
    place: Place
    """Of the order that began it."""
    scanners: tuple[str, ...]
    declared: bool
    platform: str
    plain_http: bool | None
    source: str
    priority: int
    created: int
    """[ms]"""
    due: int
    """[ms] It is not begun before."""
    started: int | None
    """[ms] When the latest attempt began."""
    finished: int | None
    """[ms] When it was done, given up or cancelled."""
    attempts: int
    """Begun ones, without those that were given back untried."""
    worker: str
    """Who runs it or ran it last, for people; empty: nobody yet."""
    replica: str
    lease_until: int | None
    """[ms] Until then nobody else takes it."""
    failure: Failure | None
    """Of the latest attempt that failed."""
    report_id: str
    """Empty unless it is done; also empty when the report was pruned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one requester was promised. Its id is what Harbor calls the scan id."""

    id: str
    job_id: str
    place: Place
    plain_http: bool | None
    source: str
    note: str
    created: int
    """[ms]"""
    is_lent: bool
    """A credential came with it."""
    replica: str
    """Who accepted it, and holds the credential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The answer to an order; it is durable."""

    request: Request
    job: Job
    is_new: bool
    """False: it joined a job that was there, waiting, running or freshly done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A job that one worker has, for a while."""

    job: Job
    ticket: str
    """To be shown with whatever is said about this attempt; another claim makes it void."""
    requests: tuple[Request, ...]
    """All who wait, the earliest first: places to read the image from, and whose credentials may be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A report in numbers. Vulnerabilities count once an id and component."""

    critical: int = 0
    high: int = 0
    medium: int = 0
    low: int = 0
    negligible: int = 0
    """Flaws without effect on security by the distribution's own word; not among those of `total`."""
    unknown: int = 0
    """Vulnerabilities whose severity nobody says."""
    fixable: int = 0
    """Of all vulnerabilities: those with a fixed version."""
    exploited: int = 0
    """Of all vulnerabilities: those known to be exploited."""
    secrets: int = 0
    misconfigurations: int = 0
    components: int = 0
    is_complete: bool = True
    """False: something was not looked at, so that few findings mean little."""

    @property
    def total(self) -> int:
        """All vulnerabilities."""
        return self.critical + self.high + self.medium + self.low + self.unknown

    @property
    def worst(self) -> str:
        """The highest severity that occurs, in lower case; empty if there is no vulnerability."""
        names = ("critical", "high", "medium", "low", "unknown", "negligible")
        return next((name for name in names if getattr(self, name)), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReport:
    """A report that is to be kept."""

    content: bytes = field(repr=False)
    """As `reports_kept.pack_report` makes it."""
    summary: Summary
    digest: str
    """Of what was asked for, verified: the order's, or what the tag named."""
    read_digest: str
    """Of the manifest that was read: the same, one of its index, or its Nydus twin."""
    database_digest: str
    """Of the advisory database that was asked; empty: none."""
    database_built: str = ""
    """RFC 3339; empty: none."""
    version: str = ""
    """Of rafsight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHead:
    """All about a stored report except its content."""

    id: str
    place: Place
    """Of the order that led to it, with the digest that was found where only a tag was named."""
    scanners: tuple[str, ...]
    read_digest: str
    database_digest: str
    database_built: str
    version: str
    scanned: int
    """[ms] When the image was read."""
    matched: int
    """[ms] When the advisories were last asked."""
    summary: Summary
    size: int
    """[bytes] of the content as it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """A report as it is kept."""

    head: ReportHead
    content: bytes = field(repr=False)
    """For `reports_kept.unpack_report`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFinding:
    """One vulnerability that came (or is known to be exploited now), or went, when an image was matched again."""

    id: str
    component: str
    version: str
    severity: str
    """In lower case."""
    fixed_version: str = ""
    is_exploited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a newer advisory database says about an image that was scanned before."""

    id: str
    report_id: str
    place: Place
    made: int
    """[ms]"""
    database_digest: str
    added: tuple[NewFinding, ...]
    """The worst first; at most `NEWS_SHOWN` of them."""
    removed: tuple[NewFinding, ...]
    """Likewise."""
    added_count: int
    removed_count: int


NEWS_SHOWN: Final = 500
"""Findings that news name each way; the counts say how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNews:
    """News that are to be kept."""

    added: tuple[NewFinding, ...]
    removed: tuple[NewFinding, ...]
    added_count: int
    removed_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Something that has to reach somebody."""

    id: str
    kind: DeliveryKind
    event: DeliveryEvent
    state: DeliveryState
    target: str
    note: str
    place: Place
    """The image, where the requester named it."""
    job_id: str
    """Empty for news."""
    report_id: str
    """Empty where there is none: a failed job."""
    news_id: str
    """Empty unless it is about news."""
    created: int
    due: int
    """[ms] Not sent before."""
    attempts: int
    finished: int | None
    failure: Failure | None
    """Of the latest attempt."""
    ticket: str = ""
    """Of the claim; empty in lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """An image as people look for it: the latest of a tag, or one without any."""

    place: Place
    seen: int
    """[ms] When somebody last asked for it and got a report."""
    report: ReportHead | None
    """The latest; None: pruned."""
    history_count: int
    """Digests that this tag has named, this one included."""


class ImageOrder(StrEnum):
    """How images are sorted."""

    WORST = "worst"
    """Most critical ones first, then most high ones, and so on; those without a report last."""
    NAME = "name"
    SCANNED = "scanned"
    """The latest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Which part of a list is wanted."""

    offset: int = 0
    limit: int = 50

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises: MalformedOrder.
        """
        if not 0 <= self.offset <= 10_000_000 or not 1 <= self.limit <= PAGE_LIMIT:
            raise MalformedOrder(field="page", why=f"it starts at 0 or later and has 1 to {PAGE_LIMIT} rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Part of a list."""

    items: tuple[Item, ...]
    offset: int
    total: int
    """Rows of the whole list."""

    @property
    def has_more(self) -> bool:
        """Tell whether rows follow."""
        return self.offset + len(self.items) < self.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The state of the store in numbers."""

    jobs: Mapping[JobState, int]
    """Every state has a number."""
    oldest_waiting: int | None
    """[ms] When the job was accepted that waits longest, of those that are due."""
    reports: int
    report_size: int
    """[bytes] of their contents."""
    images: int
    deliveries: Mapping[DeliveryState, int]
    """Every state has a number."""
    replicas: int
    """Alive ones."""
    store_size: int
    """[bytes] of the database as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Somebody's right to use the service. The token itself is kept nowhere, only its digest."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created: int
    expires: int | None
    """[ms]; None: never."""
    used: int | None
    """[ms] When it was last used, to the minute; None: never."""
    revoked: int | None
    """[ms]; None: it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What pruning removed."""

    jobs: int
    requests: int
    reports: int
    deliveries: int
    freed: int
    """[bytes] of contents."""


def check_text(name: str, text: str, length: int) -> None:
    """Refuse text that a database cannot keep.

    Args:
        name: of the field, for the message.
        text: from strangers.
        length: [characters] at most.
    Raises: MalformedOrder.
    """
    if len(text) > length:
        raise MalformedOrder(field=name, why=f"it has more than {length} characters")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise MalformedOrder(field=name, why="it has characters that are none")
