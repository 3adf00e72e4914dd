"""What changed: two scans of an image beside each other, and what newer advisories say about images known before.

This module alone decides what these pages show.
"""

from typing import Annotated, Final

import msgspec
from starlette.responses import Response

from rafsight.interfaces.service.jobs.model import News, Paging, ReportHead
from rafsight.interfaces.service.pages.comparing import comparable, compare, earlier_of
from rafsight.interfaces.service.pages.reports import SCANNERS, ReportQuery, head_named, place_of, report_of
from rafsight.interfaces.service.pages.visits import Page, Visit
from rafsight.interfaces.service.web.endpoints import PATH_PATTERNS
from rafsight.interfaces.service.web.faults import NotFound
from rafsight.interfaces.service.web.wire import Offset
from rafsight.reports.targets import title_of

_MOST: Final = 200
_NEWS: Final = 20
_SHOWN: Final = 10
"""Findings of one piece of news in the list."""
ReportId = Annotated[str, msgspec.Meta(pattern=PATH_PATTERNS["report_id"])]


class ChangesQuery(ReportQuery, frozen=True, kw_only=True):
    """Which reports are compared."""

    report: ReportId
    since: ReportId | None = None
    """An earlier one; none: the one before it."""


class NewsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which news are listed."""

    offset: Offset = 0


async def _show_changes(visit: Visit) -> Response:
    wanted = visit.query(ChangesQuery)
    head = await head_named(visit, wanted.report)
    place, history = await place_of(visit, head)
    earlier = await head_named(visit, wanted.since) if wanted.since else earlier_of(head, history.items)
    if earlier is None:
        raise NotFound(what="earlier report of this image to compare with")
    before, after = await report_of(visit, earlier), await report_of(visit, head)
    comparison = await visit.service.write(compare, before, after, most=_MOST)
    return visit.show(
        "changes",
        image=place,
        head=head,
        earlier=earlier,
        choices=_choices(head, history.items, earlier),
        comparison=comparison,
        scanners=SCANNERS,
        kinds=title_of,
        since_news=await _since_news(visit, head),
    )


async def _show_news(visit: Visit) -> Response:
    wanted = visit.query(NewsQuery)
    found = await visit.service.ask(visit.service.store.news, Paging(offset=wanted.offset, limit=_NEWS))
    return visit.show("news", found=found, limit=_NEWS, shown=_SHOWN)


def _choices(head: ReportHead, history: tuple[ReportHead, ...], chosen: ReportHead) -> tuple[ReportHead, ...]:
    """Return the reports that this one can be compared with."""
    found = comparable(head, history)
    return found if any(one.id == chosen.id for one in found) else (chosen, *found)


async def _since_news(visit: Visit, head: ReportHead) -> dict[str, News]:
    """Return which flaws of a report came with newer advisories, by their ids."""
    found = await visit.service.ask(visit.service.store.news, Paging(limit=_NEWS), report_id=head.id)
    return {finding.id: news for news in found.items for finding in news.added}


PAGES: Final = (
    Page(path="/changes", name="page_changes", get=_show_changes, place="images"),
    Page(path="/news", name="page_news", get=_show_news, place="news"),
)
