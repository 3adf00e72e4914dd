"""Images: the list with the worst findings first, and one image with all its reports.

This module alone decides what these pages show.
"""

from typing import Annotated, Final, Literal

import msgspec
from starlette.responses import Response

from rafsight.interfaces.service.jobs.model import ImageOrder, Paging, Place, ReportHead
from rafsight.interfaces.service.jobs.model import Page as Part
from rafsight.interfaces.service.pages.comparing import comparable
from rafsight.interfaces.service.pages.visits import Page, Visit
from rafsight.interfaces.service.web.faults import NotFound
from rafsight.interfaces.service.web.wire import Offset, Search

_LIMIT: Final = 50
_HISTORY: Final = 100
Name = Annotated[str, msgspec.Meta(max_length=255)]


class ImagesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which images are listed, and how."""

    search: Search = ""
    registry: Name = ""
    order: Literal["worst", "name", "scanned"] = "worst"
    offset: Offset = 0


class ImageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which image is shown: a tag, or a digest where there is no tag."""

    registry: Name
    repository: Name
    tag: Name = ""
    digest: Name = ""


async def _show_images(visit: Visit) -> Response:
    wanted = visit.query(ImagesQuery)
    found = await visit.service.ask(
        visit.service.store.images,
        Paging(offset=wanted.offset, limit=_LIMIT),
        search=wanted.search,
        order=ImageOrder(wanted.order),
        registry=wanted.registry,
    )
    return visit.show("images", found=found, wanted=wanted, limit=_LIMIT)


async def _show_image(visit: Visit) -> Response:
    wanted = visit.query(ImageQuery)
    place = Place(
        registry=wanted.registry,
        repository=wanted.repository,
        tag=wanted.tag,
        digest="" if wanted.tag else wanted.digest,
    )
    found = await history_of(visit, place)
    if not found.items:
        raise NotFound(what="report about this image")
    compared = {head.id for head in found.items if comparable(head, found.items)}
    return visit.show("image", image=place, found=found, compared=compared)


async def history_of(visit: Visit, place: Place) -> Part[ReportHead]:
    """Return the latest reports about an image, the latest scan first: of its tag, else of its digest."""
    found = await visit.service.ask(
        visit.service.store.history,
        place.registry,
        place.repository,
        Paging(limit=_HISTORY),
        tag=place.tag or None,
    )
    if place.tag:
        return found
    items = tuple(head for head in found.items if head.place.digest == place.digest)
    return Part(items=items, offset=0, total=len(items))


PAGES: Final = (
    Page(path="/", name="page_images", get=_show_images, place="images"),
    Page(path="/image", name="page_image", get=_show_image, place="images"),
)
