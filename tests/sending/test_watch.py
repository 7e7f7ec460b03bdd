"""What every sender process hears: opt-outs are known before the first message, and lost by no end of the process."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from msgspec import Struct

from flows.identity import hash_keys
from flows.sending.audience import freeze, open_frozen
from flows.sending.caps import Caps
from flows.sending.control import Orders
from flows.sending.ledger_writer import LedgerWriter, Line
from flows.sending.suppression import Suppressions
from flows.sending.watch import Watch
from flows.sources import make_topics
from flows.stopping import Stop
from flows.topics import open_producer
from schemas.campaign import FrequencyCap
from schemas.events import StatusEvent
from schemas.outbound import Intent
from schemas.settings import Settings
from schemas.statuses import Lane, Status
from schemas.times import DAY_MS, wall_clock
from schemas.topics import OUTBOUND, SEND_CONTROL, SEND_SUPPRESSIONS
from tests.sending.making import load


class Ledger(LedgerWriter):
    """Takes what is put; durable is only what it is told."""

    def __init__(self) -> None:
        super().__init__(lambda: open_producer(Settings()))
        self.lines: list[Line] = []
        self._done: list[Callable[[], None]] = []

    def put(self, lines: Iterable[Line], done: Callable[[], None] | None = None) -> None:
        self.lines += lines
        self._done += [done] if done else []

    def flushed(self) -> None:
        for done in self._done:
            done()


class Ears:
    """One process's, from its start to its end."""

    def __init__(self, settings: Settings) -> None:
        self.suppressions = Suppressions(hash_keys(settings))
        self.ledger = Ledger()
        self.caps = Caps(DAY_MS)
        self.watch = Watch(settings, self.suppressions, self.caps, self.ledger, Stop(), lambda _: None)
        self.watch.catch_up(Orders())

    def know(self, recipient: str) -> bool:
        return self.suppressions.holds(recipient, "sms")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(broker=f"file://{tmp_path}/topics", recovery=f"{tmp_path}/recovery")
    make_topics(settings, OUTBOUND, Lane.OTHER.topic, SEND_CONTROL, SEND_SUPPRESSIONS)
    return settings


def write(settings: Settings, topic: str, told: Struct) -> None:
    producer = open_producer(settings)
    producer.partitions(topic)
    producer.append(topic, 0, msgspec.json.encode(told) + b"\n")
    producer.flush()
    producer.close()


def report(settings: Settings, status: Status = Status.UNSUBSCRIBED, **fields: Any) -> None:
    event = StatusEvent(status=status, event_time=1, received_at=1, provider="p", channel="sms", **fields)
    write(settings, Lane.OTHER.topic, event)


def test_who_opted_out_while_no_sender_ran_is_known_before_the_first_message(settings: Settings) -> None:
    report(settings, recipient="+4917012345678")
    ears = Ears(settings)
    assert ears.know("+4917012345678")
    assert [topic for topic, _, _ in ears.ledger.lines] == [SEND_SUPPRESSIONS]


def test_an_opt_out_is_read_again_until_the_ledger_has_it(settings: Settings) -> None:
    """Whether the process was killed, or the broker gone until its end."""
    report(settings, recipient="+4917012345678")
    first = Ears(settings)
    first.watch.close()
    second = Ears(settings)
    assert second.know("+4917012345678")
    second.ledger.flushed()
    second.watch.close()
    assert not Ears(settings).know("+4917012345678"), "from here on `send.suppressions` tells of it"


def test_who_takes_an_opt_out_back_is_written_to_again(settings: Settings) -> None:
    for status in (Status.COMPLAINED, Status.RESUBSCRIBED):
        report(settings, status, recipient="+4917012345678")
    assert not Ears(settings).know("+4917012345678")


@pytest.mark.parametrize("key", [2, 10_000, 2**40, 2**63 - 1])
def test_an_opt_out_beyond_the_audience_is_nobodys(settings: Settings, tmp_path: Path, key: int) -> None:
    """Keys come from outside: from an echo of a provider's, or another's campaign of the same name."""
    freeze(settings, load(tmp_path), tmp_path, 1)
    for seq in (key, 1):
        report(settings, campaign_id="autumn", message_key=seq)
    ears = Ears(settings)
    assert ears.know("+4917012345679")
    assert len(ears.suppressions) == 1


ONCE = FrequencyCap(messages=1, per="1d")


def intend(settings: Settings, recipient: str, at: int) -> None:
    record = Intent(at=at, campaign_id="other", message_key=1, recipient=recipient, sent_at=at)
    write(settings, OUTBOUND, record)


def test_whom_another_process_writes_to_is_capped_here(settings: Settings) -> None:
    """Before this one started, and while it runs; not any more when the cap's span is over."""
    now_ms = wall_clock()
    intend(settings, "+491701", now_ms - DAY_MS // 2)
    intend(settings, "+491702", now_ms - DAY_MS)
    ears = Ears(settings)
    assert ears.caps.full("491701", "own", 1, ONCE, now_ms)
    assert not ears.caps.full("491702", "own", 1, ONCE, now_ms)
    ears.watch.start()
    intend(settings, "+491703", now_ms)
    deadline_s = time.monotonic() + 20
    while not ears.caps.full("491703", "own", 1, ONCE, now_ms):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    ears.watch.close()


def test_rows_that_do_not_exist_are_none(settings: Settings, tmp_path: Path) -> None:
    frozen = freeze(settings, load(tmp_path), tmp_path, 1)
    assert open_frozen(frozen.path).rows_at([1, -1, 2**70])["_seq"].to_list() == [1]
    assert frozen.rows_at([7]).select("_seq", "_to").equals(pl.DataFrame(schema={"_seq": pl.Int64, "_to": pl.String}))
