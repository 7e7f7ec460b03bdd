"""Errors as RFC 9457 problem details: what is wrong in one line, nothing of what went on inside."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from schemas.errors import TidemarkError, WarehouseDown

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
_RETRY_S = 2


class Problem(BaseModel):
    """RFC 9457: `title` is fit to be shown, `detail` says where."""

    title: str = Field(examples=["No such campaign"])
    status: int = Field(examples=[404])
    detail: str = Field("", examples=["spring-sale"])


class Refusal(Exception):
    """An answer other than 2xx that a route gives on purpose."""

    def __init__(self, status: int, title: str, detail: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(title)
        self.problem = Problem(title=title, status=status, detail=detail)
        self.headers = headers


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route: those that every route can give, and `statuses`."""
    known = {
        400: "The request can't be read",
        401: "A key or a share link is needed",
        403: "The key or link does not open this",
        404: "No such thing",
        406: "No such format",
        409: "Not as things stand",
        413: "Too large",
        422: "A parameter is wrong",
        429: "Too many requests; `Retry-After` says when",
        500: "Our fault: the question could not be answered",
        503: "The database does not answer; trying again helps",
    }
    chosen = sorted({400, 401, 403, 413, 422, 429, 500, 503, *statuses})
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": known[status], "content": content} for status in chosen}


def answer(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(problem.model_dump(), problem.status, headers, media_type=MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(TidemarkError, _failed)
    app.add_exception_handler(Exception, _failed)


def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return answer(error.problem, error.headers)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return answer(Problem(title="A parameter is wrong", status=422, detail=f"{where}: {first['msg']}"))


def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return answer(Problem(title=str(error.detail), status=error.status_code), dict(error.headers or {}))


def _failed(request: Request, error: Exception) -> JSONResponse:
    """What ClickHouse or Python said stays in our log."""
    log.error("%s %s: %s", request.method, request.url.path, error)
    if isinstance(error, WarehouseDown):
        headers = {"Retry-After": str(_RETRY_S)}
        return answer(Problem(title="The database does not answer", status=503), headers)
    return answer(Problem(title="The question could not be answered", status=500))
