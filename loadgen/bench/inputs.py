"""The same events for all systems, in topics of each record format that one of them asks for."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from confluent_kafka.admin import AdminClient
from msgspec import Struct

from flows.topics import list_partitions, open_producer, open_reader
from flows.topics.file_layout import GROUPS_FOLDER
from loadgen.bench.lane_events import EVENTS_PER_MESSAGE, STATUSES, lane_topic, write_lane_events
from loadgen.kafka_broker import KafkaBroker, kafka_jars
from schemas.errors import TopicError, UsageError
from schemas.settings import PREFIX, Settings
from schemas.statuses import Lane, Status
from schemas.times import wall_clock
from schemas.topics import DLQ_STATUS, OUTBOUND


class Inputs(Struct, frozen=True):
    """What was written: `topics` by events a record, of `messages` messages."""

    broker: str
    clock: int
    messages: int
    events: int
    topics: dict[int, list[str]]

    @property
    def unique(self) -> int:
        return self.messages * len(STATUSES)

    def forget(self) -> None:
        """What groups have committed: the next to read begins at the beginning."""
        if self.broker.startswith("file://"):
            for path in Path(self.broker.removeprefix("file://")).glob(f"*/{GROUPS_FOLDER}/*.json"):
                path.unlink()
            return
        admin = AdminClient({"bootstrap.servers": self.broker.removeprefix("kafka://")})
        known = [group.group_id for group in admin.list_consumer_groups(request_timeout=10).result().valid]
        if groups := [group for group in known if group.startswith("tidemark.")]:
            for deleted in admin.delete_consumer_groups(groups, request_timeout=10).values():
                deleted.result()


@contextmanager
def broker_at(source: str, folder: Path) -> Iterator[str]:
    """A broker setting: topics in files in `folder`, TIDEMARK_BROKER, or a Kafka that ends with the context."""
    given = os.environ.get(f"{PREFIX}BROKER", "")
    if source == "file":
        yield f"file://{folder}/topics"
    elif given.startswith("kafka://"):
        yield given
    else:
        with started_kafka(folder) as broker:
            yield broker.dsn


@contextmanager
def started_kafka(folder: Path, **settings: str) -> Iterator[KafkaBroker]:
    """An Apache Kafka over `folder`; raises Lacking."""
    place = folder / "kafka"
    place.mkdir()
    broker = KafkaBroker(kafka_jars(), place, heap="1g", **settings)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


def write_inputs(broker: str, events: int, own: int, others: set[int]) -> Inputs:
    """Some `events`, `own` of them a record, in the lanes' own topics, and in topics for each of `others`.

    Raises TidemarkError, UsageError where there is something in them.
    """
    settings, clock = Settings(broker=broker), wall_clock()
    messages = max(1, round(events / EVENTS_PER_MESSAGE))
    topics: dict[int, list[str]] = {}
    written = 0
    producer = open_producer(settings)
    try:
        for topic in (OUTBOUND, DLQ_STATUS, *(lane.topic for lane in Lane)):
            producer.partitions(topic)
        for size in (own, *others - {own}):
            topic_of = lane_topic if size == own else _topic_beside(size)
            topics[size] = [topic_of(status) for status in STATUSES]
            _refuse_full(settings, topics[size])
            written = write_lane_events(producer, messages, clock, size, topic_of)
    finally:
        producer.close()
    return Inputs(broker, clock, messages, written, topics)


def _topic_beside(size: int) -> Callable[[Status], str]:
    return lambda status: f"{lane_topic(status)}.by{size}"


def _refuse_full(settings: Settings, topics: list[str]) -> None:
    for topic in topics:
        with suppress(TopicError):  # there is none yet
            reader = open_reader(settings, topic, list_partitions(settings, topic), {}, "bench")
            held = sum(reader.lag().values())
            reader.close()
            if held:
                raise UsageError(f"{settings.broker}: topic {topic} is not empty")
