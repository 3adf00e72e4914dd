"""Scans: asking for one, what became of it, and the queue.

This module alone decides what these pages do. Without a script, a page of a scan that is under way asks again by
itself, until somebody stops that.
"""

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from starlette.responses import Response

from rafsight.base.errors import CallerError, RafsightError
from rafsight.interfaces.service.jobs.contract import QueueFull
from rafsight.interfaces.service.jobs.model import LIVE_STATES, Job, JobState, Paging, Request
from rafsight.interfaces.service.pages.reports import SCANNERS
from rafsight.interfaces.service.pages.visits import Page, Visit, problem_of
from rafsight.interfaces.service.web.accepting import ScanWish, accept
from rafsight.interfaces.service.web.endpoints import PATH_PATTERNS
from rafsight.interfaces.service.web.faults import NotFound, UnusableField, status_of
from rafsight.interfaces.service.web.registries import parse_reference
from rafsight.interfaces.service.web.wire import Offset, Search

_LIMIT: Final = 50
_AGAIN: Final = 3
"""[s] after which the page of a scan under way asks again."""
_ID: Final = re.compile(PATH_PATTERNS["scan_id"])
_HOUR: Final = 3_600_000
FRESH: Final = {"0": "scan in any case", "1": "take a report of the last hour", "24": "take a report of the last day"}
"""[h] to words."""


class ScansQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs are listed, and with what the form is filled."""

    state: Literal["", "waiting", "running", "done", "failed", "cancelled"] = ""
    search: Search = ""
    offset: Offset = 0
    reference: Annotated[str, msgspec.Meta(max_length=800)] = ""


class ScanQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How the page of a scan behaves."""

    follow: Literal["yes", "no"] = "yes"


async def _show_scans(visit: Visit) -> Response:
    wanted = visit.query(ScansQuery)
    form = {"reference": wanted.reference, "scanners": ["vuln"], "fresh": "0", "declared": False}
    return await _show(visit, wanted, form)


async def _ask_for_scan(visit: Visit) -> Response:
    form = {
        "reference": visit.text("reference"),
        "scanners": [name for name in SCANNERS if name in visit.texts("scanner")],
        "fresh": visit.text("fresh") if visit.text("fresh") in FRESH else "0",
        "declared": visit.text("declared") == "yes",
    }
    try:
        accepted = await accept(visit.service, _wish(form))
    except (CallerError, QueueFull) as error:
        return await _show(visit, ScansQuery(), form, error)
    return visit.go(f"/scans/{accepted.request.id}")


def _wish(form: dict[str, Any]) -> ScanWish:
    if not form["scanners"]:
        raise UnusableField(field="scanner", why="nothing is looked for")
    return ScanWish(
        names=parse_reference(form["reference"]),
        source="page",
        scanners=tuple(form["scanners"]),
        declared=form["declared"],
        fresh_for=int(form["fresh"]) * _HOUR,
    )


async def _show(visit: Visit, wanted: ScansQuery, form: dict[str, Any], error: RafsightError | None = None) -> Response:
    store = visit.service.store
    found = await visit.service.ask(
        store.jobs,
        Paging(offset=wanted.offset, limit=_LIMIT),
        states=(JobState(wanted.state),) if wanted.state else (),
        search=wanted.search,
    )
    counts = await visit.service.ask(store.counts)
    return visit.show(
        "scans",
        status=status_of(error) if error else 200,
        found=found,
        wanted=wanted,
        limit=_LIMIT,
        counts=counts.jobs,
        states=tuple(JobState),
        live=LIVE_STATES,
        form=form,
        problem=problem_of(error) if error else None,
        scanners=SCANNERS,
        fresh=FRESH,
        registries=visit.service.settings.registries.allow,
    )


async def _show_scan(visit: Visit) -> Response:
    request, job = await _scan(visit)
    is_live = job.state in LIVE_STATES
    follows = is_live and visit.query(ScanQuery).follow == "yes"
    headers = {"Refresh": str(_AGAIN)} if follows else {}
    return visit.show(
        "scan",
        headers=headers,
        scan=request,
        job=job,
        is_live=is_live,
        follows=follows,
        seconds=_AGAIN,
        scanners=SCANNERS,
    )


async def _take_back(visit: Visit) -> Response:
    request, _ = await _scan(visit)
    await visit.service.ask(visit.service.store.withdraw, request.id)
    visit.service.crew.recheck()
    return visit.go(f"/scans/{request.id}")


async def _cancel(visit: Visit) -> Response:
    job_id = str(visit.request.path_params["job_id"])
    job = await visit.service.ask(visit.service.store.job, job_id) if _ID.match(job_id) else None
    if job is None:
        raise NotFound(what="job")
    await visit.service.ask(visit.service.store.cancel, job.id)
    visit.service.crew.recheck()
    return visit.go("/scans")


async def _scan(visit: Visit) -> tuple[Request, Job]:
    scan_id = str(visit.request.path_params["scan_id"])
    found = await visit.service.ask(visit.service.store.request, scan_id) if _ID.match(scan_id) else None
    if found is None:
        raise NotFound(what="scan")
    return found


PAGES: Final = (
    Page(
        path="/scans",
        name="page_scans",
        get=_show_scans,
        post=_ask_for_scan,
        post_scope="scan:write",
        place="scans",
    ),
    Page(path="/scans/{scan_id}", name="page_scan", get=_show_scan, place="scans"),
    Page(path="/scans/{scan_id}/end", name="page_scan_end", post=_take_back, scope="scan:write", place="scans"),
    Page(path="/jobs/{job_id}/end", name="page_job_end", post=_cancel, scope="admin", place="scans"),
)
