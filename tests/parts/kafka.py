"""A real Apache Kafka broker for tests: `loadgen.kafka_broker`, or a skip that says what it lacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadgen import kafka_broker
from loadgen.kafka_broker import KafkaBroker, Lacking, free_port
from tests.parts import lacking

__all__ = ["KafkaBroker", "free_port", "kafka", "kafka_jars", "own_kafka"]


def kafka_jars() -> Path:
    """The folder of the broker's jars; skips where JDK or Maven are missing."""
    try:
        return kafka_broker.kafka_jars()
    except Lacking as lack:
        lacking(lack.part, lack.remedy)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A running broker, shared by all tests: use topic names of your own, and start what you stop."""
    with _running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A running broker with no topics: the flows' names are fixed, so tests can't share one."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    with _running(folder) as broker:
        yield broker


@contextmanager
def _running(folder: Path) -> Iterator[KafkaBroker]:
    broker = KafkaBroker(kafka_jars(), folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
