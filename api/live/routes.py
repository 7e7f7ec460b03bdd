"""Server-sent events: `GET …/live`, a snapshot a second."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse

from api.access import CanRead, gate_of
from api.context import CampaignId
from api.live.desk import Desk, desk_of
from api.live.hub import Topic, stream
from api.live.ops_snapshot import OpsSnapshot
from api.live.snapshot import Snapshot
from api.problems import documented

router = APIRouter(prefix="/api", tags=["live"], dependencies=[CanRead])
LastEventId = Annotated[str, Header(alias="Last-Event-ID", max_length=20, description="Id of the last event received")]
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "`snapshot` events, each whole in itself", "content": {"text/event-stream": {}}}
}


@router.get("/campaigns/{campaign_id}/live", responses=documented(404) | _EVENTS, response_class=StreamingResponse)
async def watch_campaign(
    request: Request, campaign_id: CampaignId, last_event_id: LastEventId = ""
) -> EventSourceResponse:
    """A snapshot a second, as the campaign's report gives it; the same one for all who watch."""
    topic = await campaign_topic(desk_of(request), campaign_id)
    return events(stream(topic, number(last_event_id), may_watch=_may_read(request)))


@router.get("/ops/live", responses=documented() | _EVENTS, response_class=StreamingResponse)
async def watch_operations(request: Request, last_event_id: LastEventId = "") -> EventSourceResponse:
    """The operations page's snapshot a second."""
    desk = desk_of(request)
    topic = await desk.hub.join("ops", desk.ops)
    return events(stream(topic, number(last_event_id), may_watch=_may_read(request)))


@router.get("/ops", responses=documented())
def read_operations(request: Request) -> OpsSnapshot:
    """How the flows, lanes, providers and checks stand."""
    return desk_of(request).ops()


@router.get("/campaigns/{campaign_id}", responses=documented(404), tags=["reports"])
def read_campaign(request: Request, campaign_id: CampaignId) -> Snapshot:
    """The whole report at this moment: what the campaign page shows."""
    return desk_of(request).watcher(campaign_id).page()


async def campaign_topic(desk: Desk, campaign_id: str) -> Topic:
    return await desk.hub.join(f"campaign {campaign_id}", desk.watcher(campaign_id).snapshot)


def _may_read(request: Request) -> Callable[[], bool]:
    return lambda: gate_of(request).may(request, "read")


def events(body: object) -> EventSourceResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventSourceResponse(body, headers=headers)  # type: ignore[arg-type]  # an async iterator of bytes


def number(last_event_id: str) -> int:
    """0 for what is none of our ids: such a viewer gets the latest."""
    return int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else 0
