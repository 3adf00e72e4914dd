"""How the service is: queue, workers, database, cache, store, deliveries.

This module alone decides what people see of that.
"""

from typing import Final

from starlette.responses import Response

from rafsight.interfaces.service.jobs.model import DeliveryState, JobState, Paging
from rafsight.interfaces.service.pages.visits import Page, Visit

_DELIVERIES: Final = 10


async def _show_state(visit: Visit) -> Response:
    service = visit.service
    failed = await service.ask(
        service.store.deliveries, Paging(limit=_DELIVERIES), states=(DeliveryState.FAILED, DeliveryState.DUE)
    )
    return visit.show(
        "state",
        counts=await service.ask(service.store.counts),
        crew=service.crew.numbers(),
        database=await service.database(),
        cache=await service.cache(),
        deliveries=failed,
        job_states=tuple(JobState),
        delivery_states=tuple(DeliveryState),
        replica=service.replica,
    )


async def _match_again(visit: Visit) -> Response:
    visit.service.crew.match_again()
    return visit.go("/state")


PAGES: Final = (
    Page(path="/state", name="page_state", get=_show_state, place="state"),
    Page(path="/state/match", name="page_state_match", post=_match_again, scope="admin", place="state"),
)
