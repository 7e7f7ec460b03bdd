"""Lines of the past once more into the pipeline: raw webhooks parsed anew into the lanes, all others where they stood.

    webhook ─▶ today's parser ─▶ status.<lane>          outbound, status.<lane> ─▶ the same topic

Safe beside live traffic: what landed before is known to the window, and what passes it the tables take as the same;
a sender's ledger is the same after it.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable

from msgspec import Struct

from flows.envelopes import parse_envelopes
from flows.history.span import Span
from flows.route import lane_lines
from flows.topics import Producer, Record
from schemas.errors import UsageError
from schemas.settings import Settings
from schemas.topics import OUTBOUND, STATUS_TOPICS, WEBHOOK

REPLAYABLE = (WEBHOOK, OUTBOUND, *STATUS_TOPICS)


class Replayed(Struct):
    """What a replay did. `refused` counts what today's parser refuses, by reason: it was a dead letter before."""

    topic: str
    lines: int = 0
    events: int = 0
    refused: dict[str, int] = {}
    seconds: float = 0.0


class Replay:
    """At-least-once: all that `run` was given is durable once it returns. `per_s` events a second; 0: no limit."""

    def __init__(self, settings: Settings, topic: str, producer: Producer, per_s: float) -> None:
        if topic not in REPLAYABLE:
            raise UsageError(f"topic {topic}: only {', '.join(REPLAYABLE)} are replayed; dead letters by flows.dlq")
        self._producer = producer
        self._clock = settings.now()
        self._per_s = per_s
        self._started = time.monotonic()
        self._refused: Counter[str] = Counter()
        self._done = Replayed(topic)

    def run(self, polls: Iterable[list[Record]], span: Span, watch: Callable[[str], None]) -> Replayed:
        for records in polls:
            self._put([_narrowed(record, span) for record in records])
            watch(f"{self._done.lines:,} lines, {self._done.events:,} events")
        self._producer.flush()
        self._done.refused = dict(self._refused)
        self._done.seconds = round(time.monotonic() - self._started, 3)
        return self._done

    def _put(self, records: list[Record]) -> None:
        records = [record for record in records if record.value]
        self._done.lines += sum(record.value.count(b"\n") for record in records)
        if self._done.topic == WEBHOOK:
            self._parse(records)
        else:
            for record in records:
                self._append(self._done.topic, record.partition, record.value)
                self._done.events += record.value.count(b"\n")
        if self._per_s:
            self._producer.flush()
            time.sleep(max(0.0, self._started + self._done.events / self._per_s - time.monotonic()))

    def _parse(self, records: list[Record]) -> None:
        parsed = parse_envelopes(records, WEBHOOK, self._clock())
        self._refused.update(letter.reason for letter in parsed.dead_letters)
        for topic, partition, lines in lane_lines(parsed, self._producer.partitions(STATUS_TOPICS[0])):
            self._append(topic, partition, lines)
        self._done.events += parsed.event_count

    def _append(self, topic: str, partition: int, lines: bytes) -> None:
        self._producer.append(topic, partition % self._producer.partitions(topic), lines)


def _narrowed(record: Record, span: Span) -> Record:
    lines = span.cut(record)
    return Record(record.partition, record.offset, record.place, b"".join(line + b"\n" for line in lines))
