"""Images, their reports, and what is new about them.

This module alone decides what the addresses below `/v1/images`, `/v1/reports` and `/v1/news` do.
"""

from typing import Annotated, Final, Literal

import msgspec
from starlette.responses import Response

from rafsight.interfaces.service.jobs.model import ImageOrder, Paging, ReportHead
from rafsight.interfaces.service.web.documents import ImagePage, NewsPage, ReportDocument, ReportPage
from rafsight.interfaces.service.web.endpoints import Answer, Call, Endpoint, answer
from rafsight.interfaces.service.web.faults import NotAcceptable, NotFound
from rafsight.interfaces.service.web.report_forms import ANSWER, ReportWish, give_report
from rafsight.interfaces.service.web.spelling import image_document, news_document, page_fields, report_document
from rafsight.interfaces.service.web.wire import Limit, Offset, Search, Wish

_GROUP: Final = "images"
Name = Annotated[str, msgspec.Meta(max_length=255)]


class ImagesWish(Wish, frozen=True, kw_only=True):
    """Which images are listed."""

    search: Search = ""
    registry: Name = ""
    order: Literal["worst", "name", "scanned"] = "worst"
    offset: Offset = 0
    limit: Limit = 50


class HistoryWish(Wish, frozen=True, kw_only=True):
    """Of which repository the reports are listed."""

    registry: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    repository: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    tag: Name | None = None
    offset: Offset = 0
    limit: Limit = 50


class NewsWish(Wish, frozen=True, kw_only=True):
    """Which news are listed."""

    report: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = ""
    """Id of a report."""
    offset: Offset = 0
    limit: Limit = 50


async def _get_images(call: Call) -> Response:
    wish: ImagesWish = call.query
    page = await call.service.ask(
        call.service.store.images,
        Paging(offset=wish.offset, limit=wish.limit),
        search=wish.search,
        order=ImageOrder(wish.order),
        registry=wish.registry,
    )
    return answer(ImagePage(**page_fields(page, image_document)))


async def _get_image(call: Call) -> Response:
    return answer(report_document(await _latest(call)))


async def _get_image_report(call: Call) -> Response:
    return await give_report(call.service, await _latest(call), call.query, call.request.headers.get("accept", ""))


async def _get_reports(call: Call) -> Response:
    wish: HistoryWish = call.query
    page = await call.service.ask(
        call.service.store.history,
        wish.registry,
        wish.repository,
        Paging(offset=wish.offset, limit=wish.limit),
        tag=wish.tag,
    )
    return answer(ReportPage(**page_fields(page, report_document)))


async def _get_report(call: Call) -> Response:
    return answer(report_document(await _report(call)))


async def _get_report_content(call: Call) -> Response:
    return await give_report(call.service, await _report(call), call.query, call.request.headers.get("accept", ""))


async def _get_news(call: Call) -> Response:
    wish: NewsWish = call.query
    page = await call.service.ask(
        call.service.store.news, Paging(offset=wish.offset, limit=wish.limit), report_id=wish.report
    )
    return answer(NewsPage(**page_fields(page, news_document)))


async def _latest(call: Call) -> ReportHead:
    head = await call.service.ask(call.service.store.latest, call.path["digest"])
    if head is None:
        raise NotFound(what="report about this digest")
    return head


async def _report(call: Call) -> ReportHead:
    head = await call.service.ask(call.service.store.head, call.path["report_id"])
    if head is None:
        raise NotFound(what="report")
    return head


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/images",
        name="get_images",
        summary="List images: what each tag names now, and what was asked for by digest alone.",
        handler=_get_images,
        scope="read",
        group=_GROUP,
        query=ImagesWish,
        answers=(Answer(status=200, what="Part of the list.", document=ImagePage),),
    ),
    Endpoint(
        method="GET",
        path="/v1/images/{digest}",
        name="get_image",
        summary="See what is known about a digest.",
        handler=_get_image,
        scope="read",
        group=_GROUP,
        answers=(Answer(status=200, what="The latest report, without its content.", document=ReportDocument),),
    ),
    Endpoint(
        method="GET",
        path="/v1/images/{digest}/report",
        name="get_image_report",
        summary="Fetch the latest report about a digest, in any format.",
        handler=_get_image_report,
        scope="read",
        group=_GROUP,
        query=ReportWish,
        answers=(ANSWER,),
        faults=(NotAcceptable,),
    ),
    Endpoint(
        method="GET",
        path="/v1/reports",
        name="get_reports",
        summary="List the reports about a repository, the latest scan first.",
        handler=_get_reports,
        scope="read",
        group=_GROUP,
        query=HistoryWish,
        answers=(Answer(status=200, what="Part of the list.", document=ReportPage),),
    ),
    Endpoint(
        method="GET",
        path="/v1/reports/{report_id}",
        name="get_report",
        summary="See what is known about a report.",
        handler=_get_report,
        scope="read",
        group=_GROUP,
        answers=(Answer(status=200, what="The report, without its content.", document=ReportDocument),),
    ),
    Endpoint(
        method="GET",
        path="/v1/reports/{report_id}/content",
        name="get_report_content",
        summary="Fetch a report, in any format.",
        handler=_get_report_content,
        scope="read",
        group=_GROUP,
        query=ReportWish,
        answers=(ANSWER,),
        faults=(NotAcceptable,),
    ),
    Endpoint(
        method="GET",
        path="/v1/news",
        name="get_news",
        summary="List what newer advisory databases said about images that were scanned before.",
        handler=_get_news,
        scope="read",
        group=_GROUP,
        query=NewsWish,
        answers=(Answer(status=200, what="Part of the list.", document=NewsPage),),
    ),
)
