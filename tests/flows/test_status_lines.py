"""Lines of the lane topics: a bad one becomes one dead letter, and no other line is harmed."""

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.identity import HashKey
from flows.lines import LONGEST_LINE_BYTES
from flows.sources import Poll
from flows.stats import LaneStats
from flows.status_decoder import Batch, Decoder
from flows.status_events import Decoded, decode
from flows.topics import Record
from flows.window import Window
from schemas.events import DeadLetter
from schemas.times import DAY_MS, HOUR_MS, fixed_clock
from tests.flows.making import FIRST_PLACE, NOW_MS, cut_records, event, foreign, line, records_of

YEAR_1970, YEAR_2150 = 1_000, 5_680_281_600_000

BAD_LINES: dict[str, tuple[bytes, str]] = {
    "torn": (line(event())[:-9], "invalid_json"),
    "no_json": (b"hello", "invalid_json"),
    "a_vertical_tab": (b"\x0b", "invalid_json"),
    "a_nul": (b"\x00", "invalid_json"),
    "two_objects": (line(event()) + line(event()), "invalid_json"),
    "two_objects_with_a_space": (line(event()) + b" " + line(event()), "invalid_json"),
    "byte_order_mark": (b"\xef\xbb\xbf" + line(event()), "invalid_json"),
    "array": (b"[1]", "wrong_shape"),
    "array_of_events": (b"[" + line(event()) + b"]", "wrong_shape"),
    "null": (b"null", "wrong_shape"),
    "text": (b'"delivered"', "wrong_shape"),
    "empty_object": (b"{}", "wrong_shape"),
    "invalid_utf8": (line(event()).replace(b"DELIVRD", b"\xff\xfe"), "invalid_utf8"),
    "half_a_character": (line(event()).replace(b"DELIVRD", b"\xc3"), "invalid_utf8"),
    "deep": (b'{"status":' + b"[" * 5_000 + b"]" * 5_000 + b"}", "invalid_json"),
    "overlong": (line(event(raw_status="x" * LONGEST_LINE_BYTES)), "too_large"),
    "of_10_mb": (line(event(raw_status="x" * 10_000_000)), "too_large"),
    "key_as_text": (line(event(message_key="7")), "wrong_shape"),
    "key_as_fraction": (line(event(message_key=7.5)), "wrong_shape"),
    "key_as_boolean": (line(event(message_key=True)), "wrong_shape"),
    "time_as_text": (line(event(event_time="2026-11-20T10:00:00Z")), "wrong_shape"),
    "time_as_list": (line(event(event_time=[NOW_MS])), "wrong_shape"),
    "status_as_number": (line(event(status=5)), "wrong_shape"),
    "status_as_object": (line(event(status={"is": "read"})), "wrong_shape"),
    "unknown_status": (line(event(status="dlivered")), "wrong_shape"),
    "status_in_capitals": (line(event(status="READ")), "wrong_shape"),
    "empty_campaign": (line(event(campaign_id="")), "wrong_shape"),
    "campaign_with_spaces": (line(event(campaign_id="a b")), "wrong_shape"),
    "campaign_that_ends_a_line": (line(event(campaign_id="spring\n")), "wrong_shape"),
    "campaign_of_65": (line(event(campaign_id="c" * 65)), "wrong_shape"),
    "key_beyond_63_bits": (line(event(message_key=2**63)), "out_of_range"),
    "key_beyond_64_bits": (line(event(message_key=2**64)), "out_of_range"),
    "key_beyond_128_bits": (line(event()).replace(b":7,", b":1" + b"0" * 60 + b","), "out_of_range"),
    "key_far_below": (line(event(message_key=-(2**63) - 1)), "out_of_range"),
    "key_negative": (line(event(message_key=-1)), "out_of_range"),
    "attempt_0": (line(event(attempt=0)), "out_of_range"),
    "attempt_256": (line(event(attempt=256)), "out_of_range"),
    "event_of_1970": (line(event(event_time=YEAR_1970)), "time_out_of_range"),
    "event_of_2150": (line(event(event_time=YEAR_2150)), "time_out_of_range"),
    "event_before_the_epoch": (line(event(event_time=-1)), "time_out_of_range"),
    "event_two_days_after_it_came": (line(event(event_time=NOW_MS + 2 * DAY_MS)), "time_out_of_range"),
    "sent_in_1970": (line(event(sent_at=YEAR_1970)), "time_out_of_range"),
    "sent_in_2150": (line(event(sent_at=YEAR_2150)), "time_out_of_range"),
    "received_in_2150": (line(event(received_at=YEAR_2150)), "time_out_of_range"),
    "all_times_in_2150": (
        line(event(received_at=YEAR_2150, event_time=YEAR_2150, sent_at=YEAR_2150)),
        "time_out_of_range",
    ),
    "received_at_the_end_of_all_numbers": (line(event(received_at=2**63 - 1)), "time_out_of_range"),
    "received_in_1970": (line(event(received_at=YEAR_1970)), "time_out_of_range"),
    "no_ids_at_all": (line(foreign(provider_message_id=None)), "no_identity"),
    "empty_message_id": (line(foreign(provider_message_id="")), "no_identity"),
    "campaign_without_key": (line(event(message_key=None)), "no_identity"),
    "long_provider": (line(event(provider="p" * 129)), "too_large"),
    "long_raw_status": (line(event(raw_status="p" * 129)), "too_large"),
    "long_error_code": (line(event(error_code="p" * 129)), "too_large"),
    "long_message_id": (line(foreign(provider_message_id="p" * 513)), "too_large"),
    "long_recipient": (line(foreign(recipient="p" * 513)), "too_large"),
    **{f"null_{name}": (line(event(**{name: None})), "wrong_shape") for name in ("status", "event_time", "provider")},
    **{
        f"missing_{name}": (line({key: value for key, value in event().items() if key != name}), "wrong_shape")
        for name in ("status", "event_time", "received_at", "provider")
    },
}

