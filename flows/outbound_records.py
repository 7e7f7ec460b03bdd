"""Lines of topic `outbound` into tables: what senders say of campaigns and messages, and the statuses it amounts to.

records -> lines -> frame -> checks -> campaigns, progress
                               |    -> keyed    message known: outbound, and its outcomes as status events
                               |    -> unkeyed  of a sender that numbers nothing: until the sweeper finds a key
                               +--> bad lines
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from flows import checks
from flows.erasures import NOBODY, Erased
from flows.identity import HashKey, older_hashes
from flows.lines import BadLine, Lines
from flows.outbound_lines import read_outbound_lines
from flows.status_events import refuse, typed
from flows.topics import Record
from schemas.errors import BadRecord
from schemas.outbound import Campaign, Progress
from schemas.times import EARLIEST_MS, FUTURE_TOLERANCE_MS

_PLANS = ("campaign", "progress")
_MAY_BE_ABSENT: dict[str, dict[str, pl.DataType]] = {
    "campaigns": {
        "limit_per_s": pl.Float64(),
        "sla_p95_ms": pl.Int64(),
        "prices": pl.List(pl.Struct({"key": pl.String, "value": pl.Float64})),
    },
    "progress": {},
}
"""Columns of plans that must have their type also where no row has a value: ClickHouse takes no column of nulls."""
_TYPES = [*_PLANS, "screened", "intent", "accepted", "rejected", "in_doubt", "settled"]
_REASONS = ["suppressed", "capped", "expired", "invalid", "duplicate", "unrenderable", "cancelled"]
_OUTCOMES = ["sent", "lost"]
_TEXTS = ("reason", "outcome", "error_code", "channel", "provider", "sender", "template", "country")
_OUTCOME = pl.col("type").is_in(["accepted", "rejected"])
"""Records that are a status event as well."""
_HANDED_OVER = pl.col("type").is_in(["intent", "accepted", "rejected"])
"""Records that must say when that was: figures are kept by the month of it."""

_plan = msgspec.json.Decoder(Campaign | Progress)


class Decoded(NamedTuple):
    """Frames with the columns of the tables they go to; `outcomes` is as `status_batch.cut` takes it."""

    tables: dict[str, pl.DataFrame]
    outcomes: pl.DataFrame
    bad: list[BadLine]
    events: int
    """Records that amount to a status event, and bad ones."""
    waiting: int
    """Of these, the ones whose message has no key yet."""
    erased: int
    """Message records of erased people: without recipient and id, or left out."""


def decode(
    records: Sequence[Record], now_ms: int, key: HashKey, older: Sequence[HashKey] = (), erased: Erased = NOBODY
) -> Decoded:
    """Outbound records of a poll; every line lands in one of the tables or in `bad`, less what was erased.

    Hashed by `key`; what must be found again under an `older` one is hashed by that too.
    """
    lines = Lines(records)
    read = read_outbound_lines(lines)
    numbered = read._replace(frame=read.frame.with_row_index("row"))
    frame, refused = refuse(lines, numbered, _checks(now_ms))
    is_plan, has_key = frame["type"].is_in(_PLANS), frame["message_key"].is_not_null()
    plans, bad_plans = _read_plans(lines, read.line_numbers(_rows(frame.filter(is_plan))))
    keyed = frame.filter(~is_plan & has_key).with_columns(_owned())
    unkeyed = frame.filter(~is_plan & ~has_key).with_columns(_owned())
    left_out = 0
    if erased:
        keyed, blanked = erased.blank(keyed, [key, *older])
        unkeyed, dropped = erased.leave_out(unkeyed, [key, *older])
        left_out = blanked + dropped
    tables = {**plans, "outbound": _hashed(keyed, key).drop("row")}
    if len(unkeyed):
        places = lines.places(read.line_numbers(_rows(unkeyed)))
        hashed = _hashed(unkeyed, key).with_columns(older_hashes(unkeyed, older))
        tables["unkeyed"] = hashed.drop("row", "message_key").with_columns(place=pl.Series(places))
    bad = read.bad + refused + bad_plans
    outcomes = status_events(keyed)
    waiting = len(unkeyed.filter(_OUTCOME))
    return Decoded(tables, outcomes, bad, len(bad) + len(outcomes) + waiting, waiting, left_out)


def _owned() -> list[pl.Expr]:
    """Fields that only one type has are null in all others: they stand in sort keys and in a status's identity."""
    owners = {"reason": "screened", "outcome": "settled", "error_code": "rejected", "final": "rejected"}
    return [pl.when(pl.col("type") == owner).then(name).alias(name) for name, owner in owners.items()]


