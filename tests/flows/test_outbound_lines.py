"""Lines of topic `outbound`: every record lands in its table, or is one dead letter."""

import msgspec
import polars as pl
import pytest

from flows import outbound_records
from flows.identity import HashKey
from flows.lines import LONGEST_LINE_BYTES
from flows.outbound_records import Decoded
from flows.sources import Poll
from flows.stats import LaneStats
from flows.status_decoder import Batch, Decoder
from flows.topics import Record
from flows.window import Window
from flows.writer import Table, by_table
from schemas.events import DeadLetter
from schemas.times import DAY_MS, HOUR_MS, fixed_clock
from sql.warehouse import Warehouse
from tests.flows.making import FIRST_PLACE, NOW_MS, Fields, campaign, line, outbound, progress, records_of

KEY = HashKey(1, b"k" * 16)
TYPES = ("screened", "intent", "accepted", "rejected", "in_doubt", "settled")
YEAR_1970, YEAR_2150 = 1_000, 5_680_281_600_000


def without(name: str, fields: Fields) -> Fields:
    return {key: value for key, value in fields.items() if key != name}


BAD_LINES: dict[str, tuple[bytes, str]] = {
    "torn": (line(outbound("intent"))[:-3], "invalid_json"),
    "torn_campaign": (line(campaign())[:-1], "invalid_json"),
    "array": (b"[1]", "wrong_shape"),
    "null": (b"null", "wrong_shape"),
    "two_objects": (line(progress()) * 2, "invalid_json"),
    "invalid_utf8": (line(campaign(name="@")).replace(b"@", b"\xff"), "invalid_utf8"),
    "half_a_surrogate_pair_in_a_plan": (line(campaign(name="@")).replace(b"@", b"\\ud800"), "invalid_json"),
    "deep_plan": (line(campaign())[:-1] + b',"more":' + b"[" * 1_000 + b"]" * 1_000 + b"}", "invalid_json"),
    "overlong": (line(outbound("intent", recipient="x" * LONGEST_LINE_BYTES)), "too_large"),
    "no_type": (line(without("type", outbound("intent"))), "wrong_shape"),
    "unknown_type": (line(outbound("intent", type="sent")), "wrong_shape"),
    "type_null": (line(outbound("intent", type=None)), "wrong_shape"),
    "no_at": (line(without("at", outbound("intent"))), "wrong_shape"),
    "at_of_1970": (line(outbound("intent", at=YEAR_1970)), "time_out_of_range"),
    "at_of_2150": (line(outbound("intent", at=YEAR_2150, sent_at=YEAR_2150)), "time_out_of_range"),
    "sent_in_2150": (line(outbound("intent", sent_at=YEAR_2150)), "time_out_of_range"),
    "no_campaign": (line(without("campaign_id", outbound("intent"))), "wrong_shape"),
    "bad_campaign": (line(outbound("intent", campaign_id="a~b")), "wrong_shape"),
    "no_identity": (line(outbound("intent", message_key=None)), "no_identity"),
    "id_without_provider": (line(outbound("settled", message_key=None, provider_message_id="x")), "no_identity"),
    "key_negative": (line(outbound("intent", message_key=-1)), "out_of_range"),
    "key_beyond_64_bits": (line(outbound("intent", message_key=2**64)), "out_of_range"),
    "key_as_text": (line(outbound("intent", message_key="7")), "wrong_shape"),
    "attempt_0": (line(outbound("intent", attempt=0)), "out_of_range"),
    "attempt_256": (line(outbound("intent", attempt=256)), "out_of_range"),
    "screened_for_no_reason": (line(without("reason", outbound("screened"))), "wrong_shape"),
    "screened_for_another_reason": (line(outbound("screened", reason="mood")), "wrong_shape"),
    "intent_without_a_time": (line(without("sent_at", outbound("intent"))), "wrong_shape"),
    "accepted_without_a_time": (line(without("sent_at", outbound("accepted"))), "wrong_shape"),
    "accepted_by_nobody": (line(without("provider", outbound("accepted"))), "wrong_shape"),
    "rejected_for_nothing": (line(without("error_code", outbound("rejected"))), "wrong_shape"),
    "final_as_text": (line(outbound("rejected", final="yes")), "wrong_shape"),
    "settled_without_outcome": (line(without("outcome", outbound("settled"))), "wrong_shape"),
    "settled_somehow": (line(outbound("settled", outcome="maybe")), "wrong_shape"),
    "long_template": (line(outbound("intent", template="t" * 129)), "too_large"),
    "long_recipient": (line(outbound("intent", recipient="t" * 513)), "too_large"),
    "campaign_without_a_name": (line(without("name", campaign())), "wrong_shape"),
    "campaign_of_less_than_nobody": (line(campaign(audience=-1)), "wrong_shape"),
    "campaign_with_prices_as_text": (line(campaign(prices={"DE": "dear"})), "wrong_shape"),
    "campaign_with_a_list_of_prices": (line(campaign(prices=[1])), "wrong_shape"),
    "campaign_frozen_in_1970": (line(campaign(frozen_at=YEAR_1970)), "time_out_of_range"),
    "campaign_frozen_in_2150": (line(campaign(frozen_at=YEAR_2150)), "time_out_of_range"),
    "campaign_of_1970": (line(campaign(at=YEAR_1970, frozen_at=YEAR_1970)), "time_out_of_range"),
    "progress_without_figures": (line(without("achieved_per_s", progress())), "wrong_shape"),
    "progress_at_text_speed": (line(progress(achieved_per_s="fast")), "wrong_shape"),
    "progress_with_half_a_message": (line(progress(queue=0.5)), "wrong_shape"),
}


