"""Turn raw webhooks into status events, each class in its own topic: `python -m flows.route`.

    webhook ─▶ parse (flows.providers) ─▶ status.delivered · status.other · status.read
                 └─ bad bodies ─▶ dlq.webhook

At-least-once: events are durable in their topic before the snapshot that moves past their webhook.
"""

import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import bytewax.operators as op
import numpy as np
import polars as pl
from bytewax.dataflow import Dataflow

from flows.companions import StatsKeeper
from flows.dead_letters import encode_dead_letter
from flows.envelopes import Parsed, parse_envelopes
from flows.gate import Pace
from flows.plain_writer import Lines, plain_lines_by_topic
from flows.running import companied, has_run, run_flow
from flows.sinks import TopicSink
from flows.sources import Ends, Feed, Poll, TopicSource, together
from flows.stats import LaneStats
from flows.stopping import Stop, never
from flows.topics import open_producer
from flows.webhook_traces import tell_routed
from schemas.settings import Settings
from schemas.statuses import Lane, Status
from schemas.times import Clock
from schemas.topics import DLQ_WEBHOOK, STATUS_TOPICS, WEBHOOK, partition_column
from sql.telemetry.traces import Traces, open_traces

POLL_BYTES = 16 << 20
_FILL_S = 0.03

_LANES = list(Lane)
_LANE_NUMBERS = {status.value: _LANES.index(status.lane) for status in Status}


class Routed(NamedTuple):
    """What a poll of webhooks became; the keys are Bytewax's."""

    lines: list[tuple[str, Lines]]
    dead: list[tuple[str, Lines]]


class Router:
    """Parses and sorts; pure but for its counts."""

    def __init__(self, partitions: int, clock: Clock, stats: LaneStats, traces: Traces | None = None) -> None:
        self._partitions = partitions
        self._clock = clock
        self._stats = stats
        self._traces = traces

    def route(self, poll: Poll) -> Routed:
        began_ns = time.time_ns()
        parsed = parse_envelopes(poll.records, poll.topic, self._clock())
        for letter in parsed.dead_letters:
            self._stats.add_dead_letters(letter.reason)
        self._stats.add(events=parsed.event_count + len(parsed.dead_letters), rows=parsed.event_count)
        dead = [(letter.partition, encode_dead_letter(letter)) for letter in parsed.dead_letters]
        routed = Routed(
            lines=[("0", lines) for lines in lane_lines(parsed, self._partitions)],
            dead=[("0", (DLQ_WEBHOOK, partition, line)) for partition, line in dead],
        )
        if self._traces:
            tell_routed(self._traces, parsed, began_ns)
        return routed


def lane_lines(parsed: Parsed, partitions: int) -> Iterator[Lines]:
    """All events as NDJSON for each lane's topic and partition."""
    for events in parsed.plain:
        yield from plain_lines_by_topic(events, partitions)
    yield from lines_by_topic(parsed.events, partitions)


def lines_by_topic(events: pl.DataFrame, partitions: int) -> Iterator[Lines]:
    """Status events as NDJSON for each lane's topic and partition, in order; fields that none has are left out."""
    if events.is_empty():
        return
    named = [name for name, nulls in events.null_count().row(0, named=True).items() if nulls < len(events)]
    places = events.select(pl.col("status").replace_strict(_LANE_NUMBERS) * partitions + partition_column(partitions))
    place_of = places.to_series().to_numpy()
    order = np.argsort(place_of, kind="stable")
    # Written at once: each call costs as much as a thousand lines.
    written = events.select(named)[order].write_ndjson().encode()
    line_ends = np.flatnonzero(np.frombuffer(written, np.uint8) == ord("\n")) + 1
    runs = np.flatnonzero(np.diff(place_of[order], append=-1))
    start = 0
    for last, end in zip(runs.tolist(), line_ends[runs].tolist(), strict=True):
        lane, partition = divmod(int(place_of[order[last]]), partitions)
        yield _LANES[lane].topic, partition, written[start:end]
        start = end


def topics(_settings: Settings) -> list[str]:
    """All that the flow reads and writes."""
    return [WEBHOOK, *STATUS_TOPICS, DLQ_WEBHOOK]


def build(settings: Settings, stop: Stop, ends: Ends = never) -> tuple[Dataflow, StatsKeeper]:
    """The flow and the thread beside it, not started. The topics exist."""
    stats = LaneStats("route", "all", str(settings.slice))
    router = Router(_partitions(settings), settings.now(), stats, open_traces(settings, "flows.route"))
    flow = Dataflow("route")
    feed = _feed(stats, ends, from_group=not has_run(settings, "route"))
    webhooks = op.input("webhooks", flow, TopicSource(settings, feed, stop))
    routed = op.flat_map_batch("parse", webhooks, lambda polls: map(router.route, together(polls)))
    sink: Callable[[], TopicSink] = lambda: TopicSink(lambda: open_producer(settings), stop)  # noqa: E731
    op.output("lanes", op.flat_map("lines", routed, lambda batch: batch.lines), sink())
    op.output("reject", op.flat_map("dead", routed, lambda batch: batch.dead), sink())
    return flow, StatsKeeper(settings, [stats], None, stop)


def _partitions(settings: Settings) -> int:
    """Lane topics have as many as the first of them; more may be added to all at once."""
    producer = open_producer(settings)
    try:
        return producer.partitions(STATUS_TOPICS[0])
    finally:
        producer.close()


def _feed(stats: LaneStats, ends: Ends, *, from_group: bool) -> Feed:
    pace = Pace(_FILL_S)
    return Feed(
        topic=WEBHOOK,
        group="tidemark.route.all",
        max_bytes=POLL_BYTES,
        opens=pace.opens,
        polled=pace.polled,
        lags=lambda lag: stats.set_lag(WEBHOOK, lag),
        ends=ends,
        from_group=from_group,
    )


def flow() -> Dataflow:
    """For `python -m bytewax.run flows.route`, which brings recovery of its own."""
    return companied("route", build, topics)


if __name__ == "__main__":
    sys.exit(run_flow("route", build, topics))
