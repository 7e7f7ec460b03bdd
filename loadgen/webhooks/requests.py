"""HTTP requests of each provider, whole and signed: statuses, ids of ours, batch sizes as providers send them."""

import json
from collections.abc import Callable
from random import Random
from urllib.parse import quote, urlencode, urlsplit

from msgspec import Struct

from loadgen.signing import FORM, JSON, sendgrid_keys, sign
from schemas.echo import write_echo
from schemas.times import wall_clock

_META_STATUS = (
    '{"id":"wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUFERjg0NDEzNDdF%010d","status":"%s","timestamp":"%d",'
    '"recipient_id":"1650555%06d","biz_opaque_callback_data":"%s","conversation":{"id":"72b14d6bd5407799e66f64d1b338",'
    '"origin":{"type":"marketing"}},"pricing":{"billable":true,"pricing_model":"PMP","type":"regular",'
    '"category":"marketing"}}'
)
_META_BODY = (
    '{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":'
    '{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881",'
    '"phone_number_id":"106540352242922"},"statuses":[%s]},"field":"messages"}]}]}'
)
_KNOWN_KEY = 20_261_121
_STATUSES = ("sent", "delivered", "delivered", "read")


class Secrets(Struct, frozen=True, kw_only=True):
    """What the providers sign with, and what the receiver is to be configured with."""

    meta_whatsapp: str = "load-app-secret"
    twilio: str = "load-auth-token"
    sendgrid_private: str
    sendgrid: str
    vonage: str = "load-signature-secret-of-32-bytes"
    infobip: str = "load:password"

    def configured(self) -> dict[str, tuple[str, ...]]:
        """As `Settings.webhook_secrets`."""
        named = {name: getattr(self, name) for name in ("meta_whatsapp", "twilio", "sendgrid", "vonage", "infobip")}
        return {name: (secret,) for name, secret in named.items()}


def new_secrets() -> Secrets:
    private, public = sendgrid_keys()
    return Secrets(sendgrid_private=private, sendgrid=public)


def known_secrets() -> Secrets:
    """Always the same, so that a receiver can be started with them; good for nothing but tests under load."""
    private, public = sendgrid_keys(_KNOWN_KEY)
    return Secrets(sendgrid_private=private, sendgrid=public)


class Maker:
    """Makes requests to a receiver at `origin`, `http://HOST:PORT`, one message after another."""

    def __init__(self, origin: str, secrets: Secrets, *, seed: int = 1, campaign: str = "load") -> None:
        self._origin = origin
        self._secrets = secrets
        self._campaign = campaign
        self._random = Random(seed)
        self._message = 0

    def meta(self, statuses: int = 1) -> bytes:
        body = _META_BODY % ",".join(self._meta_status() for _ in range(statuses))
        return self._post("meta_whatsapp", body, self._secrets.meta_whatsapp)

    def _meta_status(self) -> str:
        echo = self._echo()
        at_s = wall_clock() // 1000
        return _META_STATUS % (self._message, self._status(), at_s, self._message % 1_000_000, echo)

    def twilio(self) -> bytes:
        echo, sid = self._echo(), f"SM{self._message:032x}"
        fields = {"SmsSid": sid, "SmsStatus": "sent", "MessageStatus": self._status(), "To": "+15558675310"}
        fields |= {"MessageSid": sid, "AccountSid": "AC" + "0" * 32, "From": "+15017250604", "ApiVersion": "2010-04-01"}
        target = f"?tidemark={quote(echo)}"
        return self._post("twilio", urlencode(fields), self._secrets.twilio, target=target, content_type=FORM)

    def sendgrid(self, events: int = 30) -> bytes:
        body = json.dumps([self._mail_event() for _ in range(events)]) + "\r\n"
        return self._post("sendgrid", body, self._secrets.sendgrid_private)

    def _mail_event(self) -> dict[str, object]:
        echo = self._echo()
        named = {"email": f"reader{self._message}@example.org", "timestamp": wall_clock() // 1000, "event": "delivered"}
        ids = {"sg_event_id": f"e{self._message}", "sg_message_id": f"Ab{self._message}.filter0425p1mdw1.1.2.0"}
        return {**named, **ids, "response": "250 OK", "category": ["load"], "tidemark": echo}

    def vonage(self) -> bytes:
        echo = self._echo()
        said = {"message_uuid": f"u{self._message}", "to": "447700900000", "from": "447700900001", "client_ref": echo}
        said |= {"timestamp": "2026-11-21T10:00:00.000Z", "status": self._status(), "channel": "sms"}
        return self._post("vonage", json.dumps(said), self._secrets.vonage)

    def infobip(self, results: int = 20) -> bytes:
        body = json.dumps({"results": [self._result() for _ in range(results)]})
        return self._post("infobip", body, self._secrets.infobip)

    def _result(self) -> dict[str, object]:
        echo = self._echo()
        status = {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET"}
        named = {"messageId": f"m{self._message}", "to": "41793026727", "doneAt": "2026-11-21T10:00:00.000+0000"}
        return {**named, "callbackData": echo, "status": status}

    def _echo(self) -> str:
        self._message += 1
        return write_echo(self._campaign, self._message, 1, wall_clock())

    def _status(self) -> str:
        return self._random.choice(_STATUSES)

    def _post(self, provider: str, body: str, secret: str, *, target: str = "", content_type: str = JSON) -> bytes:
        data, path = body.encode(), f"/webhooks/{provider}{target}"
        headers = sign(provider, data, secret=secret, url=self._origin + path, content_type=content_type)
        headers |= {"Host": urlsplit(self._origin).netloc, "Content-Length": str(len(data)), "Accept": "*/*"}
        lines = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
        return f"POST {path} HTTP/1.1\r\n{lines}User-Agent: load\r\n\r\n".encode() + data


def mixed(maker: Maker, count: int) -> list[bytes]:
    """Half WhatsApp, most of it one status a post; the others as their shares in a national campaign may be."""
    kinds: list[tuple[int, Callable[[], bytes]]] = [
        (40, maker.meta),
        (10, lambda: maker.meta(20)),
        (25, maker.twilio),
        (10, maker.vonage),
        (10, maker.infobip),
        (5, maker.sendgrid),
    ]
    random = Random(count)
    weights = [weight for weight, _ in kinds]
    return [make() for _, make in random.choices(kinds, weights, k=count)]
