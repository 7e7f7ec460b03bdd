"""Who may ask: a key (`Authorization: Bearer tm_…`), a session made from one, or anybody on this machine.

With TIDEMARK_ACCESS=open only a request from loopback, to a loopback name, is let in without a key: a web page that
makes a browser ask under a name of its own (DNS rebinding) is not, nor is one that comes through a tunnel.
"""

import time
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, Request

from api.keys import Key, Scope, find_key, is_key, read_key
from api.problems import Refusal
from api.signing import Signer
from sql.warehouse import Warehouse

SESSION_COOKIE = "tidemark_session"
SESSION_MS = 12 * 3_600_000
LOCAL = Key("local", "this machine", frozenset({"admin"}))
_LOOPBACK_NAMES = ("localhost",)
_KEPT_S = 5.0
_MOST_KEPT = 1_000


class Gate:
    """Decides who asks. Keys found are believed for 5 s: so long a revoked one still opens."""

    def __init__(self, warehouse: Warehouse, sessions: Signer, *, is_open: bool) -> None:
        self._warehouse = warehouse
        self.sessions = sessions
        self._is_open = is_open
        # Never in one: an id is no secret, and would open like the key's text.
        self._by_text, self._by_id = _Kept(), _Kept()

    def key_of(self, request: Request) -> Key | None:
        """Raises Refusal 403 for a write that another site's page asks for."""
        if request.method not in ("GET", "HEAD", "OPTIONS") and _is_foreign(request):
            raise Refusal(403, "This request comes from another site")
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.find(text.strip())
        session = self.sessions.read(request.cookies.get(SESSION_COOKIE, ""))
        if session:
            return self._of_session(session)
        return LOCAL if self._is_open and is_local(request) else None

    def may(self, request: Request, scope: Scope) -> bool:
        """Asked again of a request that lasts: its key may be revoked, its session over. Raises WarehouseError."""
        key = self.key_of(request)
        return key is not None and key.may(scope)

    def find(self, text: str) -> Key | None:
        """Whose key the text is; the database isn't asked about what can't be one."""
        if not is_key(text):
            return None
        return self._by_text.get(text) or self._by_text.put(text, find_key(self._warehouse, text))

    def _of_session(self, session: dict[str, Any]) -> Key | None:
        """A session ends with its key."""
        key_id = str(session.get("key_id", ""))
        return self._by_id.get(key_id) or self._by_id.put(key_id, read_key(self._warehouse, key_id))


class _Kept:
    """Keys found, by what they were found by."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, Key]] = {}

    def get(self, name: str) -> Key | None:
        at, key = self._found.get(name, (0.0, None))
        return key if time.monotonic() - at < _KEPT_S else None

    def put(self, name: str, key: Key | None) -> Key | None:
        """`key`; none is not kept, so that a new key opens at once."""
        if key:
            if len(self._found) >= _MOST_KEPT:
                self._found.clear()
            self._found[name] = (time.monotonic(), key)
        return key


def is_local(request: Request) -> bool:
    """From loopback, to a loopback name, through no proxy that says so."""
    headers = request.headers
    if any(name in headers for name in ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")):
        return False
    return _is_loopback(request.client.host if request.client else "") and _is_loopback(
        _hostname(headers.get("host", ""))
    )


def _is_loopback(name: str) -> bool:
    if name in _LOOPBACK_NAMES:
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_foreign(request: Request) -> bool:
    origin = request.headers.get("origin")
    return origin is not None and _netloc(origin) != request.headers.get("host", "")


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _allow(scope: Scope) -> Any:
    def check(request: Request) -> Key:
        key = gate_of(request).key_of(request)
        if key is None:
            raise Refusal(401, "A key is needed", "Authorization: Bearer tm_…", {"WWW-Authenticate": "Bearer"})
        if not key.may(scope):
            raise Refusal(403, f"The key may not {scope}", key.key_id)
        return key

    return Depends(check)


def gate_of(request: Request) -> Gate:
    gate: Gate = request.app.state.gate
    return gate


CanRead = _allow("read")
CanExport = _allow("export")
CanAdmin = _allow("admin")