GOOD_LINES: dict[str, bytes] = {
    "own": line(event()),
    "least": line(
        {"campaign_id": "c", "message_key": 0, "status": "sent", "provider": "p"}
        | dict.fromkeys(("event_time", "received_at"), NOW_MS)
    ),
    "highest_key": line(event(message_key=2**63 - 1)),
    "attempt_255": line(event(attempt=255)),
    "attempt_null": line(event(attempt=None)),
    "foreign": line(foreign()),
    "foreign_with_campaign_and_no_key": line(event(message_key=None, provider_message_id="pm-1")),
    "unread_fields": line(event(extra={"a": [1, {"b": None}]}, message_keys=2.5)),
    "carriage_return": line(event()) + b"\r",
    "spaces_around": b"  \t" + line(event()) + b"   ",
    "escapes": line(event()).replace(b"DELIVRD", b'\\u00e9 \\"\\\\\\n'),
    "half_a_surrogate_pair": line(event()).replace(b"DELIVRD", b"\\ud800"),
    "not_ascii": line(event(provider="प्रदाता", error_code="é" * 128)),
    "longest": line(event()).ljust(LONGEST_LINE_BYTES),
    "a_day_ahead": line(event(event_time=NOW_MS - 4_000 + DAY_MS)),
    "first_of_2015": line(event(event_time=1_420_070_400_000)),
}

BLANK_LINES = (b"", b" ", b"\r", b"\t \t", b" " * 9, b" " * 300, b"\r" * 40, b"\t" * 5_000)


def decoder(window: Window) -> Decoder:
    return Decoder(window, [HashKey(1, b"k" * 16)], fixed_clock(NOW_MS), LaneStats("status", "delivered", "0/1"))


@pytest.fixture
def window(tmp_path_factory: pytest.TempPathFactory) -> Window:
    return Window(tmp_path_factory.mktemp("window"), fixed_clock(NOW_MS), 6 * HOUR_MS, 1 << 30)


def letters(batch: Batch) -> list[DeadLetter]:
    return [msgspec.json.decode(lines, type=DeadLetter) for _, (_, _, lines) in batch.dead]


def hashes(key: HashKey, *texts: str | None) -> list[bytes]:
    return key.hashes(pl.Series(texts, dtype=pl.String)).to_list()


