"""Fixtures shared by all tests; each lives beside the part it starts."""

from hypothesis import settings

from tests.parts.browser import browser
from tests.parts.clickhouse import clickhouse, clickhouse_server, warehouse
from tests.parts.kafka import kafka, own_kafka

__all__ = ["browser", "clickhouse", "clickhouse_server", "kafka", "own_kafka", "warehouse"]

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("tidemark", deadline=None)
settings.load_profile("tidemark")
