"""Statuses of what was taken, posted back in the provider's own format and signed: late, repeated, out of order, and
again on anything but 2xx.
"""

import asyncio
import heapq
import random
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError

from loadgen.provider.shapes import Sent
from loadgen.provider.told import Told
from loadgen.signing import FORM, JSON, sign

_BATCHED = ("meta_whatsapp", "gupshup", "sendgrid", "infobip", "canonical")
_BATCH = 50
_POSTS = 16
_TICK_S = 0.05
_RETRIES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_READ, _FAILED = 0.4, 0.02
_WORDS = {
    "meta_whatsapp": {},
    "gupshup": {},
    "twilio": {"failed": "undelivered"},
    "sendgrid": {"sent": "processed", "read": "open", "failed": "bounce"},
    "infobip": {"sent": "DELIVERED_TO_OPERATOR", "delivered": "DELIVERED_TO_HANDSET", "failed": "UNDELIVERABLE"},
    "vonage": {"sent": "submitted", "failed": "undeliverable"},
    "canonical": {},
}
_UNREAD = ("infobip", "vonage")


class Mail(NamedTuple):
    """Where webhooks go: `url` without the provider's name; empty: nowhere."""

    url: str
    secret: str
    duplicates: float
    delay_ms: float
    seed: int


class Report(NamedTuple):
    """One status that is due; `order` breaks ties."""

    due: float
    order: int
    sent: Sent
    identity: str
    status: str
    tries: int


