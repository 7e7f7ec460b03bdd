"""A real Apache Kafka broker for tests: `loadgen.kafka_broker`, or a skip that says what it lacks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgen import kafka_broker
from loadgen.kafka_broker import KafkaBroker, Lacking, free_port
from tests.parts import lacking

__all__ = ["KafkaBroker", "free_port", "kafka", "kafka_jars"]


def kafka_jars() -> Path:
    """The folder of the broker's jars; skips where JDK or Maven are missing."""
    try:
        return kafka_broker.kafka_jars()
    except Lacking as lack:
        lacking(lack.part, lack.remedy)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A running broker, shared by all tests: use topic names of your own, and start what you stop."""
    broker = KafkaBroker(kafka_jars(), tmp_path_factory.mktemp("kafka"))
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
