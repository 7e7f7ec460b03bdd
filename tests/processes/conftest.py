"""Fixtures of the tests that run flows as processes."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from sql.serve import Ready
from tests.parts.flows import pipeline
from tests.parts.kafka import KafkaBroker, kafka_jars

__all__ = ["pipeline"]

_numbers = count()


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A running broker with no topics: the flows' names are fixed, so tests can't share one."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    broker = KafkaBroker(kafka_jars(), folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def server_dsn(clickhouse_server: Ready) -> str:
    """An empty database over HTTP, still to be made."""
    return clickhouse_server.dsn.replace("/tidemark", f"/processes_{next(_numbers)}")
