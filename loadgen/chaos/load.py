"""The load: a seeded campaign's webhooks and records at a steady pace, until the last is acknowledged.

What a broker did not acknowledge is written again. Storms and poison are added on demand.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable

from flows.topics import Producer, open_producer
from loadgen.arrivals import Chunk, Lines
from loadgen.expected import Expected
from loadgen.plan import Plan
from loadgen.writing import Run, append
from schemas.errors import TidemarkError, TopicError
from schemas.settings import Settings
from schemas.topics import STATUS_TOPICS, WEBHOOK

_TICKS_PER_S = 10
_REMEMBERED = 40
"""Chunks, some seconds of the load, that a storm repeats."""
_PATIENCE_S = 180.0


class Load(threading.Thread):
    """Writes the whole of `plan` in some `seconds`."""

    def __init__(self, settings: Settings, plan: Plan, events_per_s: float) -> None:
        super().__init__(name="load", daemon=True)
        self._settings = settings
        self._plan = plan
        self._rate = events_per_s
        self._producer: Producer | None = None
        self._asked: deque[Callable[[], list[Lines]]] = deque()
        self._recent: deque[list[Lines]] = deque(maxlen=_REMEMBERED)
        self._expected: Expected | None = None
        self._failure: TidemarkError | None = None
        self.events = 0
        self.retries = 0
        self.repeated_lines = 0
        self.poisoned: list[str] = []

    def run(self) -> None:
        try:
            campaign = Run(self._plan, "webhook", self._partitions)
            started = time.monotonic()
            for chunk in campaign.chunks(events_per_chunk=max(1, int(self._rate / _TICKS_PER_S))):
                self._write_chunk(chunk)
                self._write_asked()
                time.sleep(max(0.0, started + self.events / self._rate - time.monotonic()))
            self._expected = campaign.expected()
        except TidemarkError as error:
            self._failure = error

    def expected(self) -> Expected:
        """What must come of it, once all is acknowledged. Raises TidemarkError."""
        self.join()
        self._write_asked()
        if self._expected is None:
            raise self._failure or TidemarkError("the load ended before its time")
        return self._expected

    def storm(self, times: int) -> None:
        """The last bodies again, so many times."""

        def again() -> list[Lines]:
            repeated = [lines for chunk in self._recent for lines in chunk if lines.topic == WEBHOOK] * times
            self.repeated_lines += sum(lines.lines.count(b"\n") for lines in repeated)
            return repeated

        self._asked.append(again)

    def poison(self, count: int) -> None:
        """Lines of which each is to become a dead letter, told by a word of its own."""

        def lines() -> list[Lines]:
            names = [f"poison-{len(self.poisoned) + number}-" for number in range(count)]
            self.poisoned += names
            return [_poison(name, number) for number, name in enumerate(names)]

        self._asked.append(lines)

    def reopen(self) -> None:
        """Ask anew how many partitions there are."""
        self._asked.append(self._closed)

    def _closed(self) -> list[Lines]:
        producer, self._producer = self._producer, None
        if producer:
            producer.close()
        return []

    def _write(self, chunk: Chunk) -> None:
        self._durably(lambda producer: append(producer, chunk))

    def _write_chunk(self, chunk: Chunk) -> None:
        self._write(chunk)
        self._recent.append(chunk.records)
        self.events += chunk.events

    def _write_asked(self) -> None:
        while self._asked:
            self._write(Chunk(0, 0, self._asked.popleft()()))

    def _partitions(self, topic: str) -> int:
        count = 0

        def ask(producer: Producer) -> None:
            nonlocal count
            count = producer.partitions(topic)

        self._durably(ask)
        return count

    def _durably(self, write: Callable[[Producer], None]) -> None:
        """Until it is acknowledged; again from the start after an error, by a new producer. Raises TidemarkError."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._producer = self._producer or open_producer(self._settings)
                write(self._producer)
                self._producer.flush()
                return
            except TopicError:
                self._closed()
                self.retries += 1
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.5)


def _poison(name: str, number: int) -> Lines:
    """Torn, of the wrong shape, or of a stranger: each topic gets some of each."""
    topics = (WEBHOOK, *STATUS_TOPICS)
    event = {"campaign_id": "autumn-sale", "message_key": name, "status": "delivered", "provider": "acme_sms"}
    envelope = {"receipt_id": name, "provider": "nobody", "received_at": 1, "body": "{}"}
    whole = json.dumps(event if number % len(topics) else envelope)
    line = whole if number // len(topics) % 2 else whole[:-9]
    return Lines(topics[number % len(topics)], 0, line.encode() + b"\n")
