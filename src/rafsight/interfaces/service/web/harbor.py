"""Harbor's pluggable scanner API, 1.0 to 1.2: metadata, scan, report.

Harbor's client gives each call five seconds, polls the report until it is there, and does not follow the redirection
that means "not yet"; it reads the seconds until then as a signed byte. So nothing is computed here but the writing of
a report that is stored. This module alone decides what Harbor is answered.
"""

import base64
import binascii
import re
import time
from typing import Annotated, Final

import msgspec
from starlette.responses import Response

from rafsight.interfaces.service.jobs.model import Job, JobState, Request
from rafsight.interfaces.service.web.accepting import ScanWish, accept
from rafsight.interfaces.service.web.endpoints import Answer, Call, Endpoint
from rafsight.interfaces.service.web.faults import (
    MalformedRequest,
    NoCapability,
    NotFound,
    RequestFault,
    TooBusy,
    UnusableField,
)
from rafsight.interfaces.service.web.harbor_documents import (
    AUTHORIZATION_TYPE,
    GENERIC_REPORT,
    MANIFESTS,
    METADATA,
    RAW_REPORT,
    REPORTS,
    REQUEST,
    RESPONSE,
    SBOM,
    SBOM_REPORT,
    SCANNER_TYPE,
    UPDATED_AT,
    VULNERABILITY,
    MetadataDocument,
    Note,
    ScanRequest,
    ScanResponse,
    metadata_document,
    same_type,
)
from rafsight.interfaces.service.web.registries import MalformedName, Names, RegistryRefused, check_names
from rafsight.interfaces.service.web.report_forms import document
from rafsight.interfaces.service.web.shelf import Form
from rafsight.interfaces.service.web.wire import Wish
from rafsight.interfaces.service.workers.lending import Lent
from rafsight.reports.harbor import SBOM_MEDIA_TYPES, HarborArtifact

_GROUP: Final = "harbor"
_RUNNING: Final = 2
_WAITING: Final = 5
_MOST: Final = 60
"""[s] until Harbor asks again; below 128, which Harbor could not read."""
_URL: Final = re.compile(r"(https?)://([^/?#@\s]+)/?\Z", re.IGNORECASE)
_STILL: Final = (JobState.WAITING, JobState.RUNNING)


class ScanFailed(RequestFault):
    """A scan did not succeed, or nobody wanted it any more."""

    code = "scan-failed"
    template = "{why}"
    remedy = "{advice}."
    status = 500


class SbomWish(Wish, frozen=True, kw_only=True):
    """In which form an SBOM is wanted."""

    sbom_media_type: Annotated[str, msgspec.Meta(max_length=255)] = ""


async def _metadata(call: Call) -> Response:
    settings = call.service.settings.harbor
    database = await call.service.database()
    document = metadata_document(
        sbom=settings.sbom,
        properties={
            SCANNER_TYPE: "os-package-vulnerability",
            UPDATED_AT: database.built,
            AUTHORIZATION_TYPE: "Bearer" if settings.bearer else "Basic",
            "rafsight.database-newest-record": database.newest_record,
            "rafsight.database-records": str(database.records) if database.available else "",
            "rafsight.database-error": database.error,
        },
    )
    # both versions have the same members; a client that asks for the old one is told that it has it
    wants_old = "version=1.0" in call.request.headers.get("accept", "").replace(" ", "")
    kind = f"{METADATA}; version={'1.0' if wants_old else '1.1'}"
    return Response(msgspec.json.encode(document), media_type=kind)


async def _scan(call: Call) -> Response:
    body: ScanRequest = call.body
    _check_wanted(body, offers_sbom=call.service.settings.harbor.sbom)
    if body.artifact.mime_type and body.artifact.mime_type not in MANIFESTS:
        raise NoCapability(wanted=body.artifact.mime_type)
    names, plain_http = _names(body)
    settings = call.service.settings.harbor
    wish = ScanWish(
        names=names,
        source="harbor",
        scanners=settings.scanners,
        fresh_for=settings.fresh_for,
        plain_http=plain_http,
        note=msgspec.json.encode(Note(mime_type=body.artifact.mime_type)).decode(),
        credential=parse_authorization(body.registry.authorization),
    )
    accepted = await accept(call.service, wish)
    content = msgspec.json.encode(ScanResponse(id=accepted.request.id))
    return Response(content, status_code=202, media_type=RESPONSE)


async def _report(call: Call) -> Response:
    wanted = _wanted_report(call.request.headers.get("accept", ""))
    media_type = _bill_type(call) if wanted == SBOM_REPORT else ""
    found = await call.service.ask(call.service.store.request, call.path["scan_id"])
    if found is None:
        raise NotFound(what="scan")
    request, job = found
    if job.state in _STILL:
        return _not_yet(call, job)
    if job.state is not JobState.DONE:
        raise _failure(job)
    head = await call.service.ask(call.service.store.head, job.report_id) if job.report_id else None
    if head is None:
        raise NotFound(what="report of this scan any more")
    if call.service.settings.harbor.fail_incomplete and not head.summary.is_complete:
        raise ScanFailed(
            why="not everything in this image could be looked at, so that its report says too little",
            advice="The report is on the pages of the scanner; harbor.fail-incomplete decides whether it is shown here",
        )
    form = Form(
        format="json" if wanted == RAW_REPORT else "harbor",
        list_all=wanted == RAW_REPORT,
        artifact=None if wanted == RAW_REPORT else _artifact(request),
        sbom_media_type=media_type,
    )
    return Response(await document(call.service, head, form), media_type=wanted)