def keys(decoded: Decoded) -> list[int]:
    return decoded.own["message_key"].to_list()


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_one_dead_letter_and_the_others_arrive(name: str, window: Window) -> None:
    """With its reason, where it stood, and all of it (a long one's beginning); blank lines around it count as lines."""
    text, reason = BAD_LINES[name]
    lines = [line(event(message_key=100 + number)) for number in range(6)]
    lines[3:3] = [b"", b"   " * 9, text]
    records = [Record(2, 40, FIRST_PLACE, b"\n".join(lines[:2])), Record(2, 41, FIRST_PLACE + 2, b"\n".join(lines[2:]))]
    batch = decoder(window).events(Poll("status.delivered", records))
    (letter,) = letters(batch)
    assert (letter.reason, letter.topic, letter.partition, letter.offset, letter.line) == (
        reason, "status.delivered", 2, 41, 3,
    )  # fmt: skip
    assert letter.payload_bytes == len(text)
    if len(text) < 200_000 and letter.payload is not None:
        assert letter.payload.encode() == text
    assert sorted(key for _, part in batch.parts for key in part.frame["message_key"]) == list(range(100, 106))


@pytest.mark.parametrize("name", GOOD_LINES)
def test_a_good_line_arrives(name: str) -> None:
    """Alone, and read again one by one because another was bad."""
    for lines in ([GOOD_LINES[name]], [b"torn", GOOD_LINES[name], b""]):
        decoded = decode(records_of(lines), NOW_MS)
        assert len(decoded.own) + len(decoded.foreign) == 1
        assert len(decoded.bad) == len(lines) // 2


def test_one_bad_line_in_50_000(window: Window) -> None:
    lines = [line(event(message_key=number, event_time=NOW_MS - number)) for number in range(50_000)]
    lines.insert(31_416, BAD_LINES["torn"][0])
    batch = decoder(window).events(Poll("status.delivered", records_of(lines)))
    (letter,) = letters(batch)
    assert (letter.reason, letter.offset, letter.line) == ("invalid_json", 1_000 + 31_400, 16)
    assert sorted(key for _, part in batch.parts for key in part.frame["message_key"]) == list(range(50_000))


def test_all_lines_bad() -> None:
    """The worst that can be sent."""
    lines = [b'{"status":"sent","event_time":"now"}'] * 5_000
    decoded = decode(records_of(lines, a_record=1), NOW_MS)
    assert [bad.line.record.offset for bad in decoded.bad] == list(range(1_000, 6_000))


@pytest.mark.parametrize("blank", BLANK_LINES, ids=range(len(BLANK_LINES)))
def test_blank_lines_are_no_lines(blank: bytes) -> None:
    """Whatever their length, and whether or not another line is bad; rows keep pointing at their own lines."""
    lines = [blank, line(event(message_key=1)), blank, line(event(message_key=-2)), blank, line(event(message_key=3))]
    for more in ([], [b"torn"]):
        decoded = decode(records_of([*lines, *more, blank]), NOW_MS)
        assert keys(decoded) == [1, 3]
        assert [(bad.line.number, bad.line.text) for bad in decoded.bad if bad.reason == "out_of_range"] == [
            (3, lines[3])
        ]
        assert len(decoded.bad) == 1 + len(more)


def test_nothing_but_blank_lines() -> None:
    decoded = decode(records_of([*BLANK_LINES, b" " * 2_000_000], a_record=3), NOW_MS)
    assert (len(decoded.own), len(decoded.foreign), decoded.bad, decoded.events) == (0, 0, [], 0)
    assert decode([], NOW_MS).events == 0


def test_lines_that_end_as_on_windows() -> None:
    value = b"".join(line(event(message_key=number)) + b"\r\n" for number in range(5))
    assert keys(decode([Record(0, 0, FIRST_PLACE, value)], NOW_MS)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "beginning", [b'{"status":"x' * 100, b" " * 1_000, b"\n".join([line(event())] * 50), b"\xff" * 10]
)
def test_what_a_reader_could_not_take_whole_is_one_dead_letter(beginning: bytes, window: Window) -> None:
    """Even if its beginning is blank, or holds good lines: the record is refused as one."""
    records = [
        Record(0, 1, FIRST_PLACE, line(event(message_key=1))),
        Record(0, 2, FIRST_PLACE + 1, beginning, oversized=20_000_000),
        Record(0, 3, FIRST_PLACE + 2, line(event(message_key=2)) + b"\n" + line(event(message_key=-1))),
    ]
    batch = decoder(window).events(Poll("status.delivered", records))
    found = {letter.offset: (letter.reason, letter.line, letter.payload_bytes) for letter in letters(batch)}
    assert found == {2: ("too_large", 0, 20_000_000), 3: ("out_of_range", 1, len(line(event(message_key=-1))))}
    assert sorted(key for _, part in batch.parts for key in part.frame["message_key"]) == [1, 2]


