"""Amazon SES, API v2, `POST /v2/email/outbound-emails`, signed with Signature Version 4.

Format: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
Signing: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from flows.connectors.calls import Answer, Call
from flows.connectors.http import HttpConnector, base_url, by_status, dig, refusal, taken
from flows.connectors.kind import Kind
from flows.sending.outgoing import Outcome, Outgoing, Reaction
from schemas.echo import ECHO_NAME, write_tag

ERRORS = {
    "AccountSuspendedException": Reaction.PAGE,
    "BadRequestException": Reaction.FAIL,
    "ExpiredTokenException": Reaction.PAGE,
    "IncompleteSignatureException": Reaction.PAGE,
    "InternalFailure": Reaction.RETRY,
    "InvalidClientTokenId": Reaction.PAGE,
    "InvalidSignatureException": Reaction.PAGE,
    "AccessDeniedException": Reaction.PAGE,
    "LimitExceededException": Reaction.STOP,  # the day's quota
    "MailFromDomainNotVerifiedException": Reaction.STOP,
    "MessageRejected": Reaction.FAIL,
    "NotFoundException": Reaction.STOP,
    "SendingPausedException": Reaction.PAGE,
    "ServiceUnavailable": Reaction.RETRY,
    "Throttling": Reaction.THROTTLED,
    "ThrottlingException": Reaction.THROTTLED,
    "TooManyRequestsException": Reaction.THROTTLED,
    "UnrecognizedClientException": Reaction.PAGE,
}
_PATH = "/v2/email/outbound-emails"
_LONGEST_TAG = 256


class Ses(HttpConnector):
    def __init__(
        self, connection: Mapping[str, str], timeout_s: float, now: Callable[[], datetime] | None = None
    ) -> None:
        super().__init__(timeout_s)
        self._region = connection["region"]
        self._url = base_url(connection, f"https://email.{self._region}.amazonaws.com")
        self._key = connection["access_key_id"]
        self._secret = connection["secret_access_key"]
        self._token = connection.get("session_token", "")
        self._set = connection.get("configuration_set", "")
        self._now = now or (lambda: datetime.now(UTC))

    def call(self, message: Outgoing) -> Call:
        body = msgspec.json.encode(self._body(message))
        url = self._url + _PATH
        headers = sign(url, body, self._now(), self._region, "ses", self._key, self._secret, self._token)
        return Call(url, body, tuple(headers.items()))

    def _body(self, message: Outgoing) -> dict[str, Any]:
        body: dict[str, Any] = {
            "FromEmailAddress": message.sender,
            "Destination": {"ToAddresses": [message.to]},
            "Content": _content(message),
        }
        tag = write_tag(message.echo)
        if len(tag) <= _LONGEST_TAG:
            body["EmailTags"] = [{"Name": ECHO_NAME, "Value": tag}]
        if self._set:
            body["ConfigurationSetName"] = self._set
        return body

    def outcome(self, answer: Answer) -> Outcome:
        body = answer.json()
        if answer.status == 200:
            return taken(dig(body, "MessageId"))
        code = (answer.headers.get("x-amzn-errortype") or str(dig(body, "__type") or "")).partition(":")[0]
        code = code.rpartition("#")[2]
        if code not in ERRORS:
            return by_status(answer, {400: Reaction.FAIL, 404: Reaction.STOP})
        return refusal(code, ERRORS[code], answer, str(dig(body, "message") or dig(body, "Message") or ""))


def _content(message: Outgoing) -> dict[str, Any]:
    if not (message.text or message.html):
        data = {f"p{place}": text for place, text in enumerate(message.parameters, start=1)}
        return {"Template": {"TemplateName": message.template, "TemplateData": msgspec.json.encode(data).decode()}}
    texts = (("Text", message.text), ("Html", message.html))
    body = {name: {"Data": text, "Charset": "UTF-8"} for name, text in texts if text}
    return {"Simple": {"Subject": {"Data": message.subject, "Charset": "UTF-8"}, "Body": body}}


def sign(
    url: str,
    body: bytes,
    now: datetime,
    region: str,
    service: str,
    key: str,
    secret: str,
    token: str = "",
    content_type: str = "application/json",
) -> dict[str, str]:
    """The headers of a signed POST without a query."""
    parts = urlsplit(url)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {"host": parts.netloc, "x-amz-date": stamp}
    if content_type:
        headers["content-type"] = content_type
    if token:
        headers["x-amz-security-token"] = token
    names = ";".join(sorted(headers))
    canonical = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n{parts.path or '/'}\n\n{canonical}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signing = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    signature = hmac.digest(signing, to_sign.encode(), "sha256").hex()
    authorization = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return headers | {"authorization": authorization}


KIND = Kind(
    name="ses_sns",
    channels=("email",),
    make=Ses,
    needs=("region", "access_key_id", "secret_access_key"),
    may=("url", "session_token", "configuration_set"),
)
