"""What each provider's requests look like and how it answers, by its own documentation; read independently of the
sender's connectors, so that a mistake can't agree with itself.
"""

import re
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from loadgen.provider.server import Asked, Reply

_ECHO = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)~([0-9]+)~([0-9]+)~([0-9]+)")
_TAG = {"__": "_", "_d": ".", "_t": "~"}


class Sent(Struct, gc=False):
    """What a request asks for."""

    provider: str
    sender: str
    to: str
    echo: str
    key: str = ""

    def ids(self) -> tuple[str, int, int, int]:
        """Campaign, key, attempt, sent time; an empty campaign where the echo is none."""
        match = _ECHO.fullmatch(self.echo)
        return (match[1], int(match[2]), int(match[3]), int(match[4])) if match else ("", 0, 0, 0)


class Shape(Struct, frozen=True):
    """`read` raises ValueError, KeyError, TypeError or IndexError for what the provider would refuse as malformed."""

    name: str
    path: re.Pattern[str]
    read: Callable[[Asked, re.Match[str]], Sent]
    accept: Callable[[str], Reply]
    refuse: Callable[[str], Reply]
    throttle: Reply


def _json(status: int, body: Any, *headers: tuple[str, str]) -> Reply:
    return Reply(status, msgspec.json.encode(body), (("content-type", "application/json"), *headers))


def new_id(provider: str) -> str:
    token = secrets.token_hex(16)
    prefixes = {"meta_whatsapp": "wamid.HBg", "twilio": "SM", "gupshup": "", "push": "projects/demo/messages/0:"}
    return prefixes.get(provider, "") + token


# --- Meta, and Gupshup's passthrough ---------------------------------------------------------------------------------


def _read_meta(asked: Asked, match: re.Match[str]) -> Sent:
    _need_bearer(asked)
    body = msgspec.json.decode(asked.body)
    if body["messaging_product"] != "whatsapp" or body["type"] not in ("text", "template"):
        raise ValueError("messaging_product, type")
    body["text"]["body"] if body["type"] == "text" else body["template"]["language"]["code"]
    return Sent("meta_whatsapp", match[1], body["to"], body.get("biz_opaque_callback_data", ""))


def _read_gupshup(asked: Asked, match: re.Match[str]) -> Sent:
    sent = _read_meta(asked, match)
    return Sent("gupshup", sent.sender, sent.to, sent.echo)


def _accept_meta(identity: str) -> Reply:
    messages = [{"id": identity, "message_status": "accepted"}]
    return _json(200, {"messaging_product": "whatsapp", "contacts": [], "messages": messages})


_META_STATUS = {"130429": 400, "131016": 503, "190": 401, "131000": 500, "80007": 400}


def _refuse_meta(code: str) -> Reply:
    error = {
        "message": f"(#{code}) Refused",
        "type": "OAuthException",
        "code": int(code),
        "error_data": {"messaging_product": "whatsapp", "details": "simulated"},
        "fbtrace_id": "Az8or2yhqkZfEZ-_4Qn_Bam",
    }
    return _json(_META_STATUS.get(code, 400), {"error": error})


# --- Twilio ----------------------------------------------------------------------------------------------------------


def _read_twilio(asked: Asked, _match: re.Match[str]) -> Sent:
    if not asked.headers.get("authorization", "").startswith("Basic "):
        raise PermissionError
    form = parse_qs(asked.body.decode(), strict_parsing=True)
    sender = form["From"][0] if "From" in form else form["MessagingServiceSid"][0]
    if "Body" not in form and "ContentSid" not in form:
        raise ValueError("Body")
    callback = form.get("StatusCallback", [""])[0]
    return Sent("twilio", sender, form["To"][0], parse_qs(urlsplit(callback).query).get("tidemark", [""])[0])


def _accept_twilio(identity: str) -> Reply:
    return _json(201, {"sid": identity, "status": "queued", "error_code": None, "error_message": None})


def _refuse_twilio(code: str) -> Reply:
    status = {"20003": 401, "20429": 429, "20503": 503}.get(code, 400)
    more = f"https://www.twilio.com/docs/errors/{code}"
    return _json(status, {"code": int(code), "message": "Refused", "more_info": more, "status": status})


# --- e-mail ----------------------------------------------------------------------------------------------------------


def _read_sendgrid(asked: Asked, _match: re.Match[str]) -> Sent:
    _need_bearer(asked)
    body = msgspec.json.decode(asked.body)
    person = body["personalizations"][0]
    if not body.get("template_id"):
        body["subject"], body["content"][0]["value"]
    echo = person.get("custom_args", {}).get("tidemark", "")
    return Sent("sendgrid", body["from"]["email"], person["to"][0]["email"], echo)


def _refuse_sendgrid(code: str) -> Reply:
    return _json(int(code), {"errors": [{"message": "refused", "field": None, "help": None}]})


def _read_ses(asked: Asked, _match: re.Match[str]) -> Sent:
    if not asked.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 Credential="):
        raise PermissionError
    body = msgspec.json.decode(asked.body)
    tags = {tag["Name"]: tag["Value"] for tag in body.get("EmailTags", [])}
    echo = re.sub("_[_dt]", lambda match: _TAG[match[0]], tags.get("tidemark", ""))
    return Sent("ses_sns", body["FromEmailAddress"], body["Destination"]["ToAddresses"][0], echo)


