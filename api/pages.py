"""The dashboard: static files. Each page is one file; its module asks the API for all that it shows."""

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"
THIRD_PARTY = Path(__file__).parent / "node_modules"
"""What `make setup` installs by package-lock.json."""
router = APIRouter(include_in_schema=False)


def _page(name: str) -> FileResponse:
    return FileResponse(STATIC / f"{name}.html", headers={"Cache-Control": "no-cache"})


@router.get("/")
def campaigns_page() -> FileResponse:
    return _page("index")


@router.get("/c/{campaign}")
def campaign_page(campaign: str) -> FileResponse:  # noqa: ARG001 - the page reads it from its address
    return _page("campaign")


@router.get("/s/{token}")
def shared_page(token: str) -> FileResponse:  # noqa: ARG001 - the page reads it from its address
    return _page("campaign")


@router.get("/ops")
def operations_page() -> FileResponse:
    return _page("ops")


@router.get("/ops/dead-letters")
def dead_letters_page() -> FileResponse:
    return _page("letters")


@router.get("/login")
def login_page() -> FileResponse:
    return _page("login")


class _Files(StaticFiles):
    """Asked for anew each time by their tag, so that pages and modules of one version meet."""

    def file_response(self, *args: object, **options: object) -> object:  # type: ignore[override]
        response = super().file_response(*args, **options)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


def add_pages(app: FastAPI) -> None:
    app.include_router(router)
    app.mount("/static/uplot", _Files(directory=THIRD_PARTY / "uplot" / "dist", check_dir=False))
    app.mount("/static", _Files(directory=STATIC))
