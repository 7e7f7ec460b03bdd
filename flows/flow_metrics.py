"""The figures of `flow_stats`, and some more, as Prometheus reads them; counted once, by `LaneStats`.

Names and units: https://prometheus.io/docs/practices/naming/. A scrape asks the lanes; nothing is kept beside them.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from flows.stats import QUERYABLE_BOUNDS_MS, LaneStats, Totals
from schemas.settings import Settings

_LANE = ["flow", "lane"]
_COUNTERS = {
    "events": "Events read",
    "rows": "Rows written to status_events, or events written to lane topics",
    "waiting": "Events set aside because they carry none of our ids",
    "matched": "Events, of those set aside, that found their message",
    "erased": "Events and records of people who were erased",
    "dropped": "Repeats that the dedup window kept back",
    "bypassed": "Events outside the window's span",
    "batches": "Batches inserted",
    "batch_rows": "Rows in them",
    "retries": "Inserts that had to be tried again",
    "snapshots": "Times that an epoch's end waited for the lane's rows to land",
}
_SECONDS = {"insert_ms": "Time spent inserting", "snapshot_ms": "Time that epochs' ends waited for rows to land"}
_GAUGES = {
    "lag": ("lag_offsets", "How far the lane is behind its topics: messages on Kafka, bytes in files", 1),
    "lag_ms": ("lag_seconds", "Age of the oldest event in the batch read last, 0 when nothing waits", 1000),
    "batch_age_ms": ("batch_age_seconds", "Longest wait of a row for its batch, in the last second", 1000),
    "window_ids": ("window_ids", "Ids that the process's dedup window holds", 1),
    "window_bytes": ("window_bytes", "Memory that the process's dedup window takes", 1),
}
NAMES = frozenset(
    {f"tidemark_{name}_total" for name in _COUNTERS}
    | {f"tidemark_{name.removesuffix('_ms')}_seconds_total" for name in _SECONDS}
    | {f"tidemark_{name}" for name, _, _ in _GAUGES.values()}
    | {"tidemark_repeats_total", "tidemark_dead_letters_total", "tidemark_epoch_seconds", "tidemark_window_limit_bytes"}
    | {f"tidemark_queryable_seconds_{part}" for part in ("bucket", "sum", "count")}
)
"""All that a flow exports: dashboards and alert rules may name no other."""


class FlowCollector(Collector):
    """The lanes of one process."""

    def __init__(self, lanes: Iterable[LaneStats], settings: Settings) -> None:
        self._lanes = list(lanes)
        self._epoch_ms = settings.epoch
        self._window_bytes = settings.window_mb << 20

    def collect(self) -> Iterator[Metric]:
        totals = [lane.totals() for lane in self._lanes]
        for name, about in _COUNTERS.items():
            yield _each(CounterMetricFamily(f"tidemark_{name}", about, labels=_LANE), totals, name, 1)
        for name, about in _SECONDS.items():
            metric = CounterMetricFamily(f"tidemark_{name.removesuffix('_ms')}_seconds", about, labels=_LANE)
            yield _each(metric, totals, name, 1000)
        for name, (shown, about, per) in _GAUGES.items():
            yield _each(GaugeMetricFamily(f"tidemark_{shown}", about, labels=_LANE), totals, name, per)
        yield from self._by_cause(totals)
        yield _queryable(totals)
        yield GaugeMetricFamily("tidemark_epoch_seconds", "Time between snapshots, as set", self._epoch_ms / 1000)
        yield GaugeMetricFamily("tidemark_window_limit_bytes", "What the dedup window may take", self._window_bytes)

    @staticmethod
    def _by_cause(totals: list[Totals]) -> Iterator[Metric]:
        repeats = CounterMetricFamily("tidemark_repeats", "Repeats", labels=[*_LANE, "provider", "cause"])
        letters = CounterMetricFamily("tidemark_dead_letters", "Dead letters", labels=[*_LANE, "reason"])
        for lane in totals:
            for place, count in lane.repeats.items():
                provider, _, cause = place.rpartition("/")
                repeats.add_metric([lane.flow, lane.lane, provider, cause], count)
            for reason, count in lane.dead_letters.items():
                letters.add_metric([lane.flow, lane.lane, reason], count)
        yield repeats
        yield letters


def _each(metric: Any, totals: list[Totals], name: str, per: int) -> Metric:
    for lane in totals:
        metric.add_metric([lane.flow, lane.lane], lane.values.get(name, 0) / per)
    found: Metric = metric
    return found


def _queryable(totals: list[Totals]) -> Metric:
    """Of rows that landed: the time from the webhook's receipt until a query finds them."""
    metric = HistogramMetricFamily(
        "tidemark_queryable_seconds", "From a webhook's receipt until its rows are queryable", labels=_LANE
    )
    for lane in totals:
        buckets, reached = [], 0
        for bound, count in zip(QUERYABLE_BOUNDS_MS, lane.queryable, strict=False):
            reached += count
            buckets.append((str(bound / 1000), reached))
        buckets.append(("+Inf", sum(lane.queryable)))
        metric.add_metric([lane.flow, lane.lane], buckets, lane.queryable_ms / 1000)
    return metric
