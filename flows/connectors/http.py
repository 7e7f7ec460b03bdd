"""Connectors over HTTP: pure functions make the request and read the answer, one pooled client does the rest.

pyreqwest (Rust, keep-alive, HTTP/2) took 47 µs CPU a request and aiohttp 127, at 16,000 and 6,000 a second.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BuilderError, ConnectError, PoolTimeoutError, PyreqwestError

from flows.sending.outgoing import Outcome, Outgoing, Reaction, Refused, Taken, Unknown
from schemas.errors import UsageError

LARGEST_ANSWER_BYTES = 1 << 20
_CONNECTIONS = 2000
_CONNECT_WITHIN_S = 10
_LONGEST_CODE = 100

JSON = ("content-type", "application/json")


class Call(Struct, gc=False):
    """One HTTP request."""

    url: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "POST"


class Answer(Struct, gc=False):
    """Headers are asked for by names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, or None where it is no JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError):
            return None


class HttpConnector(ABC):
    """Subclasses give `call` and `outcome`, both pure."""

    http2 = False

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._client: Client | None = None

    @abstractmethod
    def call(self, message: Outgoing) -> Call:
        """Raises ValueError for a message that can't be asked for."""

    @abstractmethod
    def outcome(self, answer: Answer) -> Outcome: ...

    def lookup_call(self, _message: Outgoing) -> Call | None:
        return None

    def found(self, _answer: Answer) -> Taken | Refused | None:
        return None

    async def prepare(self) -> Refused | None:
        """Before each request: what must be fetched first, such as a token."""
        return None

    async def send(self, message: Outgoing) -> Outcome:
        refused = await self.prepare()
        if refused:
            return refused
        try:
            call = self.call(message)
        except ValueError as error:
            return Refused("unsendable", Reaction.FAIL, str(error))
        answer = await self.exchange(call)
        if isinstance(answer, Answer):
            return self.outcome(answer)
        return answer

    async def look_up(self, message: Outgoing) -> Taken | Refused | None:
        call = self.lookup_call(message)
        if call is None:
            return None
        answer = await self.exchange(call)
        return self.found(answer) if isinstance(answer, Answer) else None

    async def exchange(self, call: Call) -> Answer | Refused | Unknown:
        """The answer, or why there is none: whether the request had left decides what is known of it."""
        try:
            request = self._open().request(call.method, call.url).headers(call.headers)
            response = await request.body_bytes(call.body).build().send()
            body = await response.bytes()
            return Answer(response.status, response.headers, bytes(body))
        except (ConnectError, PoolTimeoutError) as error:
            if _never_left(error):
                return Refused("not_connected", Reaction.RETRY, _told(error), ails=True)
            return Unknown(_told(error))
        except BuilderError as error:
            return Refused("unsendable", Reaction.FAIL, _told(error))
        except PyreqwestError as error:
            return Unknown(_told(error))

    def _open(self) -> Client:
        if self._client is None:
            builder = ClientBuilder().max_connections(None).pool_max_idle_per_host(_CONNECTIONS)
            builder = builder.timeout(timedelta(seconds=self._timeout_s))
            builder = builder.connect_timeout(timedelta(seconds=min(self._timeout_s, _CONNECT_WITHIN_S)))
            builder = builder.follow_redirects(False).tcp_nodelay(True).user_agent("tidemark/0.1")
            builder = builder.http2(True) if self.http2 else builder.http1_only()
            self._client = builder.build()
        return self._client

    async def close(self) -> None:
        if self._client:
            await self._client.close()


def _never_left(error: PyreqwestError) -> bool:
    """A reset of a kept connection is a ConnectError too: only one of connecting says that nothing was sent."""
    if isinstance(error, PoolTimeoutError):
        return True
    causes = error.args[1].get("causes", []) if len(error.args) > 1 and isinstance(error.args[1], dict) else []
    return any("(Connect)" in cause.get("message", "") for cause in causes)


def _told(error: PyreqwestError) -> str:
    return " ".join(str(error.args[0] if error.args else error).split())[:200]


def by_status(answer: Answer, reactions: Mapping[int, Reaction] | None = None) -> Outcome:
    """What HTTP itself says, where the body has no code of the provider's (RFC 9110; 429: RFC 6585).

    A gateway's 500, 502 or 504 leaves open whether what stands behind it took the message.
    """
    status, code = answer.status, str(answer.status)
    reaction = (reactions or {}).get(status)
    if reaction is None and status in (500, 502, 504):
        return Unknown(f"HTTP {status}")
    if reaction is None:
        reaction = _REACTIONS.get(status, Reaction.RETRY if status >= 500 else Reaction.FAIL)
    return refusal(code, reaction, answer)


_REACTIONS = {
    401: Reaction.PAGE,
    402: Reaction.PAGE,
    403: Reaction.PAGE,
    404: Reaction.STOP,
    408: Reaction.RETRY,
    425: Reaction.RETRY,
    429: Reaction.THROTTLED,
    503: Reaction.RETRY,
}


def refusal(code: str, reaction: Reaction, answer: Answer, detail: str = "") -> Refused:
    return Refused(
        code[:_LONGEST_CODE],
        reaction,
        detail[:200],
        retry_after_s(answer.headers.get("retry-after", "")),
        ails=answer.status >= 500 and answer.status != 501,
    )


def retry_after_s(text: str) -> float:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3); 0 without, or where it gives a date: then we back off."""
    return min(float(text), 3600.0) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0


def taken(identity: object) -> Outcome:
    """An answer that says yes and names no message leaves us in doubt."""
    if isinstance(identity, str | int) and identity != "" and len(str(identity)) <= 512:
        return Taken(str(identity))
    return Unknown("accepted without a message id")


def base_url(connection: Mapping[str, str], default: str) -> str:
    """`url` of the connection without a slash at its end; raises UsageError."""
    url = connection.get("url") or default
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"url: {url!r} is no http(s) address")
    return url.rstrip("/")


def with_echo(url: str, echo: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}tidemark={quote(echo)}"


def dig(value: Any, *path: str | int) -> Any:
    """What stands at `path` of decoded JSON; None where there is nothing."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and len(value) > step else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value
