"""What only the database knows, for Prometheus."""

from datetime import UTC, datetime

import polars as pl

from sql.exporter import NAMES, DatabaseCollector
from sql.telemetry.health import State
from sql.telemetry.server import TelemetryServer, new_registry
from sql.warehouse import Warehouse
from tests.telemetry.asking import health, samples, value


def stamped(table: Warehouse, name: str, **columns: object) -> None:
    frame = pl.DataFrame(columns).with_columns(pl.lit(datetime.now(UTC)).dt.cast_time_unit("ms").alias("at"))
    table.insert(name, frame)


def test_lanes_campaigns_waiting_and_tables(tables: Warehouse) -> None:
    stamped(tables, "flow_stats", flow="status", lane="read", slice="0/1", lag=[7], lag_ms=[1500])
    stamped(tables, "progress", campaign_id="spring", allowed_per_s=[80.0], achieved_per_s=[79.5], queue=[3])
    waits = "INSERT INTO waiting (provider, provider_message_id, status, event_time, received_at) VALUES"
    tables.command(f"{waits} ('ses', unhex('00112233445566778899aabbccddeeff'), 'read', now64(3), now64(3))")
    registry, collector = new_registry(), DatabaseCollector(tables)
    registry.register(collector)
    with TelemetryServer(registry, collector.verdict, 0) as server:
        assert health(server.port, "/readyz") == (200, {"state": "ready", "why": ""})
        assert value(server.port, "tidemark_flow_lag_offsets", lane="read") == 7
        assert value(server.port, "tidemark_flow_lag_seconds", lane="read") == 1.5
        assert 0 <= value(server.port, "tidemark_flow_silent_seconds", lane="read") < 300
        assert value(server.port, "tidemark_dispatch_achieved_per_second", campaign_id="spring") == 79.5
        assert value(server.port, "tidemark_unmatched_statuses", provider="ses") == 1
        assert value(server.port, "tidemark_table_rows", table="progress") == 1
        assert {name for name, _ in samples(server.port) if name.startswith("tidemark_")} == NAMES


def test_a_database_that_is_down_is_told() -> None:
    registry, collector = new_registry(), DatabaseCollector(Warehouse("http://127.0.0.1:1/tidemark"))
    registry.register(collector)
    assert collector.verdict().state is State.BROKEN
    with TelemetryServer(registry, collector.verdict, 0) as server:
        assert value(server.port, "tidemark_database_up") == 0
        assert health(server.port, "/healthz")[0] == 200
        assert health(server.port, "/readyz")[0] == 503
