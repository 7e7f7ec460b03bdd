"""The producer of Kafka topics."""

import time
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client

from flows.topics.kafka_client import (
    ANSWER_WITHIN_S,
    RECORD_LIMIT_BYTES,
    count_partitions,
    create_topic,
    open_client,
    topic_error,
)
from flows.topics.lines import check_lines, cut_records
from flows.topics.names import check_name
from schemas.errors import TopicDown, UsageError

_TUNING = {
    "compression.type": "lz4",
    "linger.ms": 5,
    "batch.size": 1_000_000,
    # Bounds what a broker that is down makes us hold.
    "queue.buffering.max.kbytes": 64 * 1024,
    "message.timeout.ms": 30_000,
}
_FIXED = {
    "enable.idempotence": True,
    "message.max.bytes": RECORD_LIMIT_BYTES,
    # Only failures call back into Python; `flush` waits for all reports anyway.
    "delivery.report.only.error": True,
}
_PAUSE_S = 0.05


class KafkaProducer:
    """Cuts lines into records and sends them, idempotent, compressed (`Producer` says how it is used).

    A broker that is down holds `flush` up for `message.timeout.ms`, and an append to a full queue for half of that;
    then TopicDown.
    """

    def __init__(self, brokers: str, *, partitions: int, options: dict[str, str]) -> None:
        config: dict[str, Any] = _TUNING | options | _FIXED
        self._brokers = brokers
        self._new_topic_partitions = partitions
        self._options = options
        self._patience_s = float(config["message.timeout.ms"]) / 1000 / 2
        self._partitions: dict[str, int] = {}
        self._failure: tuple[KafkaError, str] | None = None
        self._client = open_client(Client, brokers, config | {"on_delivery": self._not_delivered})

    def _not_delivered(self, error: KafkaError | None, message: Message) -> None:
        if error and not self._failure:
            self._failure = error, str(message.topic())

    def partitions(self, topic: str) -> int:
        if topic not in self._partitions:
            check_name("topic", topic)
            self._partitions[topic] = self._count(topic) or self._create(topic)
        return self._partitions[topic]

    def _count(self, topic: str) -> int | None:
        return count_partitions(self._client, self._brokers, topic)

    def _create(self, topic: str) -> int:
        create_topic(self._brokers, topic, self._new_topic_partitions, self._options)
        deadline_s = time.monotonic() + ANSWER_WITHIN_S
        while time.monotonic() < deadline_s:
            if count := self._count(topic):
                return count
            time.sleep(_PAUSE_S)
        raise TopicDown(f"kafka://{self._brokers}: topic {topic} was made but does not appear")

    def append(self, topic: str, partition: int, lines: bytes) -> None:
        check_lines(lines)
        if not 0 <= partition < self.partitions(topic):
            raise UsageError(f"topic {topic} has no partition {partition}")
        for value in cut_records(lines):
            self._send(topic, partition, value)

    def _send(self, topic: str, partition: int, value: bytes) -> None:
        try:
            try:
                self._client.produce(topic, value, partition=partition)
            except BufferError:
                self._send_when_there_is_room(topic, partition, value)
        except KafkaException as error:
            raise topic_error(error.args[0], self._where(topic)) from error

    def _send_when_there_is_room(self, topic: str, partition: int, value: bytes) -> None:
        deadline_s = time.monotonic() + self._patience_s
        while time.monotonic() < deadline_s:
            self._client.poll(_PAUSE_S)
            with suppress(BufferError):
                self._client.produce(topic, value, partition=partition)
                return
        raise TopicDown(f"{self._where(topic)}: the queue stays full, the broker takes nothing")

    def flush(self) -> None:
        # It ends: each record is delivered or given up within message.timeout.ms.
        while self._client.flush(1.0):
            pass
        failure, self._failure = self._failure, None
        if failure:
            error, topic = failure
            raise topic_error(error, self._where(topic))

    def _where(self, topic: str) -> str:
        return f"kafka://{self._brokers}, topic {topic}"

    def close(self) -> None:
        with suppress(KafkaException):
            self._client.purge()
            self._client.flush(1.0)
