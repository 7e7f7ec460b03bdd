"""Apple Push Notification service, `POST /3/device/{token}` over HTTP/2, authenticated by token.

Format: https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
Codes: https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
"""

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from flows.connectors.calls import Answer, Call
from flows.connectors.http import HttpConnector, base_url, by_status, dig, refusal, taken
from flows.connectors.kind import Kind
from flows.connectors.tokens import Kept, load_key, write_token
from flows.sending.outgoing import Outcome, Outgoing, Reaction
from schemas.echo import ECHO_NAME

ERRORS = {
    "BadCollapseId": Reaction.FAIL,
    "BadDeviceToken": Reaction.SUPPRESS,
    "BadExpirationDate": Reaction.FAIL,
    "BadMessageId": Reaction.FAIL,
    "BadPath": Reaction.FAIL,
    "BadPriority": Reaction.FAIL,
    "BadTopic": Reaction.STOP,
    "DeviceTokenNotForTopic": Reaction.FALLBACK,
    "ExpiredProviderToken": Reaction.RETRY,
    "ExpiredToken": Reaction.SUPPRESS,
    "Forbidden": Reaction.PAGE,
    "InternalServerError": Reaction.RETRY,
    "InvalidProviderToken": Reaction.PAGE,
    "InvalidPushType": Reaction.STOP,
    "MissingProviderToken": Reaction.PAGE,
    "MissingTopic": Reaction.STOP,
    "PayloadEmpty": Reaction.FAIL,
    "PayloadTooLarge": Reaction.FAIL,
    "ServiceUnavailable": Reaction.RETRY,
    "Shutdown": Reaction.RETRY,
    "TooManyProviderTokenUpdates": Reaction.PAGE,
    "TooManyRequests": Reaction.THROTTLED,
    "TopicDisallowed": Reaction.STOP,
    "Unregistered": Reaction.SUPPRESS,
}
_TOKEN_LASTS_S = 40 * 60
"""Apple refuses one older than an hour, and a new one more often than every twenty minutes."""


class Apns(HttpConnector):
    """`sender` is the app's topic; `apns-id` is made of our key, so that a repeat carries the same."""

    http2 = True

    def __init__(self, connection: Mapping[str, str], timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._url = base_url(connection, "https://api.push.apple.com")
        key, team, named = (
            load_key("private_key", connection["private_key"]),
            connection["team_id"],
            connection["key_id"],
        )
        self._kept = Kept(lambda now: write_token({"iss": team, "iat": int(now)}, key, kid=named), _TOKEN_LASTS_S)

    def call(self, message: Outgoing) -> Call:
        alert = {"title": message.subject, "body": message.text} if message.subject else message.text
        body: dict[str, Any] = {"aps": {"alert": alert}, ECHO_NAME: message.echo}
        headers = [
            ("authorization", f"bearer {self._kept.token()}"),
            ("apns-topic", message.sender),
            ("apns-push-type", "alert"),
            ("apns-id", str(uuid.uuid5(uuid.NAMESPACE_OID, message.key))),
        ]
        if message.expires_s:
            headers.append(("apns-expiration", str(message.sent_at // 1000 + message.expires_s)))
        return Call(f"{self._url}/3/device/{message.to}", msgspec.json.encode(body), tuple(headers))

    def outcome(self, answer: Answer) -> Outcome:
        if answer.status == 200:
            return taken(answer.headers.get("apns-id"))
        reason = dig(answer.json(), "reason")
        if reason == "ExpiredProviderToken":
            self._kept.forget()
        if not isinstance(reason, str) or reason not in ERRORS:
            return by_status(answer)
        return refusal(reason, ERRORS[reason], answer)


KIND = Kind(
    name="apns",
    channels=("push",),
    make=Apns,
    needs=("team_id", "key_id", "private_key"),
    may=("url",),
    reports_as="push",
)