def decode(*fields: Fields, a_record: int = 100) -> Decoded:
    return outbound_records.decode(records_of(map(line, fields), a_record), NOW_MS, KEY)


def land(warehouse: Warehouse, decoded: Decoded) -> None:
    for name, frame in by_table([Table(name, frame) for name, frame in decoded.tables.items()]):
        warehouse.insert(name, frame)


@pytest.fixture
def window(tmp_path_factory: pytest.TempPathFactory) -> Window:
    return Window(tmp_path_factory.mktemp("window"), fixed_clock(NOW_MS), 6 * HOUR_MS, 1 << 30)


def read(window: Window, records: list[Record]) -> tuple[Batch, LaneStats]:
    stats = LaneStats("status", "other", "0/1")
    return Decoder(window, [KEY], fixed_clock(NOW_MS), stats).outbound(Poll("outbound", records)), stats


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_one_dead_letter_and_the_others_arrive(name: str, window: Window) -> None:
    text, reason = BAD_LINES[name]
    good = [line(fields) for fields in (campaign(), progress(), *map(outbound, TYPES))]
    batch, _ = read(window, [Record(1, 7, FIRST_PLACE, b"\n".join([*good[:4], b" " * 20, text, *good[4:]]))])
    ((topic, partition, written),) = [dead for _, dead in batch.dead]
    letter = msgspec.json.decode(written, type=DeadLetter)
    assert (topic, partition) == ("dlq.status", 1)
    assert (letter.reason, letter.topic, letter.offset, letter.line) == (reason, "outbound", 7, 5)
    assert letter.payload_bytes == len(text)
    rows = {table.name: len(table.frame) for _, table in batch.tables}
    assert rows == {"campaigns": 1, "progress": 1, "outbound": len(TYPES)}
    assert [status for _, part in batch.parts for status in part.frame["status"]] == ["accepted", "rejected"]


def test_one_bad_line_in_50_000(window: Window) -> None:
    lines = [line(outbound("accepted", message_key=number)) for number in range(50_000)]
    lines.insert(27_182, line(outbound("accepted", attempt=256)))
    batch, _ = read(window, records_of(lines))
    assert len(batch.dead) == 1
    assert {table.name: len(table.frame) for _, table in batch.tables} == {"outbound": 50_000}
    assert sum(len(part.frame) for _, part in batch.parts) == 50_000


def test_what_a_reader_could_not_take_whole_is_one_dead_letter(window: Window) -> None:
    cut = Record(0, 5, FIRST_PLACE, line(campaign()) + b"\n" + line(progress()), oversized=900_000)
    batch, _ = read(window, [cut])
    assert (len(batch.dead), batch.tables, batch.parts) == (1, [], [])


def test_every_type_lands_in_its_table(tables: Warehouse) -> None:
    land(tables, decode(campaign(), progress(), *(outbound(type_, message_key=key) for key, type_ in enumerate(TYPES))))
    rows = tables.query(
        "SELECT message_key, toString(type), reason, outcome, final, error_code FROM outbound ORDER BY message_key"
    )
    assert rows.rows() == [
        (0, "screened", "capped", "", False, ""),
        (1, "intent", "", "", False, ""),
        (2, "accepted", "", "", False, ""),
        (3, "rejected", "", "", True, "131026"),
        (4, "in_doubt", "", "", False, ""),
        (5, "settled", "", "sent", False, ""),
    ]
    assert tables.query("SELECT campaign_id, name, audience FROM campaigns").rows() == [("spring", "Spring sale", 10)]
    assert tables.query("SELECT allowed_per_s, achieved_per_s, queue FROM progress").rows() == [(80.0, 79.5, 0)]


