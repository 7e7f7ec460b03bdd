"""A browser's way in: a key is exchanged for a cookie that scripts can't read and other sites can't use."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.access import SESSION_COOKIE, SESSION_MS, gate_of
from api.problems import Refusal, documented

router = APIRouter(prefix="/api/session", tags=["access"])


class Login(BaseModel):
    key: str = Field(max_length=200, examples=["tm_0123456789ab.…"])


class Session(BaseModel):
    key_id: str = Field(examples=["local"])
    label: str = Field(examples=["wallboard"])
    scopes: list[str] = Field(examples=[["read"]])


@router.get("", responses=documented())
def who_am_i(request: Request) -> Session:
    """Whose key asks, and what it may."""
    key = gate_of(request).key_of(request)
    if key is None:
        raise Refusal(401, "A key is needed", headers={"WWW-Authenticate": "Bearer"})
    return Session(key_id=key.key_id, label=key.label, scopes=sorted(key.scopes))


@router.post("", responses=documented())
def log_in(request: Request, response: Response, login: Login) -> Session:
    """Sets a session cookie for twelve hours."""
    gate = gate_of(request)
    gate.key_of(request)
    key = gate.find(login.key)
    if key is None:
        raise Refusal(401, "This key does not open", headers={"WWW-Authenticate": "Bearer"})
    clock = request.app.state.context.clock
    cookie = gate.sessions.sign({"key_id": key.key_id}, clock() + SESSION_MS)
    response.set_cookie(
        SESSION_COOKIE,
        cookie,
        SESSION_MS // 1000,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return Session(key_id=key.key_id, label=key.label, scopes=sorted(key.scopes))


@router.delete("", status_code=204, responses=documented())
def log_out(response: Response) -> None:
    """Takes the cookie away."""
    response.delete_cookie(SESSION_COOKIE)
