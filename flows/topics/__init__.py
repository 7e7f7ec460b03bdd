"""Topics: durable, partitioned streams of newline-delimited JSON, in files or in Kafka behind one interface.

    producer = open_producer(settings)
    producer.append(topic, partition_of(…, producer.partitions(topic)), b"{…}\\n{…}\\n")
    producer.flush()                                          # durable, or an error

    reader = open_reader(settings, topic, list_partitions(settings, topic), start=None, group="tidemark.status.read")
    records = reader.poll(max_bytes=8_000_000, timeout_s=0.005)
    reader.commit(reader.positions())

At-least-once: what `flush` returned for is read by every reader, in the order of its partition. Which kind it is
says `settings.broker`: `file://FOLDER` (`flows.topics.file_layout`) or `kafka://HOST:PORT` (`kafka_client`).
"""

from pathlib import Path

from flows.topics.file_archive import archive_topic
from flows.topics.file_layout import partition_numbers
from flows.topics.file_producer import FileProducer
from flows.topics.file_reader import FileReader
from flows.topics.interface import LINE_LIMIT_BYTES, Position, Producer, Reader, Record
from flows.topics.kafka_client import kafka_partitions
from flows.topics.kafka_producer import KafkaProducer
from flows.topics.kafka_reader import KafkaReader
from flows.topics.names import check_name, parse_broker
from schemas.errors import UsageError
from schemas.settings import Settings

__all__ = [
    "LINE_LIMIT_BYTES",
    "Position",
    "Producer",
    "Reader",
    "Record",
    "archive",
    "list_partitions",
    "open_producer",
    "open_reader",
]


def open_producer(settings: Settings) -> Producer:
    """Connects to nothing until the first call; raises UsageError."""
    broker = parse_broker(settings.broker)
    if isinstance(broker, Path):
        return FileProducer(broker, partitions=settings.partitions, fsync=settings.fsync)
    return KafkaProducer(broker, partitions=settings.partitions, options=settings.kafka)


def open_reader(
    settings: Settings,
    topic: str,
    partitions: list[int],
    start: dict[int, Position] | None,
    group: str,
    *,
    from_group: bool = True,
) -> Reader:
    """Read `partitions` from `start`, else from what `group` committed, else from the earliest line there is.

    With `from_group` false, what was committed is passed over. That holds for each partition by itself. Raises
    UsageError; TopicDown for a broker that does not answer within ten seconds; TopicGap; TopicError for an unknown
    topic or partition.
    """
    check_name("topic", topic)
    check_name("group", group)
    broker = parse_broker(settings.broker)
    if isinstance(broker, Path):
        return FileReader(
            broker / topic, partitions, start or {}, group, from_group=from_group, accept_gap=settings.accept_gap
        )
    return KafkaReader(
        broker,
        topic,
        partitions,
        start or {},
        group,
        from_group=from_group,
        accept_gap=settings.accept_gap,
        options=settings.kafka,
    )


def list_partitions(settings: Settings, topic: str) -> list[int]:
    """The partitions of `topic`; raises UsageError, TopicDown, TopicError for an unknown topic."""
    check_name("topic", topic)
    broker = parse_broker(settings.broker)
    if isinstance(broker, Path):
        return partition_numbers(broker / topic)
    return kafka_partitions(broker, topic, settings.kafka)


def archive(settings: Settings, topic: str) -> int:
    """Compress the ended segments of a file topic in place, and say how many; readers go on reading them."""
    check_name("topic", topic)
    broker = parse_broker(settings.broker)
    if not isinstance(broker, Path):
        raise UsageError(f"{settings.broker}: only file topics are archived; Kafka has retention.ms of its own")
    return archive_topic(broker / topic)
