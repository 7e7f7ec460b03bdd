"""`python -m sql.exporter`: figures that only the database knows, for Prometheus, on TIDEMARK_METRICS_PORT.

Each process exports its own figures; this one tells what outlives them: lanes that have gone silent, the dispatch of
campaigns, statuses that wait, tables and their parts. Ends with exit code 0 at Ctrl-C or SIGTERM.
"""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas.errors import UsageError, WarehouseError
from schemas.settings import Settings
from sql.cli import Parser, run
from sql.telemetry.health import State, Verdict
from sql.telemetry.logs import set_up_logs
from sql.telemetry.server import TelemetryServer, new_registry
from sql.warehouse import Warehouse

_ASK_EVERY_S = 5.0
"""However often it is scraped."""


class _Gauge(NamedTuple):
    name: str
    about: str
    column: str


class _Question(NamedTuple):
    """A query, the columns that become labels, and those that become gauges."""

    query: str
    labels: list[str]
    gauges: list[_Gauge]


_QUESTIONS = [
    _Question(
        "exported_flows",
        ["flow", "lane", "slice"],
        [
            _Gauge("flow_lag_offsets", "Lag that the lane told last: messages on Kafka, bytes in files", "offsets"),
            _Gauge("flow_lag_seconds", "Age of the oldest event in the batch that the lane read last", "lag_s"),
            _Gauge("flow_silent_seconds", "Since the lane last wrote its row of flow_stats", "silent_s"),
        ],
    ),
    _Question(
        "exported_dispatch",
        ["campaign_id"],
        [
            _Gauge("dispatch_allowed_per_second", "Messages a second that the sender is allowed", "allowed_per_s"),
            _Gauge("dispatch_achieved_per_second", "Messages a second that it hands over", "achieved_per_s"),
            _Gauge("dispatch_queue", "Messages rendered and waiting", "queue"),
            _Gauge("dispatch_in_flight", "Messages handed over, answer outstanding", "in_flight"),
        ],
    ),
    _Question(
        "exported_waiting",
        ["provider"],
        [_Gauge("unmatched_statuses", "Statuses that wait for an outbound record", "statuses")],
    ),
    _Question(
        "exported_tables",
        ["table"],
        [
            _Gauge("table_rows", "Rows of active parts", "rows"),
            _Gauge("table_bytes", "Bytes of active parts on disk", "bytes"),
            _Gauge("table_parts", "Active parts", "parts"),
        ],
    ),
]
NAMES = frozenset(f"tidemark_{gauge.name}" for question in _QUESTIONS for gauge in question.gauges) | {
    "tidemark_database_up"
}
"""All that it exports."""


class DatabaseCollector(Collector):
    """Asks at most every `_ASK_EVERY_S`; what a database that is down would have told is left out."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._lock = threading.Lock()
        self._asked_s = float("-inf")
        self._answers: dict[str, pl.DataFrame] = {}
        self.error = ""

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            self._ask()
            yield GaugeMetricFamily("tidemark_database_up", "1 where the database answers", not self.error)
            for question in _QUESTIONS:
                if (rows := self._answers.get(question.query)) is not None:
                    yield from _gauges(question, rows)

    def verdict(self) -> Verdict:
        with self._lock:
            self._ask()
        return Verdict(State.BROKEN, self.error) if self.error else Verdict(State.READY)

    def _ask(self) -> None:
        if time.monotonic() - self._asked_s < _ASK_EVERY_S:
            return
        self._asked_s = time.monotonic()
        try:
            self._answers = {question.query: self._warehouse.ask(question.query) for question in _QUESTIONS}
            self.error = ""
        except WarehouseError as error:
            self._answers, self.error = {}, str(error)


def _gauges(question: _Question, rows: pl.DataFrame) -> Iterator[Metric]:
    for gauge in question.gauges:
        metric = GaugeMetricFamily(f"tidemark_{gauge.name}", gauge.about, labels=question.labels)
        for row in rows.iter_rows(named=True):
            metric.add_metric([str(row[label]) for label in question.labels], float(row[gauge.column]))
        yield metric


def main(argv: list[str] | None = None) -> None:
    Parser(prog="python -m sql.exporter", description=__doc__.partition("\n\n")[0]).parse_args(argv)
    settings = Settings.from_env()
    set_up_logs(settings.log)
    if not settings.metrics_port:
        raise UsageError("TIDEMARK_METRICS_PORT: say on which port to serve")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Warehouse(settings.clickhouse) as warehouse:
        collector = DatabaseCollector(warehouse)
        registry = new_registry()
        registry.register(collector)
        with TelemetryServer(registry, collector.verdict, settings.metrics_port, settings.http_host):
            stop.wait()


if __name__ == "__main__":
    sys.exit(run("sql.exporter", main))
