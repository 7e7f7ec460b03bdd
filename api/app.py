"""The whole service: reports, live pages, share links. Thin routes, each question answered by a file in sql/queries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import letters, orders, pages, problems, sessions, share
from api.access import Gate
from api.context import Asking, Context
from api.live import routes as live
from api.live.desk import Desk
from api.reports import campaigns, exports, messages
from api.reports import routes as reports
from api.shield import Shield
from api.signing import Signer, link_secret
from schemas.settings import Settings
from sql.warehouse import Warehouse

ABOUT = """How far did each message get? Counts are exact whatever is duplicated, late, reordered or replayed.

Every number is answered by a file in `sql/queries`, so that anybody can ask the same. Errors are problem details
(RFC 9457). Keys: `Authorization: Bearer tm_…`, made by `python -m api.keys create`, with the scopes `read` (reports),
`export` (rows of messages, files) and `admin`."""


def build_app(warehouse: Warehouse, settings: Settings) -> FastAPI:
    """Connects when it is asked something. Raises UsageError for settings that can't be."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.desk.background.start()
        yield
        await app.state.desk.stop()

    app = FastAPI(
        title="Tidemark", description=ABOUT, version="1", lifespan=lifespan, openapi_url="/api/openapi.json",
        docs_url=None, redoc_url=None, swagger_ui_oauth2_redirect_url=None,
    )  # fmt: skip
    _add_state(app, Context(warehouse, settings, settings.now()))
    for router in (
        campaigns.router,
        live.router,
        letters.router,
        orders.router,
        reports.router,
        messages.router,
        exports.router,
        share.router,
        sessions.router,
    ):
        app.include_router(router)
    app.add_api_route("/healthz", _read_health, tags=["health"])
    app.add_api_route("/readyz", _read_ready, tags=["health"], responses=problems.documented())
    pages.add_pages(app)
    problems.add_handlers(app)
    app.add_middleware(Shield, per_minute=settings.rate)
    return app


def _add_state(app: FastAPI, context: Context) -> None:
    secret = link_secret(context.settings)
    sessions_signer = Signer(secret, "session", context.clock)
    app.state.context = context
    app.state.desk = Desk(context)
    app.state.gate = Gate(context.warehouse, sessions_signer, is_open=context.settings.access == "open")
    app.state.links = Signer(secret, "share link", context.clock)


async def _read_health() -> dict[str, str]:
    """Whether the process answers: without a thread, as all may wait for a database that is silent."""
    return {"status": "ok"}


def _read_ready(asking: Asking) -> dict[str, str]:
    """Whether the database answers."""
    asking.rows("rows_held")
    return {"status": "ok"}