class Postman:
    """`taken` for each message, from the loop; `work` posts until it is cancelled."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail
        self._random = random.Random(mail.seed)
        self._due: list[Report] = []
        self._order = 0
        self._busy = asyncio.Semaphore(_POSTS)
        self._tasks: set[asyncio.Task[None]] = set()
        self.told = Told()

    def taken(self, sent: Sent, identity: str, _at: int) -> None:
        if not self._mail.url or sent.provider not in _WORDS:
            return
        now, delay_s = time.monotonic(), self._mail.delay_ms / 1000
        self._plan(sent, identity, "sent", now + delay_s * self._random.uniform(0.1, 0.9))
        failed = self._random.random() < _FAILED
        arrives = now + delay_s * self._random.lognormvariate(0, 0.5)
        self._plan(sent, identity, "failed" if failed else "delivered", arrives)
        if not failed and sent.provider not in _UNREAD and self._random.random() < _READ:
            self._plan(sent, identity, "read", arrives + delay_s * self._random.expovariate(0.3))

    def _plan(self, sent: Sent, identity: str, status: str, due: float) -> None:
        self.told.plan()
        self._push(due, sent, identity, status, 0)
        if self._random.random() < self._mail.duplicates:
            self.told.plan()
            self._push(due + self._random.uniform(0, 5), sent, identity, status, 0)

    def _push(self, due: float, sent: Sent, identity: str, status: str, tries: int) -> None:
        self._order += 1
        heapq.heappush(self._due, Report(due, self._order, sent, identity, status, tries))

    async def work(self) -> None:
        if not self._mail.url:
            return
        async with ClientBuilder().http1_only().timeout(timedelta(seconds=10)).build() as client:
            while True:
                for provider, reports in self._take().items():
                    step = _BATCH if provider in _BATCHED else 1
                    for start in range(0, len(reports), step):
                        await self._busy.acquire()
                        self._spawn(client, provider, reports[start : start + step])
                await asyncio.sleep(_TICK_S)

    def _take(self) -> dict[str, list[Report]]:
        now, found = time.monotonic(), defaultdict(list)
        while self._due and self._due[0].due <= now:
            report = heapq.heappop(self._due)
            found[report.sent.provider].append(report)
        return found

    def _spawn(self, client: Client, provider: str, reports: list[Report]) -> None:
        task = asyncio.get_running_loop().create_task(self._post(client, provider, reports))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _post(self, client: Client, provider: str, reports: list[Report]) -> None:
        body, content_type = write(provider, reports)
        echo = f"?{urlencode({'tidemark': reports[0].sent.echo})}" if provider == "twilio" else ""
        url = f"{self._mail.url}/{provider}{echo}"
        secret = f"simulator:{self._mail.secret}" if provider in ("infobip", "gupshup") else self._mail.secret
        try:
            headers = sign(provider, body, secret=secret, url=url, content_type=content_type)
            response = await client.post(url).headers(headers).body_bytes(body).build().send()
            good = 200 <= response.status < 300
        except PyreqwestError:
            good = False
        finally:
            self._busy.release()
        if good:
            for report in reports:
                self.told.take(report.sent, report.status)
        else:
            self._again(reports)

    def _again(self, reports: list[Report]) -> None:
        for report in reports:
            wait_s = _RETRIES_S[min(report.tries, len(_RETRIES_S) - 1)]
            self._push(time.monotonic() + wait_s, report.sent, report.identity, report.status, report.tries + 1)


def write(provider: str, reports: list[Report]) -> tuple[bytes, str]:
    """The body of one webhook, and its content type."""
    now = datetime.now(UTC)
    if provider == "twilio":
        return urlencode(_twilio(reports[0])).encode(), FORM
    if provider == "sendgrid":
        return msgspec.json.encode([_sendgrid(report, now) for report in reports]), JSON
    if provider == "infobip":
        return msgspec.json.encode({"results": [_infobip(report, now) for report in reports]}), JSON
    if provider == "vonage":
        return msgspec.json.encode(_vonage(reports[0], now)), JSON
    if provider == "canonical":
        return msgspec.json.encode([_canonical(report, now) for report in reports]), JSON
    return msgspec.json.encode(_meta(provider, reports, now)), JSON


def _word(provider: str, status: str) -> str:
    return _WORDS[provider].get(status, status)


def _meta(provider: str, reports: list[Report], now: datetime) -> dict[str, Any]:
    statuses = []
    for report in reports:
        status: dict[str, Any] = {
            "id": report.identity,
            "status": report.status,
            "timestamp": str(int(now.timestamp())),
            "recipient_id": report.sent.to.removeprefix("+"),
            "biz_opaque_callback_data": report.sent.echo,
        }
        if provider == "gupshup":
            status["gs_id"] = report.identity
        if report.status == "failed":
            status["errors"] = [{"code": 131026, "title": "Message undeliverable"}]
        statuses.append(status)
    metadata = {"display_phone_number": "15550783881", "phone_number_id": reports[0].sent.sender}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": statuses}
    entry = {"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def _twilio(report: Report) -> dict[str, str]:
    status = _word("twilio", report.status)
    form = {"MessageSid": report.identity, "MessageStatus": status, "SmsSid": report.identity, "SmsStatus": status}
    form |= {"To": report.sent.to, "From": report.sent.sender, "AccountSid": "AC0", "ApiVersion": "2010-04-01"}
    return form | ({"ErrorCode": "30003"} if report.status == "failed" else {})


def _sendgrid(report: Report, now: datetime) -> dict[str, Any]:
    event = {
        "email": report.sent.to,
        "timestamp": int(now.timestamp()),
        "event": _word("sendgrid", report.status),
        "sg_event_id": f"{report.identity}.{report.status}",
        "sg_message_id": f"{report.identity}.recvd-1",
        "tidemark": report.sent.echo,
    }
    return event | ({"status": "5.1.1", "type": "bounce"} if report.status == "failed" else {})


def _infobip(report: Report, now: datetime) -> dict[str, Any]:
    group = {"sent": "DELIVERED", "delivered": "DELIVERED"}.get(report.status, "UNDELIVERABLE")
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    return {
        "messageId": report.identity,
        "to": report.sent.to,
        "sentAt": stamp,
        "doneAt": stamp,
        "callbackData": report.sent.echo,
        "status": {"groupName": group, "name": _word("infobip", report.status)},
        "error": {"name": "EC_ABSENT_SUBSCRIBER" if report.status == "failed" else "NO_ERROR"},
    }


def _vonage(report: Report, now: datetime) -> dict[str, Any]:
    return {
        "message_uuid": report.identity,
        "to": report.sent.to,
        "from": report.sent.sender,
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "status": _word("vonage", report.status),
        "channel": "sms",
        "client_ref": report.sent.echo,
    }


def _canonical(report: Report, now: datetime) -> dict[str, Any]:
    campaign, key, attempt, sent_at = report.sent.ids()
    event = {
        "campaign_id": campaign,
        "message_key": key,
        "attempt": attempt,
        "sent_at": sent_at,
        "status": report.status,
        "event_time": int(now.timestamp() * 1000),
        "provider_message_id": report.identity,
        "recipient": report.sent.to,
    }
    return event | ({"error_code": "undeliverable"} if report.status == "failed" else {})