def test_dimensions_and_hashes_land(tables: Warehouse) -> None:
    """Ids and recipients only as keyed hashes; nothing where nothing was given."""
    given = outbound("accepted", channel="sms", sender="+491", template="t", country="DE", recipient="+49151")
    land(tables, decode(given, outbound("intent", message_key=8)))
    rows = tables.query("""
        SELECT message_key, channel, sender, template, country, hex(recipient), hex(provider_message_id), hash_version
        FROM outbound ORDER BY message_key
    """).rows()
    hashed = [digest.hex().upper() for digest in KEY.hashes(pl.Series(["+49151", "pm-1"])).to_list()]
    assert rows == [(7, "sms", "+491", "t", "DE", *hashed, 1), (8, "", "", "", "", "", "", 1)]


def test_accepted_and_rejected_are_status_events_too() -> None:
    decoded = decode(outbound("accepted"), outbound("rejected", message_key=8, attempt=2, final=False))
    columns = ["message_key", "attempt", "status", "error_code", "provider", "event_time", "received_at", "sent_at"]
    at, sent_at = NOW_MS - 8_000, NOW_MS - 9_000
    assert decoded.outcomes.select(columns).rows() == [
        (7, 1, "accepted", "", "canonical", at, at, sent_at),
        (8, 2, "rejected", "131026", "canonical", at, at, sent_at),
    ]
    assert decoded.tables["outbound"]["final"].to_list() == [False, False]


def test_unkeyed_records_have_the_place_of_their_line() -> None:
    """Counted over blank and bad lines, in every record; only keyed ones become events at once."""
    unkeyed = [line(outbound("accepted", message_key=None, provider_message_id=f"pm-{n}")) for n in range(4)]
    first = b"\n".join([unkeyed[0], b"", b" " * 30, b"torn", unkeyed[1]])
    second = b"\n".join(
        [line(outbound("accepted")), unkeyed[2], b"\r", line(outbound("intent", attempt=0)), unkeyed[3]]
    )
    for records in ([first, second], [first.replace(b"torn", b""), second]):
        placed = [Record(3, 9, FIRST_PLACE + 1_000 * at, value) for at, value in enumerate(records)]
        decoded = outbound_records.decode(placed, NOW_MS, KEY)
        waits = decoded.tables["unkeyed"]
        assert [place - FIRST_PLACE for place in waits["place"]] == [0, 4, 1_001, 1_004]
        expected = KEY.hashes(pl.Series([f"pm-{number}" for number in range(4)]))
        assert waits["provider_message_id"].to_list() == expected.to_list()
        assert decoded.outcomes["message_key"].to_list() == [7]
        assert (decoded.waiting, decoded.events) == (4, 5 + len(decoded.bad))


PLANS = [
    campaign(campaign_id="bare"),
    campaign(campaign_id="full", limit_per_s=5, sla_p95_ms=60_000, prices={"DE": 0.05, "": 1}),
    campaign(campaign_id="half", limit_per_s=0.5, prices={}),
]
LANDED = [
    ("bare", None, None, {}),
    ("full", 5.0, 60_000, {"DE": 0.05, "": 1.0}),
    ("half", 0.5, None, {}),
]


@pytest.mark.parametrize("polls", [[[0], [1], [2]], [[0, 1, 2]], [[2, 0], [1]]])
def test_plans_land_whatever_they_leave_out(tables: Warehouse, polls: list[list[int]]) -> None:
    """Also when those of several polls go in one insert, and when none of them has a price."""
    frames = [decode(*(PLANS[number] for number in poll)).tables["campaigns"] for poll in polls]
    ((name, frame),) = by_table([Table("campaigns", frame) for frame in frames])
    tables.insert(name, frame)
    rows = tables.query(
        "SELECT campaign_id, limit_per_s, sla_p95_ms, prices FROM campaigns ORDER BY campaign_id"
    ).rows()
    assert [(*row[:3], dict(row[3])) for row in rows] == LANDED
    assert len(tables.ask("campaigns", search="", at_most=10, skip=0)) == 3


def test_the_latest_plan_holds(tables: Warehouse) -> None:
    """In whatever order they come."""
    later, earlier = campaign(audience=20, at=NOW_MS), campaign(audience=10, at=NOW_MS - DAY_MS)
    land(tables, decode(later, earlier))
    land(tables, decode(earlier))
    assert tables.query("SELECT audience FROM campaigns FINAL").rows() == [(20,)]
