"""Firebase Cloud Messaging, HTTP v1, `POST /v1/projects/{project}/messages:send`; OAuth 2 by a service account.

Format: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
Codes: https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
Token: https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from flows.connectors.calls import JSON, Answer, Call
from flows.connectors.http import HttpConnector, base_url, by_status, dig, refusal, taken
from flows.connectors.kind import Kind
from flows.connectors.tokens import load_key, write_token
from flows.sending.outgoing import Outcome, Outgoing, Reaction, Refused
from schemas.echo import ECHO_NAME

ERRORS = {
    "UNSPECIFIED_ERROR": Reaction.FAIL,
    "INVALID_ARGUMENT": Reaction.FAIL,
    "UNREGISTERED": Reaction.SUPPRESS,
    "SENDER_ID_MISMATCH": Reaction.FALLBACK,
    "QUOTA_EXCEEDED": Reaction.THROTTLED,
    "UNAVAILABLE": Reaction.RETRY,
    "INTERNAL": Reaction.RETRY,
    "THIRD_PARTY_AUTH_ERROR": Reaction.PAGE,
    "UNAUTHENTICATED": Reaction.PAGE,
    "PERMISSION_DENIED": Reaction.PAGE,
}
_LABEL = re.compile(r"[a-zA-Z0-9\-_.~%]{1,50}")
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_EARLY_S = 300


class Fcm(HttpConnector):
    """`sender` is the project; a notification's title is the subject."""

    http2 = True

    def __init__(self, connection: Mapping[str, str], timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._url = base_url(connection, "https://fcm.googleapis.com")
        self._token_url = connection.get("token_url", "https://oauth2.googleapis.com/token")
        self._account = connection["client_email"]
        self._key = load_key("private_key", connection["private_key"])
        self._token = ""
        self._expires_at = 0.0
        self._fetching: asyncio.Lock | None = None

    async def prepare(self) -> Refused | None:
        if time.time() < self._expires_at:
            return None
        self._fetching = self._fetching or asyncio.Lock()
        async with self._fetching:
            return None if time.time() < self._expires_at else await self._fetch()

    async def _fetch(self) -> Refused | None:
        answer = await self.exchange(self.token_call(int(time.time())))
        if not isinstance(answer, Answer):
            return answer if isinstance(answer, Refused) else Refused("no_token", Reaction.RETRY, answer.why, ails=True)
        body = answer.json()
        token, lasts_s = dig(body, "access_token"), dig(body, "expires_in")
        if answer.status != 200 or not isinstance(token, str):
            reaction = Reaction.PAGE if answer.status in (400, 401, 403) else Reaction.RETRY
            return refusal("no_token", reaction, answer, str(dig(body, "error_description") or answer.status))
        self._token, self._expires_at = token, time.time() + float(lasts_s or 3600) - _EARLY_S
        return None

    def token_call(self, now_s: int) -> Call:
        claims = {"iss": self._account, "scope": _SCOPE, "aud": self._token_url, "iat": now_s, "exp": now_s + 3600}
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": write_token(claims, self._key),
        }
        return Call(self._token_url, urlencode(form).encode(), (("content-type", "application/x-www-form-urlencoded"),))

    def call(self, message: Outgoing) -> Call:
        echo = message.echo
        body: dict[str, Any] = {
            "token": message.to,
            "notification": {"title": message.subject, "body": message.text},
            "data": {ECHO_NAME: echo},
        }
        if _LABEL.fullmatch(echo):
            body["fcm_options"] = {"analytics_label": echo}
        if message.expires_s:
            body["android"] = {"ttl": f"{min(message.expires_s, 2_419_200)}s"}
        url = f"{self._url}/v1/projects/{message.sender}/messages:send"
        headers = (JSON, ("authorization", f"Bearer {self._token}"))
        return Call(url, msgspec.json.encode({"message": body}), headers)

    def outcome(self, answer: Answer) -> Outcome:
        body = answer.json()
        if answer.status == 200:
            return taken(dig(body, "name"))
        details = dig(body, "error", "details")
        codes = [dig(detail, "errorCode") for detail in details] if isinstance(details, list) else []
        code = next((code for code in codes if isinstance(code, str)), dig(body, "error", "status"))
        if answer.status == 401:
            self._expires_at = 0.0
        if not isinstance(code, str) or code not in ERRORS:
            return by_status(answer)
        return refusal(code, ERRORS[code], answer, str(dig(body, "error", "message") or ""))


KIND = Kind(
    name="fcm",
    channels=("push",),
    make=Fcm,
    needs=("client_email", "private_key"),
    may=("url", "token_url"),
    reports_as="push",
)
