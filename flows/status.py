"""Land lanes of status events in ClickHouse: `python -m flows.status`.

    status.<lane> ─▶ decode ─▶ shard ─▶ window ─▶ land (a writer thread a lane) ─▶ ClickHouse
    outbound ───────▶  │  └──▶ aside (without our ids, outbound, plans) ──▶ land
    (lane other)       └─────▶ dead ─▶ dlq.status
                                        sweeper (lane other): waiting + outbound_ids ─▶ ClickHouse

Lanes that share the process are read behind a gate, Delivered first. At-least-once up to the tables, exact in them.
"""

import sys
import time
from functools import partial
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream
from bytewax.operators import KeyedStream

from flows.companions import Companions
from flows.erasures import ErasureList
from flows.gate import Brought, Gate, Pace
from flows.identity import hash_keys
from flows.landing_traces import telling_landed
from flows.running import companied, has_run, recovery_folder, run_flow
from flows.sinks import TopicSink, WarehouseSink
from flows.sources import Ends, Feed, TopicSource, together
from flows.stats import LaneStats
from flows.status_batch import Part
from flows.status_decoder import Batch, Decoder
from flows.stopping import Stop, never
from flows.topics import open_producer
from flows.window import DedupWindow, Judged, Manifest, Window
from flows.writer import STATUS_EVENTS, Cut, Table, Writer
from schemas.settings import Settings
from schemas.statuses import Lane
from schemas.times import SECOND_MS
from schemas.topics import DLQ_STATUS, OUTBOUND
from sql.telemetry.traces import open_traces
from sql.warehouse import Warehouse

CUTS = {lane: Cut(400_000, 0.5, flood_s) for lane, flood_s in ((Lane.DELIVERED, 3), (Lane.OTHER, 7.5), (Lane.READ, 15))}
"""By age only while much comes; else what a poll brought is a batch, and goes when all of it is there."""
FILLS_S = {Lane.DELIVERED: (0.1, 0.1), Lane.OTHER: (0.4, 0.4), Lane.READ: (0.5, 0.3)}
"""So far apart are polls of a lane that bring something, and those that bring little: each is decoded and inserted for
itself, into nine tables. Three and more times as often, all inserts took twice as long, and Delivered waited for the
others'."""
POLL_BYTES = 48 << 20


def topics_of(lane: Lane) -> tuple[str, ...]:
    """What a lane reads, in order of precedence."""
    return (OUTBOUND, lane.topic) if lane is Lane.OTHER else (lane.topic,)


