"""How the service is: queue, database, cache, deliveries, metrics, health, and its own description.

This module alone decides what these addresses say. The probes say nothing but yes or no: anybody may ask them.
"""

import time
from typing import Annotated, Final, Literal

import msgspec
from starlette.responses import Response

from rafsight._version import __version__
from rafsight.base.errors import RafsightError
from rafsight.interfaces.service.jobs.model import Counts, DeliveryState, Paging
from rafsight.interfaces.service.web.documents import (
    CacheDocument,
    DatabaseDocument,
    DeliveryPage,
    ReadyDocument,
    StatusDocument,
)
from rafsight.interfaces.service.web.endpoints import ANONYMOUS, JSON, Answer, Call, Endpoint, answer
from rafsight.interfaces.service.web.logs import complain
from rafsight.interfaces.service.web.metrics import CONTENT_TYPE, Family, Reading, process_readings
from rafsight.interfaces.service.web.service import CrewNumbers
from rafsight.interfaces.service.web.spelling import delivery_document, page_fields, status_document
from rafsight.interfaces.service.web.wire import Limit, Offset, Wish

_GROUP: Final = "state"
_PROBES: Final = "probes"


class DeliveriesWish(Wish, frozen=True, kw_only=True):
    """Which deliveries are listed."""

    state: Literal["held", "due", "done", "failed", "dropped"] | None = None
    job: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = ""
    """Id of a job."""
    offset: Offset = 0
    limit: Limit = 50


class RematchDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a wish that is fulfilled later."""

    requested: bool


async def _get_status(call: Call) -> Response:
    service = call.service
    counts = await service.ask(service.store.counts)
    crew = service.crew.numbers()
    document = status_document(
        counts,
        await service.database(),
        version=__version__,
        replica=service.replica,
        workers=crew.slots if crew.is_alive else 0,
        busy=crew.busy,
        trouble=crew.trouble,
    )
    return answer(document)


async def _get_databases(call: Call) -> Response:
    return answer(await call.service.database())


async def _post_rematch(call: Call) -> Response:
    call.service.crew.match_again()
    return answer(RematchDocument(requested=True), status=202)


async def _get_deliveries(call: Call) -> Response:
    wish: DeliveriesWish = call.query
    page = await call.service.ask(
        call.service.store.deliveries,
        Paging(offset=wish.offset, limit=wish.limit),
        states=(DeliveryState(wish.state),) if wish.state else (),
        job_id=wish.job,
    )
    return answer(DeliveryPage(**page_fields(page, delivery_document)))


async def _get_cache(call: Call) -> Response:
    return answer(await call.service.cache())


async def _get_metrics(call: Call) -> Response:
    service = call.service
    counts = await service.ask(service.store.counts)
    database = await service.database()
    release = Family(name="rafsight_info", kind="gauge", help="The release.", labels=("version",))
    readings = [
        *store_readings(counts),
        *crew_readings(service.crew.numbers()),
        *process_readings(service.started),
        _gauge("rafsight_database_available", "Whether advisories can be looked up.", float(database.available)),
        _gauge("rafsight_database_records", "Advisories in the database.", database.records),
        Reading(family=release, values={(__version__,): 1}),
    ]
    text = service.metrics.render(readings)
    return Response(text, headers={"Content-Type": CONTENT_TYPE})


async def _get_healthy(call: Call) -> Response:
    del call
    return Response(b"healthy\n", media_type="text/plain")


async def _get_ready(call: Call) -> Response:
    service = call.service
    try:
        await service.ask(service.store.check)
        has_store, database = True, await service.database()
    except RafsightError as error:
        complain("the store does not answer", error, code=error.code)
        has_store, database = False, None
    crew = service.crew.numbers()
    has_workers = crew.is_alive
    has_database = service.settings.database is None or (database is not None and database.available)
    is_ready = has_store and has_workers and has_database
    document = ReadyDocument(ready=is_ready, store=has_store, database=has_database, workers=has_workers)
    return answer(document, status=200 if is_ready else 503)


def store_readings(counts: Counts) -> list[Reading]:
    """Say in metrics what the store counts."""
    waiting = 0.0 if counts.oldest_waiting is None else max(0.0, time.time() - counts.oldest_waiting / 1000)
    return [
        Reading(
            family=Family(name="rafsight_jobs", kind="gauge", help="Jobs in the store.", labels=("state",)),
            values={(state.value,): amount for state, amount in counts.jobs.items()},
        ),
        Reading(
            family=Family(name="rafsight_deliveries", kind="gauge", help="Deliveries in the store.", labels=("state",)),
            values={(state.value,): amount for state, amount in counts.deliveries.items()},
        ),
        _gauge("rafsight_oldest_waiting_seconds", "How long the job waits that waits longest.", waiting),
        _gauge("rafsight_reports", "Reports in the store.", counts.reports),
        _gauge("rafsight_report_bytes", "Size of these.", counts.report_size),
        _gauge("rafsight_images", "Images in the list.", counts.images),
        _gauge("rafsight_replicas", "Replicas that are alive.", counts.replicas),
        _gauge("rafsight_store_bytes", "Size of the store.", counts.store_size),
    ]


def crew_readings(crew: CrewNumbers) -> list[Reading]:
    """Say in metrics how the workers are."""
    return [
        _gauge("rafsight_workers", "Scans that this replica can run at the same time.", crew.slots),
        _gauge("rafsight_workers_busy", "Scans that this replica runs.", crew.busy),
        _gauge("rafsight_workers_alive", "Whether this replica works at all.", float(crew.is_alive)),
        _gauge("rafsight_worker_starts", "Worker processes that this replica began.", crew.starts),
    ]


def _gauge(name: str, help_: str, value: float) -> Reading:
    return Reading(family=Family(name=name, kind="gauge", help=help_), values={(): value})


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/status",
        name="get_status",
        summary="See how the service is.",
        handler=_get_status,
        scope="read",
        group=_GROUP,
        answers=(Answer(status=200, what="The state.", document=StatusDocument),),
    ),
    Endpoint(
        method="GET",
        path="/v1/databases",
        name="get_databases",
        summary="See what the advisory database is.",
        handler=_get_databases,
        scope="read",
        group=_GROUP,
        answers=(Answer(status=200, what="The database.", document=DatabaseDocument),),
    ),
    Endpoint(
        method="POST",
        path="/v1/databases/rematch",
        name="post_rematch",
        summary="Match all stored reports with the database as it is now; a new one is noticed by itself.",
        handler=_post_rematch,
        scope="admin",
        group=_GROUP,
        answers=(Answer(status=202, what="It will be done.", document=RematchDocument),),
    ),
    Endpoint(
        method="GET",
        path="/v1/deliveries",
        name="get_deliveries",
        summary="List results that are sent to somebody, the latest first.",
        handler=_get_deliveries,
        scope="read",
        group=_GROUP,
        query=DeliveriesWish,
        answers=(Answer(status=200, what="Part of the list.", document=DeliveryPage),),
    ),
    Endpoint(
        method="GET",
        path="/v1/cache",
        name="get_cache",
        summary="See what this replica keeps between scans, as of the last minute.",
        handler=_get_cache,
        scope="read",
        group=_GROUP,
        answers=(Answer(status=200, what="The cache.", document=CacheDocument),),
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        name="get_metrics",
        summary="Numbers for Prometheus.",
        handler=_get_metrics,
        scope="metrics",
        group=_GROUP,
        answers=(Answer(status=200, what="The numbers.", media_types=("text/plain",)),),
    ),
    Endpoint(
        method="GET",
        path="/probe/healthy",
        name="get_healthy",
        summary="Whether the process answers.",
        handler=_get_healthy,
        scope=ANONYMOUS,
        group=_PROBES,
        answers=(Answer(status=200, what="It does.", media_types=("text/plain",)),),
    ),
    Endpoint(
        method="GET",
        path="/probe/ready",
        name="get_ready",
        summary="Whether requests can be answered, and scans be done.",
        handler=_get_ready,
        scope=ANONYMOUS,
        group=_PROBES,
        answers=(
            Answer(status=200, what="They can.", document=ReadyDocument),
            Answer(status=503, what="They cannot, or not yet.", document=ReadyDocument, media_types=(JSON,)),
        ),
    ),
)
