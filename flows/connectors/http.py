"""Connectors over HTTP: pure functions make the request and read the answer, a client does the rest."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies

from flows.connectors.calls import Answer, Call, Client, NoAnswerError, NotSentError
from flows.connectors.http1 import Http1Client
from flows.connectors.http2 import Http2Client
from flows.sending.outgoing import Outcome, Outgoing, Reaction, Refused, Taken, Unknown
from schemas.errors import UsageError

_CONNECT_WITHIN_S = 10.0
_LONGEST_CODE = 100


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
            return await self._open().exchange(call)
        except NotSentError as error:
            return Refused("not_connected", Reaction.RETRY, _told(error), ails=True)
        except NoAnswerError as error:
            return Unknown(_told(error))
        except ValueError as error:
            return Refused("unsendable", Reaction.FAIL, _told(error))

    def _open(self) -> Client:
        if self._client is None:
            made = Http2Client if self.http2 or getproxies() else Http1Client
            self._client = made(self._timeout_s, _CONNECT_WITHIN_S)
        return self._client

    async def close(self) -> None:
        if self._client:
            await self._client.close()


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


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
