"""Scans and jobs: what somebody asked for, and the work that is done for it.

A scan is a promise to one client; a job is the work, which several scans may share. Taking a scan back ends its job
only if nobody else waits for it. This module alone decides what the addresses below `/v1/scans` and `/v1/jobs` do.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from starlette.responses import Response

from rafsight.interfaces.service.jobs.model import Job, JobState, Paging, ReportHead, Request
from rafsight.interfaces.service.web.accepting import ScanWish, accept
from rafsight.interfaces.service.web.documents import JobDocument, JobPage, ScanDocument, Scanner, State
from rafsight.interfaces.service.web.endpoints import Answer, Call, Endpoint, answer
from rafsight.interfaces.service.web.faults import NotAcceptable, NotFound, NotYet, TooBusy, UnusableField
from rafsight.interfaces.service.web.registries import MalformedName, RegistryRefused, parse_reference
from rafsight.interfaces.service.web.report_forms import ANSWER, ReportWish, give_report
from rafsight.interfaces.service.web.spelling import job_document, page_fields, scan_document
from rafsight.interfaces.service.web.wire import Limit, Offset, Search, Wish
from rafsight.interfaces.service.workers.lending import Lent

_GROUP: Final = "scans"
_SECOND: Final = 1000


class CredentialWish(Wish, frozen=True, kw_only=True):
    """What is shown to the image's registry, for this scan alone; kept in memory until then."""

    password: Annotated[str, msgspec.Meta(min_length=1, max_length=16384)]
    username: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    """Empty: the password is a bearer token."""


class NewScan(Wish, frozen=True, kw_only=True):
    """A scan that is wanted."""

    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=800)]
    """`HOST[:PORT]/REPOSITORY:TAG` or `HOST[:PORT]/REPOSITORY@DIGEST`."""
    scanners: Annotated[tuple[Scanner, ...], msgspec.Meta(min_length=1, max_length=3)] = ("vuln",)
    declared: bool = False
    """Read lock files, too."""
    platform: Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?)?$", max_length=64)] = ""
    priority: Annotated[int, msgspec.Meta(ge=-100, le=100)] = 0
    fresh_for: Annotated[int, msgspec.Meta(ge=0, le=31_536_000)] = 0
    """[s] A report no older than that is taken instead of a scan."""
    deliver: Annotated[tuple[str, ...], msgspec.Meta(max_length=16)] = ()
    """Names of targets of the settings that are told the result."""
    credential: CredentialWish | None = None


class JobsWish(Wish, frozen=True, kw_only=True):
    """Which jobs are listed."""

    state: State | None = None
    search: Search = ""
    offset: Offset = 0
    limit: Limit = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class _Promise:
    request: Request
    job: Job
    head: ReportHead | None


async def _post_scan(call: Call) -> Response:
    new: NewScan = call.body
    credential = new.credential
    wish = ScanWish(
        names=parse_reference(new.reference),
        source="api",
        scanners=tuple(dict.fromkeys(new.scanners)),
        declared=new.declared,
        platform=new.platform,
        priority=new.priority,
        fresh_for=new.fresh_for * _SECOND,
        deliver=tuple(dict.fromkeys(new.deliver)),
        credential=Lent(username=credential.username, password=credential.password) if credential else None,
    )
    accepted = await accept(call.service, wish)
    head = await _head(call, accepted.job)
    document = scan_document(accepted.request, accepted.job, head, joined=not accepted.is_new)
    return answer(document, status=202, headers={"Location": f"/v1/scans/{accepted.request.id}"})


async def _get_scan(call: Call) -> Response:
    promise = await _promise(call)
    return answer(scan_document(promise.request, promise.job, promise.head))


async def _delete_scan(call: Call) -> Response:
    promise = await _promise(call)
    await call.service.ask(call.service.store.withdraw, promise.request.id)
    call.service.crew.recheck()
    job = await call.service.ask(call.service.store.job, promise.job.id)
    return answer(scan_document(promise.request, job or promise.job, promise.head))


