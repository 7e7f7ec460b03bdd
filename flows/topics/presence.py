"""Is the broker there? Clients wait for one that is down, and say nothing: who has nothing to read can't tell."""

from collections.abc import Callable

from confluent_kafka.admin import AdminClient

from flows.topics.kafka_client import count_partitions, open_client
from flows.topics.names import parse_broker
from schemas.settings import Settings
from schemas.topics import WEBHOOK


def asking_broker(settings: Settings) -> Callable[[], object] | None:
    """What to call: it raises TopicDown, TopicError. None for topics in files, which are always there."""
    brokers = parse_broker(settings.broker)
    if not isinstance(brokers, str):
        return None
    client = open_client(AdminClient, brokers, settings.kafka)
    return lambda: count_partitions(client, brokers, WEBHOOK)