def _rows(frame: pl.DataFrame) -> NDArray[np.int64]:
    return frame["row"].to_numpy().astype(np.int64)


def status_events(outbound: pl.DataFrame) -> pl.DataFrame:
    """Accepted and rejected records as status events: the sender was told so at once, so both times are `at`."""
    outcomes = outbound.filter(_OUTCOME)
    return typed(
        outcomes.select(
            "campaign_id",
            "message_key",
            "attempt",
            pl.col("type").alias("status"),
            pl.col("type").alias("raw_status"),
            "error_code",
            "provider",
            pl.col("at").alias("event_time"),
            pl.col("at").alias("received_at"),
            "sent_at",
            pl.lit(0, pl.UInt32).alias("receipt"),
        )
    )


def _hashed(frame: pl.DataFrame, key: HashKey) -> pl.DataFrame:
    return frame.with_columns(
        pl.col("attempt").fill_null(1),
        pl.col("final").fill_null(True) & (pl.col("type") == "rejected"),
        *(pl.col(name).fill_null("") for name in _TEXTS),
        key.hashes(frame["recipient"]),
        key.hashes(frame["provider_message_id"]),
        pl.lit(key.version, pl.Int64).alias("hash_version"),
    )


def _read_plans(lines: Lines, numbers: NDArray[np.int64]) -> tuple[dict[str, pl.DataFrame], list[BadLine]]:
    """Campaigns and the sender's seconds hold nested values and are few: read one by one."""
    plans: dict[str, list[dict[str, object]]] = {"campaigns": [], "progress": []}
    bad = []
    rows = numbers.tolist()
    for row, text in zip(rows, lines.texts(rows), strict=True):
        try:
            plan = _read_plan(text)
        except BadRecord as error:
            bad.append(BadLine(lines.line(row), error.reason, error.detail))
            continue
        plans["campaigns" if isinstance(plan, Campaign) else "progress"].append(_row(plan))
    return {table: _plan_frame(table, rows) for table, rows in plans.items() if rows}, bad


def _plan_frame(table: str, rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema_overrides=_MAY_BE_ABSENT[table], infer_schema_length=None)


def _read_plan(text: bytes) -> Campaign | Progress:
    """Raises BadRecord. Polars took the line as JSON, but passes over what only a strict reader minds."""
    try:
        plan: Campaign | Progress = _plan.decode(text)
    except msgspec.ValidationError as error:
        raise BadRecord("wrong_shape", str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRecord("invalid_json", str(error)) from None
    if isinstance(plan, Campaign) and not EARLIEST_MS <= plan.frozen_at <= plan.at + FUTURE_TOLERANCE_MS:
        raise BadRecord("time_out_of_range", "frozen_at: before 2015 or more than a day after at")
    return plan


def _row(plan: Campaign | Progress) -> dict[str, object]:
    row = msgspec.structs.asdict(plan)
    if isinstance(plan, Campaign):
        row["prices"] = [{"key": country, "value": price} for country, price in plan.prices.items()]
    return row


def _checks(now_ms: int) -> list[checks.AnyCheck]:
    kind = pl.col("type")
    message = ~kind.is_in(_PLANS)
    referred = (pl.col("provider_message_id").str.len_bytes() > 0) & (pl.col("provider") != "")
    identified = pl.col("message_key").is_not_null() | referred
    return [
        *checks.required("type", "at", "campaign_id"),
        checks.one_of("type", _TYPES),
        checks.campaign_id(),
        checks.Check("no_identity", "neither message_key nor provider and provider_message_id", ~message | identified),
        checks.Check("wrong_shape", "provider is missing", ~_OUTCOME | pl.col("provider").is_not_null()),
        checks.Check("wrong_shape", "sent_at is missing", ~_HANDED_OVER | pl.col("sent_at").is_not_null()),
        checks.Check(
            "wrong_shape", "reason is missing or unknown", (kind != "screened") | pl.col("reason").is_in(_REASONS)
        ),
        checks.Check(
            "wrong_shape", "outcome is missing or unknown", (kind != "settled") | pl.col("outcome").is_in(_OUTCOMES)
        ),
        checks.Check("wrong_shape", "error_code is missing", (kind != "rejected") | pl.col("error_code").is_not_null()),
        *checks.short("error_code", "channel", "provider", "sender", "template", "country"),
        *checks.long("recipient", "provider_message_id"),
        *checks.numbers_in_range(),
        *checks.times_in_range("at", now_ms, "sent_at"),
    ]
