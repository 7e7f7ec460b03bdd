"""Campaign reports over HTTP: thin routes, each question answered by a file in sql/queries."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import FileResponse, JSONResponse
from pydantic import AwareDatetime, BaseModel

from schemas.errors import TidemarkError, WarehouseDown
from sql.warehouse import Warehouse

PAGE = Path(__file__).parent / "static" / "index.html"
router = APIRouter(prefix="/api/campaigns")


class CampaignLine(BaseModel):
    """A campaign in the list."""

    campaign_id: str
    name: str
    channel: str
    audience: int
    frozen_at: AwareDatetime
    sent: int
    delivered: int
    read: int


class Funnel(BaseModel):
    """Messages that reached each stage, out of those sent."""

    sent: int
    delivered: int
    delivered_inferred: int
    read: int
    clicked: int
    failed: int
    failed_ever: int
    rejected: int
    complained: int
    unsubscribed: int
    retried: int


@router.get("")
def list_campaigns(
    request: Request,
    search: Annotated[str, Query(max_length=100)] = "",
    at_most: Annotated[int, Query(ge=1, le=500)] = 50,
    skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> list[CampaignLine]:
    """Newest first; `search` looks into id and name."""
    rows = _warehouse(request).ask("campaigns", search=search, at_most=at_most, skip=skip)
    return [CampaignLine(**row) for row in rows.iter_rows(named=True)]


@router.get("/{campaign_id}/funnel")
def read_funnel(request: Request, campaign_id: str) -> Funnel:
    """How many messages got how far; all 0 for a campaign that nothing is known of."""
    return Funnel(**_warehouse(request).ask("funnel", campaign_id=campaign_id).row(0, named=True))


def build_app(warehouse: Warehouse) -> FastAPI:
    """The whole service over one warehouse; connects when it is asked something."""
    app = FastAPI(title="Tidemark", description="How far did each message get?")
    app.state.warehouse = warehouse
    app.include_router(router)
    app.add_api_route("/", lambda: FileResponse(PAGE), include_in_schema=False)
    app.add_api_route("/healthz", lambda: {"status": "ok"})
    app.add_exception_handler(TidemarkError, _problem)
    return app


def _warehouse(request: Request) -> Warehouse:
    warehouse: Warehouse = request.app.state.warehouse
    return warehouse


def _problem(_request: Request, error: Exception) -> JSONResponse:
    """RFC 9457. What ClickHouse said stays in our log."""
    status = 503 if isinstance(error, WarehouseDown) else 500
    title = "The database does not answer" if status == 503 else "The question could not be answered"
    return JSONResponse({"title": title, "status": status}, status, media_type="application/problem+json")
