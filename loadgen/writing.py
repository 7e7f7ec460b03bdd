"""A run written to topics: at once, or paced."""

import time
from collections.abc import Callable, Iterator

from flows.topics import Producer
from loadgen.arrivals import LINES_PER_RECORD, Chunk, Typesetter, chunks
from loadgen.expected import Expected
from loadgen.oracle import Oracle
from loadgen.plan import Plan
from loadgen.run import steps
from loadgen.spoiled import Into

_TICKS_PER_S = 20


class Run:
    """A plan on its way into topics: go through `chunks` once, then `expected` says what must come of it.

    `partitions` tells how many a topic has, as `Producer.partitions` does. Played live, a run should be made in many
    small `steps`: the stream pauses while one is made.
    """

    def __init__(self, plan: Plan, into: Into, partitions: Callable[[str], int], steps: int | None = None) -> None:
        self._plan = plan
        self._into = into
        self._steps = steps
        self._typesetter = Typesetter(plan, into, partitions)
        self._oracle = Oracle(plan)

    def chunks(
        self, slice_ms: int = 0, events_per_chunk: int = 0, lines_per_record: int = LINES_PER_RECORD
    ) -> Iterator[Chunk]:
        """In order of arrival: each `slice_ms` of it, or some `events_per_chunk`; by default as big as comes easily.

        A slice can come in two chunks, where a step of the generator ends within it.
        """
        for step in steps(self._plan, self._into, self._steps):
            self._oracle.add(step)
            yield from chunks(self._typesetter.lines(step), slice_ms, events_per_chunk, lines_per_record)

    def expected(self) -> Expected:
        return self._oracle.expected()


def write(
    run: Run,
    producer: Producer,
    rate: float = 0.0,
    lines_per_record: int = LINES_PER_RECORD,
    watch: Callable[[int], None] = lambda _events: None,
) -> int:
    """Write the whole run, flat out or at `rate` status events per second; returns how many events there were.

    `watch` is told now and then how many have gone by. All is durable when it returns; paced, each twentieth of a
    second is by itself. Raises TopicError.
    """
    events, started = 0, time.monotonic()
    per_chunk = max(1, int(rate / _TICKS_PER_S)) if rate else 0
    for chunk in run.chunks(events_per_chunk=per_chunk, lines_per_record=lines_per_record):
        if rate:
            time.sleep(max(0.0, started + events / rate - time.monotonic()))
        append(producer, chunk)
        if rate:
            producer.flush()
        events += chunk.events
        watch(events)
    producer.flush()
    return events


def append(producer: Producer, chunk: Chunk) -> None:
    """Hand one chunk over; not durable before a flush."""
    for topic, partition, lines in chunk.records:
        producer.append(topic, partition, lines)