def _refuse_ses(code: str) -> Reply:
    status = {"TooManyRequestsException": 429}.get(code, 400)
    return _json(status, {"message": "refused"}, ("x-amzn-errortype", code))


# --- the rest --------------------------------------------------------------------------------------------------------


def _read_infobip(asked: Asked, _match: re.Match[str]) -> Sent:
    if not asked.headers.get("authorization", "").startswith("App "):
        raise PermissionError
    message = msgspec.json.decode(asked.body)["messages"][0]
    person = message["destinations"][0]
    echo = message.get("webhooks", {}).get("callbackData", "")
    return Sent("infobip", message["sender"], person["to"], echo, person.get("messageId", ""))


def _accept_infobip(identity: str) -> Reply:
    status = {"groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED", "description": "accepted"}
    return _json(200, {"messages": [{"messageId": identity, "status": status, "destination": ""}]})


def _refuse_infobip(code: str) -> Reply:
    status = {"TOO_MANY_REQUESTS": 429, "UNAUTHORIZED": 401, "BAD_REQUEST": 400}.get(code, 500)
    return _json(status, {"requestError": {"serviceException": {"messageId": code, "text": "refused"}}})


def _read_vonage(asked: Asked, _match: re.Match[str]) -> Sent:
    if not asked.headers.get("authorization"):
        raise PermissionError
    body = msgspec.json.decode(asked.body)
    return Sent("vonage", body["from"], body["to"], body.get("client_ref", ""))


def _refuse_vonage(code: str) -> Reply:
    about = {
        "type": "https://developer.vonage.com/api-errors",
        "title": "Refused",
        "detail": "refused",
        "instance": "1",
    }
    return _json(int(code), about)


def _read_fcm(asked: Asked, match: re.Match[str]) -> Sent:
    _need_bearer(asked)
    message = msgspec.json.decode(asked.body)["message"]
    label = message.get("fcm_options", {}).get("analytics_label", "")
    return Sent("push", match[1], message["token"], message.get("data", {}).get("tidemark") or label)


def _refuse_fcm(code: str) -> Reply:
    status = {"UNREGISTERED": 404, "QUOTA_EXCEEDED": 429, "UNAVAILABLE": 503, "INTERNAL": 500}.get(code, 400)
    detail = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}
    return _json(status, {"error": {"code": status, "message": "refused", "status": code, "details": [detail]}})


def _read_generic(asked: Asked, _match: re.Match[str]) -> Sent:
    body = msgspec.json.decode(asked.body)
    echo = f"{body['campaign_id']}~{body['message_key']}~{body['attempt']}~{body['sent_at']}"
    return Sent("canonical", body["from"], body["to"], echo, asked.headers.get("idempotency-key", ""))


def _accept_generic(identity: str) -> Reply:
    return _json(200, {"id": identity})


def _refuse_generic(code: str) -> Reply:
    status = int(code) if code.isdigit() and 400 <= int(code) < 600 else 400
    return _json(status, {"error": {"code": code}})


def _need_bearer(asked: Asked) -> None:
    if not asked.headers.get("authorization"):
        raise PermissionError


_SOON = ("retry-after", "1")
SHAPES = (
    Shape("canonical", re.compile(r"/send"), _read_generic, _accept_generic, _refuse_generic,
          _json(429, {"error": {"code": "429"}}, _SOON)),
    Shape("meta_whatsapp", re.compile(r"(?:/v\d+\.\d+)?/([0-9]{5,20})/messages"), _read_meta, _accept_meta,
          _refuse_meta, _refuse_meta("130429")),
    Shape("gupshup", re.compile(r"/partner/app/([^/]+)/v3/message"), _read_gupshup, _accept_meta, _refuse_meta,
          _refuse_meta("130429")),
    Shape("twilio", re.compile(r"/2010-04-01/Accounts/([^/]+)/Messages\.json"), _read_twilio, _accept_twilio,
          _refuse_twilio, _refuse_twilio("20429")),
    Shape("sendgrid", re.compile(r"/v3/mail/send"), _read_sendgrid,
          lambda identity: Reply(202, b"", (("x-message-id", identity),)), _refuse_sendgrid, _refuse_sendgrid("429")),
    Shape("ses_sns", re.compile(r"/v2/email/outbound-emails"), _read_ses,
          lambda identity: _json(200, {"MessageId": identity}), _refuse_ses, _refuse_ses("TooManyRequestsException")),
    Shape("infobip", re.compile(r"/sms/3/messages"), _read_infobip, _accept_infobip, _refuse_infobip,
          _refuse_infobip("TOO_MANY_REQUESTS")),
    Shape("vonage", re.compile(r"/v1/messages"), _read_vonage,
          lambda identity: _json(202, {"message_uuid": identity}), _refuse_vonage, _refuse_vonage("429")),
    Shape("push", re.compile(r"/v1/projects/([^/]+)/messages:send"), _read_fcm,
          lambda identity: _json(200, {"name": identity}), _refuse_fcm, _refuse_fcm("QUOTA_EXCEEDED")),
)  # fmt: skip


def shape_of(path: str) -> tuple[Shape, re.Match[str]] | None:
    for shape in SHAPES:
        if match := shape.path.fullmatch(path):
            return shape, match
    return None
