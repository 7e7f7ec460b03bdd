"""Statuses of what was taken, posted back: late, repeated, out of order, and again on anything but 2xx."""

import asyncio
import heapq
import random
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError

from loadgen.provider.bodies import BATCHED, Report, meaning, said_ms, write
from loadgen.provider.habits import HABITS, happenings
from loadgen.provider.ledger import Told
from loadgen.provider.shapes import Sent
from loadgen.signing import sign

_BATCH = 50
_POSTS = 16
_TICK_S = 0.05
_REPEATED_WITHIN = 10.0
"""Times the median delay."""
_RETRIES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_NAMED = ("infobip", "gupshup")
"""They give a user's name with the secret: HTTP Basic."""


class Mail(NamedTuple):
    """Where webhooks go: `url` without the provider's name; empty: nowhere. `secrets` by provider, "" for the rest."""

    url: str
    secrets: Mapping[str, str]
    duplicates: float
    delay_ms: float
    seed: int

    def secret(self, provider: str) -> str:
        secret = self.secrets.get(provider) or self.secrets[""]
        return f"simulator:{secret}" if provider in _NAMED else secret


class _Due(NamedTuple):
    """`order` breaks ties; `tries`: how often it was posted in vain."""

    due: float
    order: int
    report: Report
    tries: int


class Postman:
    """`taken` for each message, from the loop; `work` posts until it is cancelled. `told`: what was answered 2xx."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail
        self._random = random.Random(mail.seed)
        self._due: list[_Due] = []
        self._order = 0
        self._posting = 0
        self._busy = asyncio.Semaphore(_POSTS)
        self._tasks: set[asyncio.Task[None]] = set()
        self.told: list[Told] = []

    def taken(self, sent: Sent, identity: str, at_ms: int) -> None:
        habits = HABITS.get(sent.provider)
        if not self._mail.url or habits is None:
            return
        now, delay_s = time.monotonic(), self._mail.delay_ms / 1000
        for happening in happenings(habits, delay_s, self._random):
            status, due = happening.status, now + happening.after_s
            report = Report(sent, identity, status, happening.code, at_ms + round(happening.after_s * 1000))
            self._push(due, report, 0)
            if self._random.random() < self._mail.duplicates:
                self._push(due + self._random.uniform(0, _REPEATED_WITHIN) * delay_s, report, 0)

    def _push(self, due: float, report: Report, tries: int) -> None:
        self._order += 1
        heapq.heappush(self._due, _Due(due, self._order, report, tries))

    def pending(self) -> int:
        """What is still to be told."""
        return len(self._due) + self._posting

    async def work(self) -> None:
        if not self._mail.url:
            return
        async with ClientBuilder().http1_only().timeout(timedelta(seconds=10)).build() as client:
            while True:
                for provider, dues in self._take().items():
                    step = _BATCH if provider in BATCHED else 1
                    for start in range(0, len(dues), step):
                        await self._busy.acquire()
                        self._spawn(client, provider, dues[start : start + step])
                await asyncio.sleep(_TICK_S)

    def _take(self) -> dict[str, list[_Due]]:
        now, found = time.monotonic(), defaultdict(list)
        while self._due and self._due[0].due <= now:
            due = heapq.heappop(self._due)
            self._posting += 1
            found[due.report.sent.provider].append(due)
        return found

    def _spawn(self, client: Client, provider: str, dues: list[_Due]) -> None:
        task = asyncio.get_running_loop().create_task(self._post(client, provider, dues))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _post(self, client: Client, provider: str, dues: list[_Due]) -> None:
        reports = [due.report for due in dues]
        body, content_type = write(provider, reports)
        echo = f"?{urlencode({'tidemark': reports[0].sent.echo})}" if provider == "twilio" else ""
        url = f"{self._mail.url}/{provider}{echo}"
        try:
            headers = sign(provider, body, secret=self._mail.secret(provider), url=url, content_type=content_type)
            response = await client.post(url).headers(headers).body_bytes(body).build().send()
            good = 200 <= response.status < 300
        except PyreqwestError:
            good = False
        finally:
            self._busy.release()
            self._posting -= len(dues)
        if good:
            answered = time.time_ns() // 1_000_000
            self.told += [_told(report, answered) for report in reports]
        else:
            self._again(dues)

    def _again(self, dues: list[_Due]) -> None:
        for due in dues:
            wait_s = _RETRIES_S[min(due.tries, len(_RETRIES_S) - 1)]
            self._push(time.monotonic() + wait_s, due.report, due.tries + 1)


def _told(report: Report, answered: int) -> Told:
    campaign, key, attempt, sent_at = report.sent.ids()
    provider = report.sent.provider
    status = meaning(provider, report.status)
    return Told(provider, campaign, key, attempt, sent_at, status, report.code, said_ms(report), answered)
