"""What every sender process hears: opt-outs are known before the first message, and lost by no end of the process."""

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import polars as pl
import pytest

from flows.identity import hash_keys
from flows.sending.audience import freeze, open_frozen
from flows.sending.control import Orders
from flows.sending.ledger_writer import LedgerWriter, Line
from flows.sending.suppression import Suppressions
from flows.sending.watch import Watch
from flows.sources import make_topics
from flows.stopping import Stop
from flows.topics import open_producer
from schemas.events import StatusEvent
from schemas.settings import Settings
from schemas.statuses import Lane, Status
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
        self.watch = Watch(settings, self.suppressions, self.ledger, Stop(), lambda _: None)
        self.watch.catch_up(Orders())

    def know(self, recipient: str) -> bool:
        return self.suppressions.holds(recipient, "sms")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(broker=f"file://{tmp_path}/topics", recovery=f"{tmp_path}/recovery")
    make_topics(settings, OUTBOUND, Lane.OTHER.topic, SEND_CONTROL, SEND_SUPPRESSIONS)
    return settings


def report(settings: Settings, status: Status = Status.UNSUBSCRIBED, **fields: object) -> None:
    event = StatusEvent(status=status, event_time=1, received_at=1, provider="p", channel="sms", **fields)  # type: ignore[arg-type]
    producer = open_producer(settings)
    producer.partitions(Lane.OTHER.topic)
    producer.append(Lane.OTHER.topic, 0, msgspec.json.encode(event) + b"\n")
    producer.flush()
    producer.close()


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


def test_rows_that_do_not_exist_are_none(settings: Settings, tmp_path: Path) -> None:
    frozen = freeze(settings, load(tmp_path), tmp_path, 1)
    assert open_frozen(frozen.path).rows_at([1, -1, 2**70])["_seq"].to_list() == [1]
    assert frozen.rows_at([7]).select("_seq", "_to").equals(pl.DataFrame(schema={"_seq": pl.Int64, "_to": pl.String}))
