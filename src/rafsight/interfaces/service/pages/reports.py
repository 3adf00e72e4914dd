"""One report: in short, as a whole, and as a file.

The whole is the page of `rafsight scan --format html`: it has a script of its own, and stands in a sandbox, so that
whatever is in it is not of this service's origin. This module alone decides how reports are shown.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from starlette.responses import Response

from rafsight.interfaces.service.jobs.model import Page as Part
from rafsight.interfaces.service.jobs.model import Paging, Place, ReportHead
from rafsight.interfaces.service.pages.comparing import Comparison, Rows, compare, earlier_of, worst_of
from rafsight.interfaces.service.pages.images import history_of
from rafsight.interfaces.service.pages.visits import Page, Visit
from rafsight.interfaces.service.web.endpoints import PATH_PATTERNS
from rafsight.interfaces.service.web.faults import NotFound
from rafsight.interfaces.service.web.report_forms import MEDIA_TYPES, PAGE_HEADERS, Format, document
from rafsight.interfaces.service.web.shelf import Form
from rafsight.reports.formats import FORMATS
from rafsight.reports.gaps import GAP_WORDS
from rafsight.reports.paint import Style
from rafsight.reports.verdict import verdict

if TYPE_CHECKING:
    from rafsight.reports.document import ScanReport

_WORST: Final = 12
_CHANGED: Final = 5
_NEWS: Final = 5
_GAPS: Final = 20
SCANNERS: Final = {"vuln": "Vulnerabilities", "secret": "Secrets", "misconfig": "Misconfiguration"}
"""What can be looked for, as people call it."""
_TONES: Final = {Style.ALARM: "alarm", Style.WARNING: "warning", Style.GOOD: "good"}
_ENDINGS: Final = {
    **dict.fromkeys(("json", "harbor", "gitlab"), "json"),
    "sarif": "sarif",
    "cyclonedx": "cdx.json",
    "spdx": "spdx.json",
    "junit": "xml",
    "markdown": "md",
    "html": "html",
    "table": "txt",
}
_ID: Final = re.compile(PATH_PATTERNS["report_id"])
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")
Name = Annotated[str, msgspec.Meta(max_length=255)]


class ReportQuery(msgspec.Struct, frozen=True, kw_only=True):
    """As which image the report is looked at: several tags can name the same digest."""

    registry: Name = ""
    repository: Name = ""
    tag: Name = ""


class DownloadQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which file is wanted."""

    format: Format = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Short:
    """A report in short."""

    sentences: tuple[tuple[str, str], ...]
    """The verdict, each with its tone."""
    worst: Rows
    changes: Comparison | None
    gaps: tuple[tuple[str, str], ...]
    """What was not looked at, and why."""
    gap_count: int


async def _show_report(visit: Visit) -> Response:
    head = await head_named(visit, str(visit.request.path_params["report_id"]))
    place, history = await place_of(visit, head)
    earlier = earlier_of(head, history.items)
    report = await report_of(visit, head)
    before = None if earlier is None else await visit.service.report(earlier.id)
    short = await visit.service.write(_shorten, report, before)
    news = await visit.service.ask(visit.service.store.news, Paging(limit=_NEWS), report_id=head.id)
    return visit.show(
        "report",
        image=place,
        head=head,
        short=short,
        earlier=earlier if before is not None else None,
        is_first=not history.items or history.items[-1].id == head.id,
        is_latest=not history.items or history.items[0].id == head.id,
        latest=history.items[0] if history.items else head,
        news=news,
        formats=FORMATS,
        scanners=SCANNERS,
    )


async def _show_whole(visit: Visit) -> Response:
    head = await head_named(visit, str(visit.request.path_params["report_id"]))
    content = await document(visit.service, head, Form(format="html", list_all=True))
    return Response(content, media_type=f"{MEDIA_TYPES['html']}; charset=utf-8", headers=PAGE_HEADERS)


async def _give_file(visit: Visit) -> Response:
    wanted = visit.query(DownloadQuery)
    head = await head_named(visit, str(visit.request.path_params["report_id"]))
    content = await document(visit.service, head, Form(format=wanted.format, list_all=True))
    name = f"{_UNFIT.sub('-', head.place.repository)}-{head.place.digest[-12:]}.{_ENDINGS[wanted.format]}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=MEDIA_TYPES[wanted.format], headers=headers)


async def head_named(visit: Visit, report_id: str) -> ReportHead:
    """Find a report.

    Raises: NotFound.
    """
    head = await visit.service.ask(visit.service.store.head, report_id) if _ID.match(report_id) else None
    if head is None:
        raise NotFound(what="report")
    return head


async def report_of(visit: Visit, head: ReportHead) -> "ScanReport":
    """Read a report.

    Raises: NotFound: it was pruned just now. ReportUnreadable.
    """
    report = await visit.service.report(head.id)
    if report is None:
        raise NotFound(what="report")
    return report


async def place_of(visit: Visit, head: ReportHead) -> tuple[Place, Part[ReportHead]]:
    """Return as which image a report is looked at, and the reports about that image.

    The address may name one, which is believed if the report is one of that image's.
    """
    wanted = visit.query(ReportQuery)
    if wanted.registry and wanted.repository:
        place = Place(registry=wanted.registry, repository=wanted.repository, tag=wanted.tag, digest=head.place.digest)
        history = await history_of(visit, place)
        if any(other.id == head.id for other in history.items):
            return place, history
    return head.place, await history_of(visit, head.place)


def _shorten(report: "ScanReport", before: "ScanReport | None") -> _Short:
    return _Short(
        sentences=tuple((text, _TONES.get(style, "")) for text, style in verdict(report)),
        worst=worst_of(report, _WORST),
        changes=None if before is None else compare(before, report, most=_CHANGED),
        gaps=tuple(
            (gap.subject, ": ".join(filter(None, (GAP_WORDS[gap.reason], gap.detail)))) for gap in report.gaps[:_GAPS]
        ),
        gap_count=len(report.gaps),
    )


PAGES: Final = (
    Page(path="/reports/{report_id}", name="page_report", get=_show_report, place="images"),
    Page(path="/reports/{report_id}/full", name="page_report_full", get=_show_whole, place="images"),
    Page(path="/reports/{report_id}/download", name="page_report_file", get=_give_file, place="images"),
)
