"""Links that show one campaign's page to whoever has them: signed, ending, read-only, with nothing but its figures.

Who made one stands in the audit log.
"""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from pydantic import AwareDatetime, BaseModel, Field

from api.access import CanRead
from api.context import Asking, CampaignId
from api.keys import Key
from api.live.desk import desk_of
from api.live.hub import stream
from api.live.routes import LastEventId, campaign_topic, events, number
from api.live.shared import shared
from api.live.snapshot import Snapshot
from api.noted import note_or_refuse
from api.problems import Refusal, documented
from api.reports.plan import read_plan
from api.signing import Signer
from schemas.times import HOUR_MS

router = APIRouter(prefix="/api", tags=["share"])
Token = Annotated[str, Path(max_length=600, description="As a share link holds it")]


class ShareWish(BaseModel):
    hours: int = Field(24 * 7, ge=1, le=24 * 90, description="How long the link opens", examples=[168])


class ShareLink(BaseModel):
    path: str = Field(description="Behind this server's address", examples=["/s/WzE3…"])
    expires_at: AwareDatetime = Field(examples=["2026-11-20T20:00:00Z"])


@router.post("/campaigns/{campaign_id}/share", responses=documented(404))
def share_campaign(
    request: Request, asking: Asking, campaign_id: CampaignId, wish: ShareWish, key: Annotated[Key, CanRead]
) -> ShareLink:
    """A link to this campaign's live page. It can't be taken back before it ends, but by a new TIDEMARK_LINK_SECRET."""
    read_plan(asking, campaign_id)
    until_ms = asking.clock() + wish.hours * HOUR_MS
    note_or_refuse(asking, key, "share", campaign_id, until=until_ms)
    token = _links(request).sign({"campaign_id": campaign_id}, until_ms)
    return ShareLink(path=f"/s/{token}", expires_at=datetime.fromtimestamp(until_ms / 1000, UTC))


@router.get("/shared/{token}", responses=documented(404))
def read_shared(request: Request, token: Token) -> Snapshot:
    """The shared campaign's report: its figures; no other campaign, no costs, nothing that its operators wrote."""
    return shared(desk_of(request).watcher(_campaign(request, token)).page())


@router.get("/shared/{token}/live", responses=documented(404), response_class=StreamingResponse)
async def watch_shared(request: Request, token: Token, last_event_id: LastEventId = "") -> EventSourceResponse:
    """The same, a snapshot a second; it ends within ten seconds of its link."""
    topic = await campaign_topic(desk_of(request), _campaign(request, token))
    links = _links(request)
    return events(stream(topic, number(last_event_id), shared, lambda: links.read(token) is not None))


def _campaign(request: Request, token: str) -> str:
    content = _links(request).read(token)
    if not content:
        raise Refusal(403, "This link does not open, or no more")
    return str(content["campaign_id"])


def _links(request: Request) -> Signer:
    links: Signer = request.app.state.links
    return links
