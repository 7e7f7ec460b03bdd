"""Fixtures shared by all tests; each lives beside the part it starts."""

from tests.parts.clickhouse import clickhouse, clickhouse_server, warehouse
from tests.parts.kafka import kafka

__all__ = ["clickhouse", "clickhouse_server", "kafka", "warehouse"]
