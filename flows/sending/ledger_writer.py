"""Writes outbound records in a thread of its own: what was put together is flushed together.

At-least-once: `done` is called once the records are durable. A broker that is down is waited for; meanwhile nothing is
handed over, since no intent becomes durable.
"""

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from flows.stopping import as_ours
from flows.topics import Producer
from schemas.errors import TidemarkError, TopicDown, TopicFull
from schemas.events import DeadLetter
from schemas.outbound import MessageRecord, Outbound
from schemas.topics import DLQ_SEND, OUTBOUND, partition_of

log = logging.getLogger(__name__)

_TRY_AGAIN_S = 0.5
_encoder = msgspec.json.Encoder()

Line = tuple[str, int, bytes]
"""Topic, partition, one line."""


class _Job(NamedTuple):
    lines: Iterable[Line]
    done: Callable[[], None] | None


class LedgerWriter:
    """Put from any thread; `done` is called in the writer's own. `failure` is what it broke of, if it did."""

    def __init__(self, open_producer: Callable[[], Producer]) -> None:
        self._open_producer = open_producer
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._partitions = 0
        self._ends = threading.Event()
        self.failure: TidemarkError | None = None

    def start(self) -> None:
        producer = self._open_producer()
        try:
            self._partitions = producer.partitions(OUTBOUND)
        finally:
            producer.close()
        self._thread.start()

    def line(self, record: Outbound) -> Line:
        key = record.message_key if isinstance(record, MessageRecord) else 0
        return OUTBOUND, partition_of(record.campaign_id, key or 0, self._partitions), _encoder.encode(record) + b"\n"

    def letter(self, letter: DeadLetter) -> Line:
        return DLQ_SEND, letter.partition, _encoder.encode(letter) + b"\n"

    def put(self, lines: Iterable[Line], done: Callable[[], None] | None = None) -> None:
        self._jobs.put(_Job(lines, done))

    def finish(self) -> None:
        """When all that was put is durable, or can't be."""
        self._ends.set()
        self._jobs.put(None)
        self._thread.join(10)

    def _run(self) -> None:
        try:
            producer = self._open_producer()
            try:
                while (jobs := self._gather()) is not None:
                    producer = self._write(producer, jobs)
            finally:
                producer.close()
        except BaseException as error:  # noqa: BLE001  # reaches no one: nothing would be handed over, unseen
            self.failure = as_ours("ledger", error)

    def _gather(self) -> list[_Job] | None:
        """All there is, once there is something; None when it ends."""
        jobs = [self._jobs.get()]
        while not self._jobs.empty():
            jobs.append(self._jobs.get())
        ended = None in jobs
        found = [job for job in jobs if job is not None]
        if ended:
            self._jobs.put(None)
        return found if found or not ended else None

    def _write(self, producer: Producer, jobs: list[_Job]) -> Producer:
        lines: dict[tuple[str, int], list[bytes]] = {}
        for job in jobs:
            for topic, partition, line in job.lines:
                lines.setdefault((topic, partition), []).append(line)
        joined = {place: b"".join(parts) for place, parts in lines.items()}
        while True:
            try:
                for (topic, partition), text in joined.items():
                    producer.append(topic, partition % producer.partitions(topic), text)
                producer.flush()
                break
            except (TopicDown, TopicFull) as error:
                log.warning("outbound: %s; waiting", error)
                producer.close()
                if self._ends.wait(_TRY_AGAIN_S):
                    raise
                producer = self._open_producer()
        for job in jobs:
            if job.done:
                job.done()
        return producer
