"""What a flow exports is what it did; its health tells alive, behind and broken apart."""

import json
import time

import numpy as np
import pytest

from flows.flow_health import BEHIND_AFTER_MS, SILENT_AFTER_S, flow_verdict
from flows.flow_metrics import NAMES, FlowCollector
from flows.stats import LaneStats
from flows.stopping import Stop
from schemas.errors import TidemarkError
from schemas.settings import Settings
from sql.serve import Ready
from sql.telemetry.health import State, is_alive, is_ready
from sql.telemetry.server import TelemetryServer, new_registry
from tests.parts.flows import Pipeline, until
from tests.parts.kafka import free_port
from tests.telemetry.asking import get, health, samples, value


def made(lag_ms: int = 0) -> LaneStats:
    stats = LaneStats("status", "read", "0/1")
    stats.set_lag("status.read", 5)
    stats.set(lag_ms=lag_ms)
    return stats


def test_what_was_taken_and_what_was_not_make_the_total() -> None:
    """However often the seconds' rows are taken away meanwhile."""
    stats = made()
    for _ in range(3):
        stats.add(events=5, insert_ms=250)
        stats.add_repeats("ses", "replay", 2)
        stats.add_dead_letters("too_large")
        stats.take(1)
    stats.add(events=1)
    stats.landed(np.array([1_000, 1_000, 400]), 1_090)
    registry = new_registry()
    registry.register(FlowCollector([stats], Settings()))
    with TelemetryServer(registry, lambda: flow_verdict([stats], Stop()), 0) as server:
        lane = {"flow": "status", "lane": "read"}
        assert value(server.port, "tidemark_events_total", **lane) == 16
        assert value(server.port, "tidemark_insert_seconds_total", **lane) == 0.75
        assert value(server.port, "tidemark_repeats_total", provider="ses", cause="replay") == 6
        assert value(server.port, "tidemark_dead_letters_total", reason="too_large") == 3
        assert value(server.port, "tidemark_queryable_seconds_bucket", le="0.1", **lane) == 2
        assert value(server.port, "tidemark_queryable_seconds_bucket", le="+Inf", **lane) == 3
        assert value(server.port, "tidemark_lag_offsets", **lane) == 5
        assert {name for name, _ in samples(server.port) if name.startswith("tidemark_")} == NAMES
        assert value(server.port, "process_cpu_seconds_total") > 0
        assert get(server.port, "/else")[0] == 404


def test_many_rows_count_in_full_by_a_sample() -> None:
    stats = made()
    stats.landed(np.zeros(100_000, np.int64), 60)
    assert sum(stats.totals().queryable) == pytest.approx(100_000, rel=0.01)


def test_health_tells_states_apart() -> None:
    stop, stats = Stop(), made()
    verdict = flow_verdict([stats], stop)
    assert (verdict.state, is_alive(verdict), is_ready(verdict)) == (State.READY, True, True)
    assert flow_verdict([stats, LaneStats("status", "other", "0/1")], stop).state is State.STARTING
    stats.set(lag_ms=BEHIND_AFTER_MS + 1)
    verdict = flow_verdict([stats], stop)
    assert (verdict.state, is_alive(verdict), is_ready(verdict)) == (State.BEHIND, True, False)
    stats.heard_s = time.monotonic() - SILENT_AFTER_S - 1
    assert not is_alive(flow_verdict([stats], stop))
    stats.waits_for = "ClickHouse: connection refused"
    verdict = flow_verdict([stats], stop)
    assert (verdict.state, is_alive(verdict)) == (State.BROKEN, True), "it knows why: no restart helps"
    stop.fail(TidemarkError("no room"))
    assert flow_verdict([stats], stop) == (State.BROKEN, "no room")


def test_running_flows_tell_the_figures_that_stand_in_flow_stats(pipeline: Pipeline) -> None:
    ports = {"route": free_port(), "status": free_port()}
    pipeline.play()
    flows = {name: pipeline.start(name, metrics_port=port, log="json") for name, port in ports.items()}
    until(lambda: pipeline.lag() == 0, "not read", *flows.values())
    events = "SELECT sum(events) FROM flow_stats WHERE flow = '{}'"
    for name, port in ports.items():
        assert health(port, "/healthz")[0] == 200
        until(lambda port=port: health(port, "/readyz") == (200, {"state": "ready", "why": ""}), name)
        told = value(port, "tidemark_events_total", flow=name)
        until(lambda told=told, name=name: pipeline.number(events.format(name)) == told > 0, name)
    assert value(ports["status"], "tidemark_snapshots_total") > 0
    assert value(ports["status"], "tidemark_window_ids") > 0
    pipeline.settle(*flows.values())
    for line in flows["status"].said().splitlines():
        assert {"at", "level", "logger", "event"} <= set(json.loads(line))


def test_a_database_that_is_down_makes_it_broken_and_alive(pipeline: Pipeline, clickhouse_server: Ready) -> None:
    pipeline.play("lanes")
    port = free_port()
    dead = clickhouse_server.dsn.replace(f":{clickhouse_server.url.rpartition(':')[2]}", ":1")
    flow = pipeline.start("status", metrics_port=port, clickhouse=dead)
    until(lambda: health(port, "/readyz")[1]["state"] == "broken", "not broken", flow)
    assert health(port, "/healthz")[0] == 200
    assert "connection refused" in health(port, "/readyz")[1]["why"]


@pytest.mark.parametrize("module", [["flows.route"], ["bytewax.run", "flows.route"]])
def test_a_port_that_is_taken_is_one_line(pipeline: Pipeline, module: list[str]) -> None:
    with TelemetryServer(new_registry(), lambda: flow_verdict([], Stop()), 0) as server:
        flow = pipeline.run("-m", *module, TIDEMARK_METRICS_PORT=str(server.port))
        assert flow.wait(30) == 2
    assert f"TIDEMARK_METRICS_PORT={server.port}" in flow.said()
    assert "Traceback" not in flow.said()
