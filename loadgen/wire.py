"""Statuses and records in the fields of the contracts, and as lines of the lane topics and of `outbound`."""

import polars as pl

from loadgen.identity import identified
from loadgen.plan import Plan
from schemas.statuses import Status
from schemas.topics import OUTBOUND

LINES = {"arrives_at": pl.Int64, "topic": pl.String, "partition": pl.UInt32, "events": pl.Int64, "line": pl.String}

_DIMENSIONS = ("channel", "sender", "template", "country")
_OF_EVERY_RECORD = ("type", "at", "campaign_id", "message_key", "attempt", "recipient")
_OF_RECORD = {
    "screened": (*_DIMENSIONS, "reason"),
    "intent": (*_DIMENSIONS, "provider", "sent_at"),
    "accepted": ("provider", "sent_at", "provider_message_id"),
    "rejected": ("provider", "sent_at", "error_code", "final"),
    "in_doubt": ("provider", "sent_at"),
    "settled": ("provider", "sent_at", "outcome", "provider_message_id"),
}
_OUTCOMES = ["accepted", "rejected"]
_TOPICS = {status.value: status.lane.topic for status in Status}


def event_columns() -> dict[str, pl.Expr]:
    """The fields of `StatusEvent` of rows that are `identified` and have a `receipt_id`.

    What the provider doesn't echo is null; `attempt`, which may not be, then says 1.
    """
    ours = pl.when("echoes")
    return {
        "campaign_id": ours.then("campaign_id"),
        "message_key": ours.then("key"),
        "attempt": ours.then("attempt").otherwise(1),
        "status": pl.col("status"),
        "raw_status": raw_status(),
        "event_time": pl.col("event_time"),
        "received_at": pl.col("received_at"),
        "sent_at": pl.when(pl.col("echoes") & pl.col("tells_sent_at")).then("sent_at"),
        "channel": pl.col("channel"),
        "provider": pl.col("provider"),
        "provider_message_id": pl.col("provider_message_id"),
        "recipient": pl.col("recipient"),
        "error_code": pl.col("error_code"),
        "receipt_id": pl.col("receipt_id"),
    }


def raw_status() -> pl.Expr:
    return pl.coalesce("raw_status", pl.col("status").cast(pl.String))


def receipt_id() -> pl.Expr:
    """Of a posting."""
    return pl.concat_str(pl.col("provider").cast(pl.String), pl.lit("-"), pl.col("body"), pl.lit("-"), "receipt")


def lane_lines(plan: Plan, postings: pl.DataFrame) -> pl.DataFrame:
    """One line a status: `arrives_at`, `topic`, `events`, `line`, and what `partition_column` needs; in order."""
    if not len(postings):
        return pl.DataFrame(schema=_UNPLACED)
    named = identified(plan, postings).with_columns(receipt_id=receipt_id())
    events = named.select("arrives_at", _topic(), **event_columns())
    line = pl.struct(*event_columns()).struct.json_encode()
    return _unplaced(events.with_columns(line=line, events=1))


def record_lines(plan: Plan, records: pl.DataFrame) -> pl.DataFrame:
    """As `lane_lines`, for the topic `outbound`; `events` is 1 where the record amounts to a status."""
    if not len(records):
        return pl.DataFrame(schema=_UNPLACED)
    keyed = [campaign.number for campaign in plan.campaigns if campaign.keyed]
    named = identified(plan, records.with_row_index("order")).with_columns(
        message_key=pl.when(pl.col("campaign").is_in(keyed)).then("key"),
        provider_message_id=pl.when((pl.col("type") == "accepted") | (pl.col("outcome") == "sent")).then(
            "provider_message_id"
        ),
    )
    parts = [_typed_lines(part) for _, part in named.group_by("type", pl.col("message_key").is_null())]
    lines = pl.concat(parts).sort("order").with_columns(topic=pl.lit(OUTBOUND), arrives_at="written_at")
    return _unplaced(lines.with_columns(events=pl.col("type").is_in(_OUTCOMES)))


def _typed_lines(rows: pl.DataFrame) -> pl.DataFrame:
    """The dimensions of a message stand in its first record: of a sender that numbers nothing that is the only one."""
    own = _OF_RECORD[str(rows["type"][0])]
    fields = dict.fromkeys((*_OF_EVERY_RECORD, *own, *(() if rows["message_key"][0] is not None else _DIMENSIONS)))
    present = [name for name in fields if rows[name].null_count() < len(rows)]
    return rows.with_columns(line=pl.struct(present).struct.json_encode())


def _topic() -> pl.Expr:
    return pl.col("status").cast(pl.String).replace_strict(_TOPICS, return_dtype=pl.String).alias("topic")


_UNPLACED = {
    "arrives_at": pl.Int64, "topic": pl.String, "events": pl.Int64, "line": pl.String, "campaign_id": pl.String,
    "message_key": pl.Int64, "provider": pl.String, "provider_message_id": pl.String,
}  # fmt: skip


def _unplaced(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.select(pl.col(name).cast(kind) for name, kind in _UNPLACED.items())
