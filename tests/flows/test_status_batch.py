"""Cutting a batch for the window: exact, whatever the keys and however many identities."""

from collections import Counter
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.id_table import RECEIPT_BITS
from flows.status_batch import STATUS_TYPE, Part, cut
from flows.status_events import decode
from schemas.statuses import STATUS_NUMBERS
from schemas.times import HOUR_MS
from tests.flows.making import line, records_of

SHARDS = 8
HOUR = 500_000


NAMES = ("campaign_id", "message_key", "attempt", "status", "error_code", "provider")


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    common = {"campaign_id": "c", "message_key": 0, "status": "sent", "provider": "p", "receipt_id": "r"}
    common |= dict.fromkeys(("event_time", "received_at"), HOUR * HOUR_MS)
    decoded = decode(records_of(line(common | row) for row in rows), (HOUR + 4) * HOUR_MS)
    assert len(decoded.own) == len(rows)
    return decoded.own


def identity(row: dict[str, Any]) -> tuple[Any, ...]:
    """By the contract: campaign, message, attempt, status, code, provider, and the raw status of an unknown one.

    And whether it can tell a latency: a repeat that can must not be dropped for one that can't.
    """
    raw_status = row["raw_status"] if row["status"] == "unknown" else ""
    return (*(row[name] for name in NAMES), raw_status, row["sent_at"] is not None)


def identities(part: Part) -> list[tuple[Any, ...]]:
    """As the window sees them: the context and the key's lower half."""
    found = []
    for context, low in zip(part.context_of.tolist(), part.low_keys.tolist(), strict=True):
        campaign, attempt, status, code, provider, raw, high, told = part.contexts[context]
        found.append((campaign, (high << 32) | low, attempt, status, code, provider, raw, told))
    return found


def check(rows: list[dict[str, Any]]) -> list[Part]:
    frame = frame_of(rows)
    parts = list(cut(frame, SHARDS, HOUR_MS))
    assert Counter(row for part in parts for row in part.frame.rows()) == Counter(frame.rows())
    assert len({(part.shard, part.bucket) for part in parts}) == len(parts), "one part for a shard and hour"
    for part in parts:
        named = list(part.frame.iter_rows(named=True))
        assert identities(part) == [identity(row) for row in named]
        assert len(set(part.contexts)) == len(part.contexts), "a context has one number"
        for row, mark in zip(named, part.marks.tolist(), strict=True):
            assert row["message_key"] % SHARDS == part.shard
            assert divmod(row["event_time"], HOUR_MS) == (part.bucket, mark >> RECEIPT_BITS)
    return parts


rows = st.fixed_dictionaries(
    {
        "campaign_id": st.sampled_from(["a", "b", "c" * 64]),
        "message_key": st.one_of(st.integers(0, 9), st.integers(0, 2**63 - 1), st.integers(2**62, 2**62 + 3)),
        "attempt": st.integers(1, 255),
        "status": st.sampled_from(list(STATUS_NUMBERS)),
        "error_code": st.sampled_from([None, "", "1", "é"]),
        "provider": st.sampled_from(["p", "q"]),
        "raw_status": st.sampled_from([None, "x", "y"]),
        "event_time": st.integers(0, 3 * HOUR_MS).map(lambda into: HOUR * HOUR_MS + into),
        "receipt_id": st.sampled_from(["r", "s"]),
    }
)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(rows, min_size=1, max_size=40))
def test_a_cut_batch_holds_every_row_with_its_exact_identity(rows: list[dict[str, Any]]) -> None:
    check(rows)


def test_rows_keep_their_order_within_a_part() -> None:
    """Of two sightings of an event the first read is the first judged."""
    came = [HOUR * HOUR_MS + number for number in range(300)]
    (part,) = check([{"message_key": 8 * (number % 3), "received_at": at} for number, at in enumerate(came)])
    assert part.frame["received_at"].to_list() == came


def test_many_identities() -> None:
    """So many that their combined numbers no longer fit in 62 bits and are made dense on the way."""
    rows = [
        {
            "campaign_id": f"campaign-{number % 997}",
            "message_key": (number * 0x9E3779B97F4A7C15) % 2**63,
            "attempt": number % 255 + 1,
            "status": "unknown" if number % 2 else "failed",
            "error_code": f"code-{number % 1009}",
            "provider": f"provider-{number % 499}",
            "raw_status": f"raw-{number % 1013}",
        }
        for number in range(3_000)
    ]
    parts = check([*rows, *rows])
    assert len({identity for part in parts for identity in identities(part)}) == 3_000


def test_only_an_unknown_status_is_told_by_its_raw_one() -> None:
    (known,) = check([{"raw_status": "x"}, {"raw_status": "y"}])
    (unknown,) = check([{"status": "unknown", "raw_status": "x"}, {"status": "unknown", "raw_status": "y"}])
    assert (len(known.contexts), len(unknown.contexts)) == (1, 2)


def test_receipts_are_told_apart() -> None:
    (part,) = check([{"receipt_id": "r"}, {"receipt_id": "s"}, {"receipt_id": "r"}])
    first, second, third = (mark & ((1 << RECEIPT_BITS) - 1) for mark in part.marks.tolist())
    assert first == third != second


def test_an_empty_batch_has_no_parts() -> None:
    assert list(cut(frame_of([]), SHARDS, HOUR_MS)) == []


def test_statuses_are_numbered_in_tables_as_in_batches() -> None:
    assert STATUS_TYPE.categories.to_list() == list(STATUS_NUMBERS)
