"""The native stack: every role of docker-compose.yml as its own process, over a real Kafka and ClickHouse over HTTP."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from urllib.request import urlopen

import pytest

from flows.topics import open_producer
from loadgen.demo.compare import differences
from loadgen.expected import Expected
from loadgen.plan import Plan
from loadgen.processes import behind, wait_until_read
from loadgen.writing import Run, write
from sql.serve import Ready
from sql.warehouse import Warehouse
from tests.operations.stack import Stack
from tests.parts.flows import START_MS
from tests.parts.kafka import KafkaBroker
from tests.processes.conftest import own_kafka
from tests.telemetry.asking import health, value

__all__ = ["own_kafka"]

_numbers = count()
PLAN = Plan(seed=3, messages=6_000, start_ms=START_MS)


@pytest.fixture
def stack(tmp_path: Path, own_kafka: KafkaBroker, clickhouse_server: Ready) -> Iterator[Stack]:
    dsn = clickhouse_server.dsn.replace("/tidemark", f"/stack_{next(_numbers)}")
    stack = Stack(tmp_path, own_kafka, dsn, CLOCK=str(PLAN.end_ms), EPOCH="500ms", ACCESS="open")
    yield stack
    stack.close()


def play(stack: Stack, rate: float) -> Expected:
    producer = open_producer(stack.settings("route"))
    try:
        run = Run(PLAN, "webhook", producer.partitions)
        write(run, producer, rate)
        return run.expected()
    finally:
        producer.close()


def test_a_campaign_through_all_roles_with_a_rolling_restart_in_the_middle(stack: Stack) -> None:
    """Nothing is lost, nothing counts twice, and the page shows what the generator knows."""
    stack.start_all()
    flows = [name for name in stack.names if name.startswith(("route", "status-"))]
    with ThreadPoolExecutor() as pool:
        playing = pool.submit(play, stack, 2_000)
        codes = {name: stack.restart(name) for name in [*flows, "api", "exporter"]}
        expected = playing.result()
    assert codes == dict.fromkeys(codes, 0)
    settings = stack.settings("route")
    wait_until_read(settings, [stack.running[name] for name in flows], 120)
    assert behind(settings) == 0
    with Warehouse(settings.clickhouse) as warehouse:
        assert differences(warehouse, expected)[:20] == []
    figures = expected.campaigns[PLAN.campaign_id].counts
    port = stack.port("api", 8000)
    assert health(port, "/healthz")[0] == 200
    with urlopen(f"http://127.0.0.1:{port}/api/campaigns/{PLAN.campaign_id}/funnel", timeout=10) as answer:
        funnel = json.load(answer)["funnel"]
    assert {name: funnel[name] for name in ("sent", "delivered", "read")} == {
        name: figures[name] for name in ("sent", "delivered", "read")
    }
    exporter = stack.port("exporter", 9100)
    assert value(exporter, "tidemark_database_up") == 1
    assert value(exporter, "tidemark_table_rows", table="status_events") > 0
    for name in flows:
        assert health(stack.port(name, 9100), "/readyz")[0] == 200