def _check_wanted(body: ScanRequest, *, offers_sbom: bool) -> None:
    """See that all that is wanted can be had; every scan gives both kinds of report.

    Raises: NoCapability.
    """
    offered = (VULNERABILITY, SBOM) if offers_sbom else (VULNERABILITY,)
    for one in body.enabled_capabilities or ():
        if one.type not in offered:
            raise NoCapability(wanted=one.type)
        for kind in one.produces_mime_types or ():
            if not any(same_type(kind, known) for known in REPORTS):
                raise NoCapability(wanted=kind)


def _names(body: ScanRequest) -> tuple[Names, bool | None]:
    """Return the image's name, and whether its registry speaks plain HTTP."""
    found = _URL.match(body.registry.url)
    if found is None:
        raise UnusableField(field="registry.url", why="it is not http:// or https:// and a host")
    artifact = body.artifact
    for field in ("repository", "digest"):
        if not getattr(artifact, field):
            raise UnusableField(field=f"artifact.{field}", why="it is missing")
    tag = artifact.tag if ":" not in artifact.tag else ""  # Harbor puts the digest there if there is no tag
    names = check_names(registry=found[2], repository=artifact.repository, tag=tag, digest=artifact.digest)
    return names, found[1].lower() == "http"


def parse_authorization(text: str) -> Lent | None:
    """Take the value of a header Authorization apart; None if it is empty.

    Raises: UnusableField, which says nothing of the value.
    """
    kind, _, value = text.strip().partition(" ")
    value = value.strip()
    if not text.strip():
        return None
    if kind.lower() == "bearer" and value:
        return Lent(username="", password=value)
    if kind.lower() == "basic" and value:
        try:
            username, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            username = colon = password = ""
        if colon and username and password:
            return Lent(username=username, password=password)
    raise UnusableField(field="registry.authorization", why="it is neither Basic nor Bearer")


def _wanted_report(accept: str) -> str:
    """Return the kind of report that a header Accept names; what accepts anything gets the current one."""
    if accept.strip() in ("", "*/*"):
        return GENERIC_REPORT
    for part in accept.split(","):
        for known in REPORTS:
            if same_type(part, known) or same_type(part, known.partition(";")[0]):
                return known
    raise NoCapability(wanted=accept)


def _bill_type(call: Call) -> str:
    wish: SbomWish = call.query
    if not call.service.settings.harbor.sbom:
        raise NoCapability(wanted=SBOM_REPORT)
    if wish.sbom_media_type not in SBOM_MEDIA_TYPES:
        raise MalformedRequest(why=f"sbom_media_type is one of {', '.join(SBOM_MEDIA_TYPES)}")
    return wish.sbom_media_type


def _not_yet(call: Call, job: Job) -> Response:
    seconds = _RUNNING if job.state is JobState.RUNNING else _WAITING
    if job.state is JobState.WAITING and job.attempts:  # it failed, and is tried again at its time
        seconds = min(max(int(job.due / 1000 - time.time()) + 1, seconds), _MOST)
    headers = {"Refresh-After": str(seconds), "Location": call.request.url.path}
    return Response(status_code=302, headers=headers)


def _failure(job: Job) -> ScanFailed:
    failure = job.failure
    if job.state is JobState.CANCELLED or failure is None:
        return ScanFailed(why=f"the scan was {job.state.value}", advice="Ask for it again")
    return ScanFailed(why=failure.message, advice=failure.remedy.rstrip(".") or "The log of the scanner has more")


def _artifact(request: Request) -> HarborArtifact:
    try:
        note = msgspec.json.decode(request.note.encode(), type=Note)
    except msgspec.DecodeError:  # somebody else's request, asked for here
        note = Note(mime_type="")
    place = request.place
    return HarborArtifact(repository=place.repository, digest=place.digest, tag=place.tag, mime_type=note.mime_type)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/api/v1/metadata",
        name="harbor_metadata",
        summary="Who scans, and what can be done.",
        handler=_metadata,
        scope="harbor",
        group=_GROUP,
        answers=(
            Answer(
                status=200,
                what="The scanner and its capabilities.",
                document=MetadataDocument,
                media_types=(f"{METADATA}; version=1.1", f"{METADATA}; version=1.0"),
            ),
        ),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/scan",
        name="harbor_scan",
        summary="Take a scan that Harbor wants; the answer comes at once.",
        handler=_scan,
        scope="harbor",
        group=_GROUP,
        body=ScanRequest,
        body_types=(REQUEST, "application/json"),
        answers=(Answer(status=202, what="It is taken.", document=ScanResponse, media_types=(RESPONSE,)),),
        faults=(RegistryRefused, MalformedName, UnusableField, NoCapability, TooBusy),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/scan/{scan_id}/report",
        name="harbor_report",
        summary="Give Harbor a report, or say when to ask again.",
        handler=_report,
        scope="harbor",
        group=_GROUP,
        query=SbomWish,
        answers=(
            Answer(status=200, what="The report.", media_types=REPORTS),
            Answer(
                status=302,
                what="Not yet; ask again later, at the same address.",
                media_types=(),
                headers={"Refresh-After": "[s] until then."},
            ),
        ),
        faults=(NoCapability, MalformedRequest, ScanFailed),
    ),
)