class StatusFlow:
    """The flow of one process over `settings.lanes`, and what its lanes share. Connects when it runs."""

    def __init__(self, settings: Settings, folder: Path, stop: Stop, ends: Ends = never) -> None:
        self.settings = settings
        self.stop = stop
        self._ends = ends
        self._epoch_began = time.monotonic()
        self.clock = settings.now()
        self.stats = {lane: LaneStats("status", lane, str(settings.slice)) for lane in settings.lanes}
        limit = settings.window_mb << 20
        self.window = Window(folder / "window", self.clock, settings.window, limit, fsync=settings.fsync)
        self.writers: dict[Lane, list[Writer]] = {lane: [] for lane in settings.lanes}
        self._traces = open_traces(settings, "flows.status")
        self._keys = hash_keys(settings)
        self.erasures = ErasureList(lambda: Warehouse(settings.clickhouse, share=True), stop)
        self._topics = [topic for lane in settings.lanes for topic in topics_of(lane)]
        self._gate = Gate(self._topics)

    def dataflow(self) -> Dataflow:
        flow = Dataflow("status")
        for lane in self.settings.lanes:
            self._lane(flow, lane)
        return flow

    def _lane(self, flow: Dataflow, lane: Lane) -> None:
        batches = self._batches(flow, lane)
        parts = op.flat_map(f"{lane}_shard", batches, lambda batch: batch.parts)
        rows = op.map_value(f"{lane}_rows", self._judged(lane, parts), _rows)
        aside = op.flat_map(f"{lane}_aside", batches, lambda batch: batch.tables)
        landing = WarehouseSink(lambda: self._writer(lane), self._begin_drain)
        op.output(f"{lane}_land", op.merge(f"{lane}_landing", rows, aside), landing)
        dead = op.flat_map(f"{lane}_dead", batches, lambda batch: batch.dead)
        op.output(f"{lane}_reject", dead, TopicSink(lambda: open_producer(self.settings), self.stop))

    def _batches(self, flow: Dataflow, lane: Lane) -> Stream[Batch]:
        decoder = Decoder(self.window, self._keys, self.clock, self.stats[lane], self.erasures.current)
        events = op.input(f"{lane}_events", flow, self._source(lane, lane.topic))
        decoded = op.flat_map_batch(f"{lane}_decode", events, lambda polls: map(decoder.events, together(polls)))
        if lane is not Lane.OTHER:
            return decoded
        outbound = op.input("outbound_records", flow, self._source(lane, OUTBOUND))
        told = op.flat_map_batch("outbound_decode", outbound, lambda polls: map(decoder.outbound, together(polls)))
        return op.merge("other_batches", decoded, told)

    def _source(self, lane: Lane, topic: str) -> TopicSource:
        pace = Pace(*FILLS_S[lane])

        def polled(brought: Brought) -> None:
            pace.polled(brought)
            self._gate.polled(topic, full=brought is Brought.MUCH)

        feed = Feed(
            topic=topic,
            group=f"tidemark.status.{lane}",
            max_bytes=POLL_BYTES,
            opens=lambda: pace.opens() and self._gate.opens(topic),
            polled=polled,
            lags=lambda lag: self.stats[lane].set_lag(topic, lag),
            ends=self._ends,
            from_group=not has_run(self.settings, "status"),
            yields=topic != self._topics[0],
            worked_off=lambda: self._land_now(lane),
        )
        return TopicSource(self.settings, feed, self.stop)

    def _judged(self, lane: Lane, parts: KeyedStream[Part]) -> KeyedStream[Judged]:
        mode = self.settings.dedup
        if mode == "off":
            return op.map_value(f"{lane}_pass", parts, lambda part: Judged(part.frame, None))

        def window(manifest: Manifest | None) -> DedupWindow:
            return DedupWindow(lane, self.window, self.stats[lane], manifest, drop=mode == "drop")

        return op.stateful_batch(f"{lane}_window", parts, window)

    def _writer(self, lane: Lane) -> Writer:
        def connect() -> Warehouse:
            return Warehouse(self.settings.clickhouse, share=True)

        tell = telling_landed(self._traces, lane) if self._traces else None
        floods = partial(self._floods, lane)
        writer = Writer(lane, connect, CUTS[lane], floods, self.stats[lane], self.stop, tell)
        self.writers[lane].append(writer)
        behind_others = lane is not self.settings.lanes[0]
        for topic in topics_of(lane):
            self._gate.watch(topic, writer.congested)
            if behind_others:
                self._gate.watch(topic, lambda: writer.lands_in_s() > self._epoch_ends_in_s())
        return writer

    def _epoch_ends_in_s(self) -> float:
        """What a lane holds then has all others wait until it has landed: so it takes no more than fits in before."""
        return max(0.0, self._epoch_began + self.settings.epoch / SECOND_MS - time.monotonic())

    def _begin_drain(self) -> None:
        """An epoch ends for all lanes at once: so all writers land at once, not one after the other."""
        self._epoch_began = time.monotonic()
        for lane in self.writers:
            self._land(lane)

    def _land_now(self, lane: Lane) -> None:
        """What a poll brought is a batch, but in a flood, where many are."""
        if not self._floods(lane):
            self._land(lane)

    def _land(self, lane: Lane) -> None:
        for writer in self.writers[lane]:
            writer.begin_drain()

    def _floods(self, lane: Lane) -> bool:
        return any(self._gate.floods(topic) for topic in topics_of(lane))


def _rows(judged: Judged) -> Table:
    return Table(STATUS_EVENTS, judged.frame, judged.passes)


def topics(settings: Settings) -> list[str]:
    """All that the flow reads and writes."""
    return [topic for lane in settings.lanes for topic in topics_of(lane)] + [DLQ_STATUS]


def build(settings: Settings, stop: Stop, ends: Ends = never) -> tuple[Dataflow, Companions]:
    """The flow and the threads beside it, none of them started."""
    status = StatusFlow(settings, recovery_folder(settings, "status"), stop, ends)
    return status.dataflow(), Companions(settings, status.stats, status.window, status.clock, stop, status.erasures)


def flow() -> Dataflow:
    """For `python -m bytewax.run flows.status`, which brings recovery and signals of its own."""
    return companied("status", build, topics)


if __name__ == "__main__":
    sys.exit(run_flow("status", build, topics))
