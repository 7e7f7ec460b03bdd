"""The reader of Kafka topics."""

import logging
import time
from contextlib import suppress
from typing import Any, cast

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from flows.topics.gaps import report_gap
from flows.topics.interface import LINE_LIMIT_BYTES, Position, Record
from flows.topics.kafka_client import (
    ANSWER_WITHIN_S,
    COORDINATOR_MOVES,
    Complaints,
    kafka_errors,
    known_partitions,
    open_client,
    topic_error,
)
from flows.topics.lines import count_lines
from flows.topics.places import KAFKA_LINE_BITS, kafka_place
from schemas.errors import TopicError
from schemas.events import PAYLOAD_LIMIT_BYTES

log = logging.getLogger(__name__)

_TUNING = {
    "fetch.wait.max.ms": 50,
    "fetch.max.bytes": 32 * 1024 * 1024,
    "max.partition.fetch.bytes": 8 * 1024 * 1024,
    "queued.max.messages.kbytes": 64 * 1024,
    # Once the queue is full librdkafka pauses for this long, by default a whole second.
    "fetch.queue.backoff.ms": 5,
}
_FIXED = {
    "enable.auto.commit": False,
    # Any other value skips a lost range without a word.
    "auto.offset.reset": "error",
    # Else a transaction's marker behind the last record would look like a record that never comes.
    "enable.partition.eof": True,
}
_NUMBERED_LINES = 1 << KAFKA_LINE_BITS
_MOST_MESSAGES = 1_000
_PAUSE_S = 0.1
_LOOK_EVERY_S = 15.0
_LOOK_WITHIN_S = 0.3
_CONNECT_WITHIN_S = 1.0
_FINAL = {
    KafkaError._FATAL,
    KafkaError._AUTHENTICATION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
}
_LOST = {KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION}