async def _get_scan_report(call: Call) -> Response:
    promise = await _promise(call)
    if promise.job.state is not JobState.DONE:
        raise NotYet(state=promise.job.state.value)
    return await give_report(call.service, promise.head, call.query, call.request.headers.get("accept", ""))


async def _get_jobs(call: Call) -> Response:
    wish: JobsWish = call.query
    page = await call.service.ask(
        call.service.store.jobs,
        Paging(offset=wish.offset, limit=wish.limit),
        states=(JobState(wish.state),) if wish.state else (),
        search=wish.search,
    )
    return answer(JobPage(**page_fields(page, job_document)))


async def _get_job(call: Call) -> Response:
    return answer(job_document(await _job(call)))


async def _delete_job(call: Call) -> Response:
    job = await _job(call)
    await call.service.ask(call.service.store.cancel, job.id)
    call.service.crew.recheck()
    return answer(job_document(await _job(call)))


async def _promise(call: Call) -> _Promise:
    found = await call.service.ask(call.service.store.request, call.path["scan_id"])
    if found is None:
        raise NotFound(what="scan")
    request, job = found
    return _Promise(request=request, job=job, head=await _head(call, job))


async def _head(call: Call, job: Job) -> ReportHead | None:
    return await call.service.ask(call.service.store.head, job.report_id) if job.report_id else None


async def _job(call: Call) -> Job:
    job = await call.service.ask(call.service.store.job, call.path["job_id"])
    if job is None:
        raise NotFound(what="job")
    return job


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/scans",
        name="post_scan",
        summary="Ask for a scan; the answer comes at once, the scan is done later.",
        handler=_post_scan,
        scope="scan:write",
        group=_GROUP,
        body=NewScan,
        answers=(
            Answer(
                status=202,
                what="It is taken, and stays so whatever happens to the service.",
                document=ScanDocument,
                headers={"Location": "Where the scan is."},
            ),
        ),
        faults=(RegistryRefused, MalformedName, UnusableField, TooBusy),
    ),
    Endpoint(
        method="GET",
        path="/v1/scans/{scan_id}",
        name="get_scan",
        summary="See what has become of a scan.",
        handler=_get_scan,
        scope="read",
        group=_GROUP,
        answers=(Answer(status=200, what="The scan.", document=ScanDocument),),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/scans/{scan_id}",
        name="delete_scan",
        summary="Take a scan back; the work ends if nobody else waits for it.",
        handler=_delete_scan,
        scope="scan:write",
        group=_GROUP,
        answers=(Answer(status=200, what="The scan as it was left.", document=ScanDocument),),
    ),
    Endpoint(
        method="GET",
        path="/v1/scans/{scan_id}/report",
        name="get_scan_report",
        summary="Fetch the report of a scan, in any format.",
        handler=_get_scan_report,
        scope="read",
        group=_GROUP,
        query=ReportWish,
        answers=(ANSWER,),
        faults=(NotYet, NotAcceptable),
    ),
    Endpoint(
        method="GET",
        path="/v1/jobs",
        name="get_jobs",
        summary="List the work, the latest first.",
        handler=_get_jobs,
        scope="read",
        group=_GROUP,
        query=JobsWish,
        answers=(Answer(status=200, what="Part of the list.", document=JobPage),),
    ),
    Endpoint(
        method="GET",
        path="/v1/jobs/{job_id}",
        name="get_job",
        summary="See how a job goes.",
        handler=_get_job,
        scope="read",
        group=_GROUP,
        answers=(Answer(status=200, what="The job.", document=JobDocument),),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/jobs/{job_id}",
        name="delete_job",
        summary="End a job for all who wait for it.",
        handler=_delete_job,
        scope="admin",
        group=_GROUP,
        answers=(Answer(status=200, what="The job as it is now.", document=JobDocument),),
    ),
)
