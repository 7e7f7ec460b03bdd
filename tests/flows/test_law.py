"""The law: whatever arrives twice, late, in another order or in other batches, the figures are the same."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.statuses import Lane, Status
from schemas.times import HOUR_MS, MINUTE_MS
from sql.warehouse import Warehouse
from tests.flows.conftest import empty
from tests.flows.making import NOW_MS, Fields, campaign, cut_records, event, line, outbound
from tests.flows.playing import Middle, Mode, faults

OURS, GUESTS = "ours", "guests"
"""A campaign of our sender, and one whose sender numbers nothing."""
MESSAGES = 24
STATUSES = ("sent", "deferred", "delivered", "read", "clicked", "failed", "complained", "unknown", "unsubscribed")
BEGINS = (NOW_MS - 5 * HOUR_MS, NOW_MS - 30 * MINUTE_MS, NOW_MS - 20 * 24 * HOUR_MS)

TOTALS = """
    SELECT campaign_id, toString(status) AS status, provider, error_code, retried, groupBitmapMerge(messages) AS n
    FROM totals GROUP BY ALL ORDER BY ALL
"""
MESSAGE_ROWS = "SELECT * FROM v_messages WHERE campaign_id = 'ours' ORDER BY message_key"


@cache
def lines_of(seed: int) -> tuple[list[Fields], list[Fields]]:
    """Every status event and every outbound record of two small campaigns, repeats included, in no special order."""
    random = Random(seed)
    events: list[Fields] = []
    records: list[Fields] = [campaign(campaign_id=OURS, audience=MESSAGES), campaign(campaign_id=GUESTS)]
    for number in range(MESSAGES):
        begin = random.choice(BEGINS) + random.randrange(20 * MINUTE_MS)
        for attempt in range(1, random.choice((1, 1, 2)) + 1):
            sent_at = begin + (attempt - 1) * 7 * MINUTE_MS
            common = {"attempt": attempt, "sent_at": sent_at, "provider": random.choice(("canonical", "meta_whatsapp"))}
            template = random.choice((None, "a", "b"))
            ours = {"campaign_id": OURS, "message_key": number, "provider_message_id": f"our-{number}-{attempt}"}
            kind = random.choice(("accepted", "accepted", "rejected", "in_doubt", "intent"))
            records.append(outbound(kind, at=sent_at + 40, template=template, **common, **ours))
            guest = {"campaign_id": GUESTS, "message_key": None, "provider_message_id": f"guest-{number}-{attempt}"}
            records.append(outbound("accepted", at=sent_at + 40, template=template, **common, **guest))
            for status in random.sample(STATUSES, random.randrange(6)):
                reported = common | {"status": status, "event_time": sent_at + random.randrange(40 * MINUTE_MS)}
                reported |= {"error_code": random.choice(("1", "2")) if status == "failed" else None}
                unnamed = {"campaign_id": None, "message_key": None, "sent_at": None}
                without_ids = ours | unnamed if kind == "accepted" and random.random() < 0.2 else ours
                events += repeats(random, event(**reported | without_ids))
                events += repeats(random, event(**reported | guest | unnamed))
    return events, records


def repeats(random: Random, one: Fields) -> Iterator[Fields]:
    """The event, and sometimes again: byte by byte, by another receipt, at another time, for another reason."""
    yield one
    while random.random() < 0.3:
        later = {"received_at": one["received_at"] + random.randrange(1, 9_999), "receipt_id": f"r-{random.random()}"}
        moved = {"event_time": one["event_time"] + random.randrange(-3 * MINUTE_MS, 3 * MINUTE_MS)}
        reason = {"error_code": "3"} if one["status"] == "failed" else {}
        yield one | random.choice(({}, later, later | moved, later | moved | reason))


def arrive(middle: Middle, random: Random, events: list[Fields], records: list[Fields]) -> None:
    """By lane, in records and polls of any size, landed and swept now and then."""
    streams = {lane: [line(one) for one in events if Status(one["status"]).lane == lane] for lane in Lane}
    cuts = {lane: cut_records(lines, [random.randint(1, 40) for _ in range(5)]) for lane, lines in streams.items()}
    told = cut_records([line(one) for one in records], [random.randint(1, 40) for _ in range(5)])
    while told or any(cuts.values()):
        lane = random.choice([*(lane for lane in Lane if cuts[lane]), *([None] if told else [])])
        size = random.randint(1, 6)
        if lane is None:
            middle.outbound(told[:size])
            del told[:size]
        else:
            middle.events(lane, cuts[lane][:size])
            del cuts[lane][:size]
        if random.random() < 0.15:
            middle.flush()
        if random.random() < 0.1:
            middle.sweeper.sweep(full=random.random() < 0.5)
    middle.finish()


def figures(warehouse: Warehouse) -> dict[str, Any]:
    found: dict[str, Any] = {"totals": warehouse.query(TOTALS).rows(), "messages": warehouse.query(MESSAGE_ROWS).rows()}
    for name in ("funnel", "timeline", "latency", "failures", "accounting"):
        for campaign_id in (OURS, GUESTS):
            found[f"{name} {campaign_id}"] = warehouse.ask(name, campaign_id=campaign_id).rows()
    found["percentiles"] = warehouse.ask("percentiles", campaign_id=OURS).rows()  # which guests are sampled, places say
    found["splits"] = warehouse.ask("splits", campaign_id=GUESTS, dimension="template").rows()
    found["unmatched"] = warehouse.ask("unmatched").rows()
    return found


class Expected(dict[int, dict[str, Any]]):
    """What plain runs gave, by seed."""

    def __repr__(self) -> str:
        return f"Expected of {list(self)}"


@pytest.fixture(scope="module")
def expected() -> Expected:
    return Expected()


def once_in_order(tables: Warehouse, folder: Path, seed: int) -> dict[str, Any]:
    """The plainest run: no window, each line once, outbound first, in one batch."""
    events, records = lines_of(seed)
    empty(tables)
    middle = Middle(tables, folder, Mode("off"))
    middle.outbound(cut_records([line(one) for one in records], [100]))
    in_order = sorted(events, key=lambda one: int(one["event_time"]))
    middle.events(Lane.OTHER, cut_records([line(one) for one in in_order], [100]))
    middle.finish()
    return figures(tables)


@settings(
    max_examples=7,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 3),
    arrival=st.integers(0, 2**32),
    mode=st.sampled_from(
        [Mode(), Mode(span_ms=HOUR_MS), Mode(span_ms=30 * 24 * HOUR_MS), Mode("observe"), Mode("off")]
    ),
)
def test_any_shuffle_repetition_and_batching_gives_the_same_figures(
    tables: Warehouse,
    tmp_path_factory: pytest.TempPathFactory,
    expected: Expected,
    seed: int,
    arrival: int,
    mode: Mode,
) -> None:
    """Of decode, window, tables, matching and queries together; and every check finds nothing."""
    if seed not in expected:
        expected[seed] = once_in_order(tables, tmp_path_factory.mktemp("plain"), seed)
    random = Random(arrival)
    events, records = lines_of(seed)
    events = [*events, *random.sample(events, len(events) // 3)]
    records = [*records, *random.sample(records, len(records) // 3)]
    random.shuffle(events)
    random.shuffle(records)
    empty(tables)
    arrive(Middle(tables, tmp_path_factory.mktemp("window"), mode), random, events, records)
    found = figures(tables)
    assert {name: rows for name, rows in found.items() if rows != expected[seed][name]} == {}
    assert faults(tables) == {}


def test_the_campaigns_are_worth_it() -> None:
    """They hold what the law is about: else the test above would prove little."""
    for seed in range(4):
        events, records = lines_of(seed)
        told = [line(one) for one in events]
        assert len(set(told)) < len(told) > 120
        assert any(one["campaign_id"] is None for one in events)
        assert {one["attempt"] for one in events} == {1, 2}
        assert {one["type"] for one in records} >= {"accepted", "rejected", "in_doubt", "intent"}
