"""What the Kafka producer and reader share: opening clients, asking for topics, and turning errors into ours."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from flows.topics.interface import LINE_LIMIT_BYTES, MAX_PARTITIONS
from schemas.errors import TopicDown, TopicError, TopicUnknown, UsageError

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 8.0
RECORD_LIMIT_BYTES = LINE_LIMIT_BYTES + 64 * 1024
_COMPLAIN_EVERY_S = 30.0
COORDINATOR_MOVES = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}
"""What a broker that has just started answers for a moment when asked for a group's offsets."""
_DOWN = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._RESOLVE,
    *COORDINATOR_MOVES,
}


def open_client(kind: Callable[[dict[str, Any]], Any], brokers: str, config: dict[str, Any]) -> Any:
    """A client that waits for its brokers by itself, and says so at most every half a minute.

    Raises UsageError for an option that librdkafka doesn't take.
    """
    common = {
        "bootstrap.servers": brokers,
        "error_cb": Complaints(f"kafka://{brokers}"),
        "log_level": 2,  # librdkafka's own lines, one at each attempt; ours says it once
        "reconnect.backoff.ms": 20,  # a new client's second connection waits half of it: 50 ms by default
        "reconnect.backoff.max.ms": 2_000,
    }
    try:
        return kind(common | config)
    except KafkaException as error:
        raise UsageError(f"TIDEMARK_KAFKA_…: {error.args[0].str()}") from None


class Complaints:
    """Logs what is wrong with a client while it waits, without flooding."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._next_s = 0.0

    def __call__(self, error: KafkaError) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _COMPLAIN_EVERY_S
            log.warning("%s: %s; waiting for it", self._where, error.str())


def topic_error(error: KafkaError, what: str) -> TopicError:
    """Ours for theirs: TopicDown where trying again may help."""
    if error.code() in _DOWN or error.retriable():
        return TopicDown(f"{what}: the broker does not answer ({error.str()})")
    return TopicError(f"{what}: {error.str()}")


@contextmanager
def kafka_errors(what: str) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise topic_error(error.args[0], what) from error


def count_partitions(client: Any, brokers: str, topic: str) -> int | None:
    """None where there is no such topic; raises TopicDown, TopicError.

    Asks for all topics: asking for one would have some brokers make it.
    """
    where = f"kafka://{brokers}, topic {topic}"
    with kafka_errors(where):
        metadata = client.list_topics(timeout=ANSWER_WITHIN_S).topics.get(topic)
    if metadata is None or not metadata.partitions:
        return None
    if len(metadata.partitions) > MAX_PARTITIONS:
        raise TopicError(f"{where}: {len(metadata.partitions)} partitions; at most {MAX_PARTITIONS} can be numbered")
    return len(metadata.partitions)


def kafka_partitions(brokers: str, topic: str, options: dict[str, str]) -> list[int]:
    """Raises UsageError, TopicDown, TopicError for an unknown topic."""
    client = open_client(Consumer, brokers, options | {"group.id": "tidemark"})
    try:
        return list(range(known_partitions(client, brokers, topic)))
    finally:
        client.close()


def known_partitions(client: Any, brokers: str, topic: str) -> int:
    count = count_partitions(client, brokers, topic)
    if count is None:
        raise TopicUnknown(f"kafka://{brokers}: no topic {topic}")
    return count


def create_topic(brokers: str, topic: str, partitions: int, options: dict[str, str]) -> None:
    """Ask the broker for it, with room for our longest line and its own default of replicas; no error where it exists.

    Raises UsageError, TopicDown, TopicError.
    """
    if not 1 <= partitions <= MAX_PARTITIONS:
        raise UsageError(f"TIDEMARK_PARTITIONS={partitions}: expected 1 to {MAX_PARTITIONS}")
    admin = open_client(AdminClient, brokers, options)
    new = NewTopic(topic, partitions, config={"max.message.bytes": str(RECORD_LIMIT_BYTES)})
    created = admin.create_topics([new], request_timeout=ANSWER_WITHIN_S)[topic]
    try:
        created.result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise topic_error(error.args[0], f"kafka://{brokers}: making topic {topic}") from error
