"""Which form of a report a client wants: by `?format=`, else by the header Accept.

This module alone decides which media type each format has.
"""

from typing import Annotated, Final, Literal

import msgspec
from starlette.responses import Response

from rafsight.base.severity import Severity
from rafsight.interfaces.service.jobs.model import ReportHead
from rafsight.interfaces.service.web.endpoints import Answer
from rafsight.interfaces.service.web.faults import MalformedRequest, NotAcceptable, NotFound
from rafsight.interfaces.service.web.metrics import RENDERED
from rafsight.interfaces.service.web.service import Service
from rafsight.interfaces.service.web.shelf import Form
from rafsight.interfaces.service.web.wire import Wish
from rafsight.reports.formats import NAMES

MEDIA_TYPES: Final = {
    "json": "application/json",
    "sarif": "application/sarif+json",
    "cyclonedx": "application/vnd.cyclonedx+json",
    "spdx": "application/spdx+json",
    "gitlab": "application/vnd.gitlab.container-scanning+json",
    "junit": "application/xml",
    "markdown": "text/markdown",
    "html": "text/html",
    "table": "text/plain",
    "harbor": "application/vnd.security.vulnerability.report",
}
"""By format; the first is what a client gets that takes anything."""
ANSWER: Final = Answer(status=200, what="The report.", media_types=tuple(MEDIA_TYPES.values()))
Format = Literal["table", "json", "sarif", "cyclonedx", "spdx", "gitlab", "junit", "markdown", "html", "harbor"]
PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts"
    ),
    "Cross-Origin-Opener-Policy": "unsafe-none",  # by the standard, a sandboxed page cannot have one
}
"""Of a report as a page. It has a policy of its own, which allows its one script and its one style by their hashes;
both hold. The sandbox takes the page away from this service's origin, whatever stands in it."""


class ReportWish(Wish, frozen=True, kw_only=True):
    """How a report is wanted."""

    format: Format | None = None
    severity: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[A-Za-z,]*$")] = ""
    """Some of UNKNOWN, LOW, MEDIUM, HIGH, CRITICAL, with commas."""
    ignore_unfixed: bool = False
    list_all: bool = False


def choose_format(wish: ReportWish, accept: str) -> str:
    """Return the format that is wanted.

    Args:
        wish: of the query; goes first.
        accept: the header.
    Raises: NotAcceptable.
    """
    if wish.format is not None:
        return wish.format
    offers = {media_type: name for name, media_type in MEDIA_TYPES.items()}
    for wanted in ranked(accept or "*/*"):
        if wanted in ("*/*", "application/*"):
            return "json"
        if wanted == "text/*":
            return "table"
        if wanted in offers:
            return offers[wanted]
    raise NotAcceptable(wanted=accept, offered=", ".join(offers))


def ranked(accept: str) -> list[str]:
    """Return the media types of a header Accept without parameters, the most wanted first."""
    found: list[tuple[float, str]] = []
    for part in accept.split(",")[:32]:
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((one[2:] for one in parameters if one[:2].lower() == "q="), "1")
        try:
            quality = float(weight)
        except ValueError:
            quality = 1.0
        if kind and quality > 0:
            found.append((quality, kind.lower()))
    return [kind for _, kind in sorted(found, key=lambda one: -one[0])]


async def give_report(service: Service, head: ReportHead | None, wish: ReportWish, accept: str) -> Response:
    """Answer with a report.

    Args:
        service: whose store has it.
        head: which one; None: it is not there.
        wish: how it is wanted.
        accept: the header.
    Raises: NotFound, NotAcceptable, MalformedRequest, ReportUnreadable.
    """
    name = choose_format(wish, accept)
    form = Form(
        format=name, severities=_severities(wish.severity), ignore_unfixed=wish.ignore_unfixed, list_all=wish.list_all
    )
    if head is None:
        raise NotFound(what="report")
    content = await document(service, head, form)
    headers = {"Vary": "Accept", **(PAGE_HEADERS if name == "html" else {})}
    return Response(content, media_type=MEDIA_TYPES[name], headers=headers)


async def document(service: Service, head: ReportHead, form: Form) -> bytes:
    """Write a report, or take it from the shelf.

    Raises: NotFound, ReportUnreadable.
    """
    kept = service.shelf.kept(head, form)
    if kept is not None:
        return kept
    stored = await service.ask(service.store.report, head.id)
    if stored is None:
        raise NotFound(what="report")
    content = await service.write(service.shelf.document, stored, form)
    service.metrics.count(RENDERED, "harbor-sbom" if form.sbom_media_type else form.format)
    return content


def _severities(text: str) -> frozenset[Severity]:
    if not text:
        return frozenset(Severity)
    try:
        return frozenset(Severity[name] for name in text.upper().split(",") if name)
    except KeyError as error:
        raise MalformedRequest(why=f"there is no severity {error}") from error


assert set(MEDIA_TYPES) == set(NAMES)