class KafkaReader:
    """One consumer over all its partitions, assigned by hand: no rebalances (`Reader` says how it is used)."""

    def __init__(
        self,
        brokers: str,
        topic: str,
        partitions: list[int],
        start: dict[int, Position],
        group: str,
        *,
        from_group: bool,
        accept_gap: bool,
        options: dict[str, str],
    ) -> None:
        self._topic = topic
        self._where = f"kafka://{brokers}, topic {topic}"
        self._accept_gap = accept_gap
        self._complain = Complaints(self._where)
        self._mean_bytes = 1024
        self._places = {partition: kafka_place(partition, 0) for partition in partitions}
        self._fault: TopicError | None = None
        self._ends: dict[int, int] = {}
        self._behind: dict[int, int] = {}
        """Where partitions stood that had more, when that was last looked for."""
        self._look_at_s = time.monotonic() + _LOOK_EVERY_S
        self._brokers = brokers
        self._config = _TUNING | options | _FIXED | {"group.id": group}
        self._client = self._open()
        try:
            _check_partitions(topic, partitions, known_partitions(self._client, brokers, topic))
            with kafka_errors(self._where):
                others = [partition for partition in partitions if partition not in start]
                wanted = start | (self._committed(others) if from_group else {})
                self._next = {number: self._first_offset(number, wanted.get(number)) for number in partitions}
                self._assign()
        except BaseException:
            self.close()
            raise

    def _committed(self, partitions: list[int]) -> dict[int, Position]:
        asked = [TopicPartition(self._topic, partition) for partition in partitions]
        deadline_s = time.monotonic() + ANSWER_WITHIN_S
        while asked:
            try:
                answers = self._client.committed(asked, timeout=ANSWER_WITHIN_S)
            except KafkaException as error:
                if error.args[0].code() not in COORDINATOR_MOVES or time.monotonic() > deadline_s:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return _known_offsets(answers)
        return {}

    def _first_offset(self, partition: int, wanted: Position | None) -> int:
        """The position, if there is one, else the earliest; where the records still are."""
        earliest, latest = self._range(partition)
        self._ends[partition] = latest
        if wanted is None:
            return earliest
        if not isinstance(wanted, int):
            raise TopicError(f"{self._where}, partition {partition}: not a Kafka offset: {wanted!r:.100}")
        if earliest <= wanted <= latest:
            return wanted
        self._report_gap(partition, wanted, earliest, latest)
        return earliest

    def _range(self, partition: int) -> tuple[int, int]:
        """The earliest offset there is, and the one behind the latest; asks the broker."""
        asked = TopicPartition(self._topic, partition)
        earliest, latest = self._client.get_watermark_offsets(asked, timeout=ANSWER_WITHIN_S)
        return earliest, latest

    def _report_gap(self, partition: int, wanted: int, earliest: int, latest: int) -> None:
        if wanted < earliest:
            lost = f"offsets {wanted} to {earliest - 1} are"
        elif wanted <= latest:
            lost = f"the log was cut before offset {wanted}, what was read is"
        else:
            lost = f"offset {wanted} lies beyond the end at {latest}, what was read is"
        report_gap(self._topic, partition, lost, accept=self._accept_gap)

    def poll(self, max_bytes: int, timeout_s: float) -> list[Record]:
        deadline_s = time.monotonic() + timeout_s
        records = self._take(max_bytes)
        while not records and not self._fault and (left_s := deadline_s - time.monotonic()) > 0:
            # For one message, then what came with it: asked for many, `consume` waits out its time for the last.
            records = self._consume(1, left_s)
            records += self._take(max_bytes) if records else []
        if self._fault and not records:
            raise self._fault
        if not records and time.monotonic() >= self._look_at_s:
            self._look_at_s = time.monotonic() + _LOOK_EVERY_S
            self._wake_stalled()
        return records

    def _take(self, max_bytes: int) -> list[Record]:
        """What is fetched already, in steps that follow the size of the messages."""
        records: list[Record] = []
        while max_bytes > 0:
            found = self._consume(min(max_bytes // self._mean_bytes + 1, _MOST_MESSAGES), 0)
            if not found:
                break
            size = sum(len(record.value) for record in found)
            self._mean_bytes = size // len(found) + 1
            max_bytes -= size
            records += found
        return records

    def _consume(self, count: int, timeout_s: float) -> list[Record]:
        """After a fault there is no more: it is raised once the records before it were handed over."""
        messages = [] if self._fault else self._client.consume(count, timeout_s)
        records: list[Record] = []
        try:
            # The one loop that runs per record: it takes what it can from outside itself.
            for message in messages:
                value, partition, offset = message.value(), message.partition(), message.offset()
                if (error := message.error()) is not None:
                    self._meet(error, partition, offset)
                    continue
                self._next[partition] = offset + 1
                if value:
                    place = self._places[partition] | offset << KAFKA_LINE_BITS
                    records.append(
                        Record(partition, offset, place, value)
                        if len(value) < _NUMBERED_LINES
                        else _checked(partition, offset, place, value)
                    )
        except TopicError as fault:
            self._fault = fault
        return records

    def _meet(self, error: KafkaError, partition: int, offset: int) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._next[partition] = offset
        elif error.code() in _LOST:
            self._go_on_behind_gap(partition)
        elif error.code() in _FINAL:
            raise topic_error(error, self._where)
        else:
            self._complain(error)

    def _go_on_behind_gap(self, partition: int) -> None:
        with kafka_errors(self._where):
            earliest, latest = self._range(partition)
            self._report_gap(partition, self._next[partition], earliest, latest)
            # Not by `seek`: librdkafka has stopped the partition, and refuses.
            self._client.incremental_unassign([TopicPartition(self._topic, partition)])
            self._client.incremental_assign([TopicPartition(self._topic, partition, earliest)])
        self._next[partition] = earliest

    def _open(self) -> Any:
        return open_client(Consumer, self._brokers, self._config)

    def _assign(self) -> None:
        self._client.assign([TopicPartition(self._topic, number, at) for number, at in self._next.items()])

    def _wake_stalled(self) -> None:
        """Read on with a new client where nothing came since the last look although there is more.

        At times librdkafka knows no broker any more once its broker was restarted, and says nothing (seen in 2.16: one
        client in some two thousand restarts; its issue 5153 has the like). Only a new client helps.
        """
        ends = self._asked_ends(self._client, _LOOK_WITHIN_S)
        behind = {number: at for number, at in self._next.items() if number not in ends or ends[number] > at}
        stalled = [number for number, at in behind.items() if self._behind.get(number) == at]
        self._behind = behind
        if not stalled:
            return
        new = self._open()
        ends = self._asked_ends(new, _CONNECT_WITHIN_S)
        more = [number for number in stalled if ends.get(number, 0) > self._next[number]]
        self._client, other = (new, self._client) if more else (self._client, new)
        other.close()
        if more:
            log.warning("%s: nothing came of partitions %s, which have more; connected anew", self._where, more)
            self._assign()

    def _asked_ends(self, client: Any, within_s: float) -> dict[int, int]:
        """As the broker says now; what it doesn't is left out."""
        asked = [TopicPartition(self._topic, number, OFFSET_END) for number in self._next]
        try:
            answers = client.offsets_for_times(asked, timeout=within_s)
        except KafkaException:
            return {}
        return {answer.partition: answer.offset for answer in answers if not answer.error}

    def positions(self) -> dict[int, Position]:
        return dict(self._next)

    def lag(self) -> dict[int, int]:
        """Against the end as the last fetch told it: asks nobody."""
        with kafka_errors(self._where):
            return {partition: max(self._end(partition) - offset, 0) for partition, offset in self._next.items()}

    def _end(self, partition: int) -> int:
        asked = TopicPartition(self._topic, partition)
        _, heard = self._client.get_watermark_offsets(asked, cached=True)
        self._ends[partition] = max(self._ends[partition], heard)
        return self._ends[partition]

    def commit(self, positions: dict[int, Position]) -> None:
        offsets = [TopicPartition(self._topic, number, cast(int, at)) for number, at in positions.items()]
        with suppress(KafkaException):  # the next commit says the same and more
            self._client.commit(offsets=offsets, asynchronous=True)

    def close(self) -> None:
        with suppress(KafkaException, RuntimeError):
            self._client.close()


def _known_offsets(answers: list[TopicPartition]) -> dict[int, Position]:
    for answer in answers:
        if answer.error:
            raise KafkaException(answer.error)
    return {answer.partition: answer.offset for answer in answers if answer.offset >= 0}


def _check_partitions(topic: str, wanted: list[int], count: int) -> None:
    if unknown := set(wanted) - set(range(count)):
        raise TopicError(f"topic {topic} has no partition {min(unknown)}")


def _checked(partition: int, offset: int, place: int, value: bytes) -> Record:
    """Fewer bytes cannot hold too many lines."""
    if len(value) <= LINE_LIMIT_BYTES and count_lines(value) < _NUMBERED_LINES:
        return Record(partition, offset, place, value)
    return Record(partition, offset, place, value[:PAYLOAD_LIMIT_BYTES], len(value))
