"""A thread of the sender that breaks ends the process with one line: no one would see that it is deaf, or mute."""

import threading
from pathlib import Path

import pytest

from flows.identity import hash_keys
from flows.sending.control import Order, Orders, encode_order
from flows.sending.follower import Follower
from flows.sending.ledger import Ledger
from flows.sending.ledger_writer import LedgerWriter
from flows.sending.suppression import Suppressions
from flows.sending.watch import Watch
from flows.sources import make_topics
from flows.stopping import Stop
from flows.topics import open_producer
from schemas.outbound import Settled
from schemas.settings import Settings
from schemas.topics import OUTBOUND, SEND_CONTROL, SEND_SUPPRESSIONS, STATUS_TOPICS

PATIENCE_S = 20.0


def break_(*_: object) -> None:
    raise ValueError("a bug\nand more of it")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(broker=f"file://{tmp_path}/topics", recovery=f"{tmp_path}/recovery")
    make_topics(settings, OUTBOUND, *STATUS_TOPICS, SEND_CONTROL, SEND_SUPPRESSIONS)
    return settings


def write(settings: Settings, topic: str, line: bytes) -> None:
    producer = open_producer(settings)
    producer.partitions(topic)
    producer.append(topic, 0, line)
    producer.flush()
    producer.close()


def test_the_watch(settings: Settings) -> None:
    stop, ledger = Stop(), LedgerWriter(lambda: open_producer(settings))
    watch = Watch(settings, Suppressions(hash_keys(settings)), None, ledger, stop, break_)
    watch.catch_up(Orders())
    watch.start()
    write(settings, SEND_CONTROL, encode_order(Order(at=1, action="pause", campaign_id="a")))
    assert stop.wait(PATIENCE_S)
    watch.close()
    assert str(stop.failure) == "watch: ValueError: a bug"


def test_a_follower(settings: Settings) -> None:
    stop, follower = Stop(), Follower(settings, "a", {})
    follower.catch_up(Ledger("a"))
    follower.start(stop, lambda: 0, break_, break_)
    record = Settled(at=1, campaign_id="a", message_key=1, outcome="lost")
    writer = LedgerWriter(lambda: open_producer(settings))
    writer.start()
    writer.put([writer.line(record)])
    assert stop.wait(PATIENCE_S)
    writer.finish()
    follower.close()
    assert str(stop.failure) == "follower a: ValueError: a bug"


def test_the_ledger(settings: Settings) -> None:
    writer, broken = LedgerWriter(lambda: open_producer(settings)), threading.Event()
    writer.start()

    def done() -> None:
        broken.set()
        break_()

    writer.put([], done)
    assert broken.wait(PATIENCE_S)
    writer.finish()
    assert str(writer.failure) == "ledger: ValueError: a bug"
