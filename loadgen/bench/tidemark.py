"""Tidemark in the benchmark: `flows.status` as it is deployed, dedup and recovery on, every table and rollup filled."""

import resource
import time

from msgspec import Struct

from flows.sources import make_topics
from flows.status import topics
from flows.topics import open_producer
from loadgen.bench.lane_events import CAMPAIGN, STATUSES, write_lane_events
from loadgen.warm import WarmFlow, run_status
from schemas.settings import Settings
from sql.migrate import migrate
from sql.warehouse import Warehouse

_COUNTS = """
SELECT
    (SELECT count() FROM v_events WHERE campaign_id = {campaign:String}) AS events,
    (SELECT count() FROM v_messages WHERE campaign_id = {campaign:String}) AS messages
"""
_TOTALS = """
SELECT toString(status) AS status, groupBitmapMerge(messages) AS messages
FROM totals
WHERE campaign_id = {campaign:String}
GROUP BY status
"""


class Measured(Struct, kw_only=True):
    """One round of one system: its rate, what it cost, whether its figures are right."""

    events: int
    seconds: float
    cpu_us_per_event: float
    peak_rss_mb: float
    exact: bool


def measure(settings: Settings, messages: int, events_per_record: int) -> Measured:
    """From the flow's start to the last row queryable, over empty topics and tables. Raises TidemarkError."""
    with Warehouse(settings.clickhouse, create=True) as warehouse:
        migrate(warehouse)
    make_topics(settings, *topics(settings))
    producer = open_producer(settings)
    try:
        events = write_lane_events(producer, messages, settings.clock, events_per_record)
    finally:
        producer.close()
    flow = WarmFlow(run_status, settings)
    before_cpu_s, started = _children_cpu_s() + flow.cpu_s(), time.monotonic()
    flow.run()
    seconds = time.monotonic() - started
    return Measured(
        events=events,
        seconds=seconds,
        cpu_us_per_event=1e6 * (_children_cpu_s() - before_cpu_s) / events,
        peak_rss_mb=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        exact=_is_exact(settings, messages),
    )


def _children_cpu_s() -> float:
    """Of those that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _is_exact(settings: Settings, messages: int) -> bool:
    with Warehouse(settings.clickhouse) as warehouse:
        counts = warehouse.query(_COUNTS, {"campaign": CAMPAIGN}).row(0, named=True)
        totals = dict(warehouse.query(_TOTALS, {"campaign": CAMPAIGN}).iter_rows())
    due = {"events": messages * len(STATUSES), "messages": messages}
    return counts == due and totals == {status.value: messages for status in STATUSES}