def test_counts_tell_where_the_lines_went(window: Window) -> None:
    stats = LaneStats("status", "delivered", "0/1")
    taker = Decoder(window, [HashKey(1, b"k" * 16)], fixed_clock(NOW_MS), stats)
    lines = [line(event()), line(event()), line(foreign()), b"torn", line(event(attempt=0)), b"torn"]
    batch = taker.events(Poll("status.delivered", records_of(lines)))
    row = stats.take(NOW_MS)
    assert (row["events"], row["waiting"]) == (6, 1)
    assert row["dead_letters"] == {"invalid_json": 2, "out_of_range": 1}
    assert [table.name for _, table in batch.tables] == ["waiting"]


def test_waiting_rows_hold_hashes_of_every_kept_key(window: Window) -> None:
    """No id and no number in clear; what was recorded under an older key is found by it."""
    newest, older = HashKey(2, b"n" * 16), HashKey(1, b"o" * 16)
    taker = Decoder(window, [newest, older], fixed_clock(NOW_MS), LaneStats("status", "delivered", "0/1"))
    lines = [line(foreign(recipient="+49151")), line(foreign(recipient=None))]
    ((_, table),) = taker.events(Poll("status.delivered", records_of(lines))).tables
    ids, recipients = table.frame["provider_message_id"].to_list(), table.frame["recipient"].to_list()
    assert ids == hashes(newest, "pm-1", "pm-1")
    assert recipients == hashes(newest, "+49151", None)
    assert [[tuple(pair.values()) for pair in pairs] for pairs in table.frame["older_hashes"].to_list()] == [
        [tuple(hashes(older, "pm-1", "+49151"))],
        [tuple(hashes(older, "pm-1", None))],
    ]


def mutated(text: bytes) -> st.SearchStrategy[bytes]:
    """A line after some damage: bytes lost, put in or exchanged; never two lines."""
    place = st.integers(0, len(text))
    noise = st.binary(max_size=4).map(lambda some: some.replace(b"\n", b""))
    return st.tuples(place, st.integers(0, 6), noise).map(
        lambda drawn: text[: drawn[0]] + drawn[2] + text[drawn[0] + drawn[1] :]
    )


any_line = st.one_of(
    st.sampled_from(sorted(GOOD_LINES.values(), key=len)[:-1]),
    st.sampled_from([text for text, _ in BAD_LINES.values() if len(text) < 5_000]),
    st.sampled_from(BLANK_LINES),
    st.binary(max_size=20).map(lambda some: some.replace(b"\n", b"")),
    mutated(line(event())),
    mutated(line(foreign(recipient="+49151"))),
)


def fate(text: bytes) -> tuple[int, int, list[str]]:
    """What becomes of a line that is read alone."""
    decoded = decode([Record(0, 0, FIRST_PLACE, text)], NOW_MS)
    return len(decoded.own), len(decoded.foreign), [bad.reason for bad in decoded.bad]


@settings(max_examples=100, deadline=None)
@given(lines=st.lists(any_line, max_size=12), sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_every_line_ends_in_exactly_one_place(lines: list[bytes], sizes: list[int]) -> None:
    """However lines are batched into records and whatever stands beside them, each fares as if it were alone."""
    fates = [fate(text) for text in lines]
    assert all(
        own + strange + len(bad) == bool(text.strip(b" \t\r"))
        for text, (own, strange, bad) in zip(lines, fates, strict=True)
    )
    decoded = decode(cut_records(lines, sizes), NOW_MS)
    assert len(decoded.own) == sum(own for own, _, _ in fates)
    assert len(decoded.foreign) == sum(strange for _, strange, _ in fates)
    refused = {
        bad.line.record.place - FIRST_PLACE + bad.line.number: (bad.line.text, [bad.reason]) for bad in decoded.bad
    }
    assert refused == {number: (lines[number], bad) for number, (_, _, bad) in enumerate(fates) if bad}
    assert len(refused) == len(decoded.bad)
    assert decoded.events == sum(own + strange + len(bad) for own, strange, bad in fates)
