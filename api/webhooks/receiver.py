"""The ASGI application behind `/webhooks/{provider}[/{token}]`."""

import base64
import itertools
import secrets
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from api.webhooks.answers import (
    DURABLE,
    NOT_NOW,
    NOT_SET_UP,
    TOO_LARGE,
    TOO_SLOW,
    UNKNOWN_PROVIDER,
    WRONG_SIGNATURE,
    WRONG_TYPE,
    Answer,
    Message,
    Receive,
    Scope,
    Send,
    answer,
)
from api.webhooks.doors import SES, Door, doors
from api.webhooks.intake import Intake
from api.webhooks.sns import Amazon
from api.webhooks.time_limit import TimeLimit
from flows.providers import Signed, Verdict
from flows.topics import LINE_LIMIT_BYTES
from schemas.events import Envelope
from schemas.settings import Settings

PREFIX = "/webhooks/"
_CHALLENGE_LIMIT = 256
_READING_LIMIT_BYTES = 128 << 20
"""Of bodies that come in parts: who sends the beginnings of many is not known yet to be anybody."""
_BODY_WITHIN_S = 10.0
"""From headers to the last byte: providers wait no longer for an answer. Without it 43 silent clients held all room."""
_encode = msgspec.json.Encoder().encode


class Receiver:
    """Takes what providers post: 200 once it is durable, else the status that says what to do about it.

    At-least-once: a request answered 503 may be in the topic, and comes again under another receipt.
    """

    def __init__(self, settings: Settings, *, intake: Intake | None = None, amazon: Amazon | None = None) -> None:
        self._doors: Mapping[str, Door] = doors(settings)
        self._intake = intake or Intake(settings)
        self._amazon = amazon or Amazon(settings.webhook_ses_sns_topics)
        self._public_url = settings.public_url.rstrip("/")
        self._now = settings.now()
        self._body_limit = TimeLimit(_BODY_WITHIN_S)
        self._reading_bytes = 0
        self._receipts = itertools.count()
        # With the count behind it unique over all processes and restarts.
        self._process = secrets.token_hex(8)

    async def stop(self) -> None:
        await self._intake.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            answer = await self._answer(scope, receive)
            await send(answer.start)
            await send(answer.body)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.stop()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        name, _, token = scope["path"].removeprefix(PREFIX).partition("/")
        door = self._doors.get(name)
        if door is None:
            return UNKNOWN_PROVIDER
        if door.is_shut:
            return NOT_SET_UP
        if scope["method"] not in door.hook.methods:
            return door.wrong_method
        if not self._intake.takes:
            return NOT_NOW
        headers = dict(scope["headers"])
        content_type = headers.get(b"content-type", b"")
        if not (content_type in door.content_types or scope["method"] == "GET" or _is_taken(content_type, door)):
            return WRONG_TYPE
        try:
            with self._body_limit:
                body = await self._body(receive, headers.get(b"content-length", b""), door.hook.max_body_bytes)
        except TimeoutError:
            return TOO_SLOW
        if isinstance(body, Answer):
            return body
        now_ms = self._now()
        signed = Signed(
            method=scope["method"],
            url=self._url(scope, headers) if scope["query_string"] or door.hook.signs_url else "",
            headers={name: headers[raw].decode("latin-1") for raw, name in door.headers if raw in headers},
            body=body,
            token=token,
            now_s=now_ms / 1000,
        )
        if not door.is_open:
            verdict = door.hook.verify(signed, door.keys) if door.keys else await self._amazon.verify(signed)
            if verdict is not Verdict.VALID:
                return WRONG_SIGNATURE if verdict is Verdict.WRONG else NOT_NOW
        if door.hook.challenge and signed.method == "GET":
            return _challenged(door.hook.challenge(signed))
        if door.provider == SES and not await self._amazon.confirm(signed):
            return NOT_NOW
        waiter = self._intake.put(self._line(door, signed, content_type.decode("latin-1"), now_ms))
        return DURABLE if waiter and await waiter else NOT_NOW

    async def _body(self, receive: Receive, announced: bytes, limit_bytes: int) -> bytes | Answer:
        """An answer as soon as it is too large, or the parts of all bodies are."""
        if announced.isdigit() and int(announced) > limit_bytes:
            return TOO_LARGE
        message = await receive()
        body: bytes = message.get("body", b"")
        if message["type"] == "http.request" and not message.get("more_body"):
            return body if len(body) <= limit_bytes else TOO_LARGE
        read = bytearray()
        try:
            return await self._parts(receive, message, read, limit_bytes)
        finally:
            self._reading_bytes -= len(read)

    async def _parts(self, receive: Receive, message: Message, read: bytearray, limit_bytes: int) -> bytes | Answer:
        """Where the client goes away in the middle, nobody hears the answer."""
        while message["type"] == "http.request":
            part: bytes = message.get("body", b"")
            read += part
            self._reading_bytes += len(part)
            if len(read) > limit_bytes:
                return TOO_LARGE
            if self._reading_bytes > _READING_LIMIT_BYTES:
                return NOT_NOW
            if not message.get("more_body"):
                return bytes(read)
            message = await receive()
        return NOT_NOW

    def _line(self, door: Door, signed: Signed, content_type: str, now_ms: int) -> bytes:
        """The envelope: byte-exact, and without the secret that some providers know us by."""
        envelope = Envelope(
            receipt_id=f"{self._process}{next(self._receipts):x}",
            provider=door.provider,
            received_at=now_ms,
            method=signed.method,
            url=f"{PREFIX}{door.provider}?{signed.url.partition('?')[2]}" if signed.token else signed.url,
            headers={} if door.hook.headers_are_secret else dict(signed.headers),
            content_type=content_type,
            body=_text(signed.body),
        )
        line = _encode(envelope)
        if envelope.body is None or len(line) >= LINE_LIMIT_BYTES:
            line = _encode(
                msgspec.structs.replace(envelope, body=None, body_base64=base64.b64encode(signed.body).decode())
            )
        return line + b"\n"

    def _url(self, scope: Scope, headers: Mapping[bytes, bytes]) -> str:
        """As the provider knows it; `Host` may say anything, but then no signature over it holds."""
        query = scope["query_string"].decode("latin-1")
        path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        origin = self._public_url or f"{scope['scheme']}://{headers.get(b'host', b'').decode('latin-1')}"
        return f"{origin}{path}?{query}" if query else origin + path


def _challenged(text: str | None) -> Answer:
    """For who wants to know whether we are who we say."""
    return answer(200, text[:_CHALLENGE_LIMIT].encode()) if text else WRONG_SIGNATURE


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _is_taken(content_type: bytes, door: Door) -> bool:
    """Who says none sends the usual one."""
    return content_type.partition(b";")[0].strip().lower() in door.content_types
