"""Lines, bodies and dates that nobody can use: one dead letter each, and nothing else harmed."""

import base64
import json
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import polars as pl

from loadgen.attempts import attempt_ids
from loadgen.journey import COLUMNS, STATUS_TYPE, UNDATED, event_ids
from loadgen.plan import Plan
from loadgen.scene import Scene
from schemas.topics import OUTBOUND, STATUS_TOPICS, WEBHOOK

Into = Literal["webhook", "lanes"]
"""Which end of the pipeline a run is written to: raw bodies, or the events that would have been made of them."""

NOT_UTF8 = "\ue000"
"""Stands in a line for a byte that is not UTF-8, until the line is written."""

UNDATED_MS = {"undated_1970": 0, "undated_2150": 5_680_281_600_000}
_Line = Callable[[Plan, int, int], tuple[str, str]]


def kinds(into: Into) -> list[str]:
    return [*UNDATED_MS, *_LINES[into]]


def spoiled_keys(plan: Plan, into: Into, first: int, last: int) -> pl.DataFrame:
    """Where something is spoiled: `key` and `kind`, for the keys `first` up to, not including, `last`.

    One of each kind, spread over the run, and more by the plan's share.
    """
    names = kinds(into)
    if plan.corrupt <= 0:
        return pl.DataFrame(schema={"key": pl.Int64, "kind": pl.String})
    scene = Scene(plan, plan.campaigns[0])
    keys = np.arange(first, last, dtype=np.uint64)
    keys = keys[scene.chance.happens("spoiled", keys, plan.corrupt)]
    drawn = pl.DataFrame({"key": keys.astype(np.int64), "kind": scene.chance.pick("spoiled how", keys, names)})
    each = [plan.messages * (place + 1) // (len(names) + 1) for place in range(len(names))]
    sure = pl.DataFrame({"key": each, "kind": names}).filter(pl.col("key").is_between(first, last, closed="left"))
    return pl.concat([drawn, sure])


def undated(scene: Scene, into: Into, messages: pl.DataFrame) -> pl.DataFrame:
    """Statuses, in `journey.COLUMNS`, that claim to be of 1970 or 2150, among the good ones of a body."""
    if scene.campaign.number != 0 or not len(messages):
        return pl.DataFrame()
    chosen = spoiled_keys(scene.plan, into, int(messages["key"][0]), int(messages["key"][-1]) + 1)
    rows = messages.join(chosen.filter(pl.col("kind").is_in(list(UNDATED_MS))), on="key")
    rows = rows.with_columns(attempt=pl.lit(1, pl.Int64))
    return rows.with_columns(
        id=pl.Series(event_ids(attempt_ids(rows), "delivered", UNDATED, 0)),
        campaign=pl.lit(0, pl.UInt8),
        status=pl.lit("delivered", STATUS_TYPE),
        raw_status=pl.lit(None, pl.String),
        error_code=pl.lit(None, pl.String),
        event_time=pl.col("kind").replace_strict(UNDATED_MS, return_dtype=pl.Int64),
        ready_at=pl.max_horizontal("planned_at", pl.lit(scene.plan.start_ms)) + 1_000,
        sent_at="planned_at",
        echoes=pl.lit(True),
        twin=pl.lit(False),
        dead=pl.lit(True),
    ).select(COLUMNS)


def spoiled_lines(plan: Plan, into: Into, chosen: pl.DataFrame) -> pl.DataFrame:
    """`arrives_at`, `key`, `kind`, `topic`, `line`, `dead` (0 for what is only not meant for us), in no order."""
    rows = []
    for key, kind in chosen.filter(~pl.col("kind").is_in(list(UNDATED_MS))).iter_rows():
        at = plan.start_ms + key * plan.sending_ms // plan.messages
        topic, line = _LINES[into][kind](plan, key, at)
        rows.append((at, key, kind, topic, line, int(kind != "body_inbound")))
    schema = {"arrives_at": pl.Int64, "key": pl.Int64, "kind": pl.String, "topic": pl.String, "line": pl.String}
    return pl.DataFrame(rows, schema={**schema, "dead": pl.Int64}, orient="row")


def _event(plan: Plan, key: int, at: int, **changes: Any) -> dict[str, Any]:
    event = {"campaign_id": plan.campaign_id, "message_key": key, "status": "delivered", "event_time": at}
    return {**event, "received_at": at, "sent_at": at, "provider": "acme_sms", **changes}


def _envelope(key: int, at: int, provider: str, **body: str) -> tuple[str, str]:
    envelope = {"receipt_id": f"spoiled-{provider}-{at}-{key}", "provider": provider, "received_at": at}
    return WEBHOOK, json.dumps({**envelope, "content_type": "application/json", **body})


def _canonical(key: int, at: int, event: object) -> tuple[str, str]:
    return _envelope(key, at, "canonical", body=json.dumps(event))


def _without_status(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "status"}


def _lane(key: int, line: str) -> tuple[str, str]:
    return STATUS_TOPICS[key % len(STATUS_TOPICS)], line


def _not_utf8(plan: Plan, key: int, at: int) -> str:
    return json.dumps(_event(plan, key, at, recipient="?")).replace("?", NOT_UTF8)


def _inbound(_plan: Plan, key: int, at: int) -> tuple[str, str]:
    message = {"from": "31600000000", "id": f"wamid.in{key}", "timestamp": str(at // 1000), "type": "text"}
    return _meta(key, at, messages=[{**message, "text": {"body": "stop"}}])


def _meta_type(_plan: Plan, key: int, at: int) -> tuple[str, str]:
    status = {"id": f"wamid.bad{key}", "status": "delivered", "timestamp": "soon", "recipient_id": "31600000000"}
    return _meta(key, at, statuses=[status])


def _meta(key: int, at: int, **value: Any) -> tuple[str, str]:
    change = {"value": {"messaging_product": "whatsapp", **value}, "field": "messages"}
    body = {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change]}]}
    return _envelope(key, at, "meta_whatsapp", body=json.dumps(body))


def _outbound(plan: Plan, key: int, at: int, **changes: Any) -> str:
    record = {"type": "accepted", "at": at, "campaign_id": plan.campaign_id, "message_key": key}
    return json.dumps({**record, "sent_at": at, "provider": "acme_sms", **changes})


_BODIES: dict[str, _Line] = {
    "line_torn": lambda plan, key, at: (WEBHOOK, _canonical(key, at, _event(plan, key, at))[1][:-40]),
    "line_bytes": lambda plan, key, at: (WEBHOOK, _not_utf8(plan, key, at)),
    "body_torn": lambda plan, key, at: _envelope(key, at, "canonical", body=json.dumps(_event(plan, key, at))[:-9]),
    "body_bytes": lambda _, key, at: _envelope(
        key, at, "canonical", body_base64=base64.b64encode(b'{"status":"delivered\xff"}').decode()
    ),
    "body_type": lambda plan, key, at: _canonical(key, at, _event(plan, key, at, message_key="seven")),
    "body_meta_type": _meta_type,
    "body_no_status": lambda plan, key, at: _canonical(key, at, _without_status(_event(plan, key, at))),
    "body_stranger": lambda plan, key, at: _envelope(key, at, "nobody", body=json.dumps(_event(plan, key, at))),
    "body_inbound": _inbound,
}
_EVENTS: dict[str, _Line] = {
    "line_torn": lambda plan, key, at: _lane(key, json.dumps(_event(plan, key, at))[:-40]),
    "line_bytes": lambda plan, key, at: _lane(key, _not_utf8(plan, key, at)),
    "line_type": lambda plan, key, at: _lane(key, json.dumps(_event(plan, key, at, message_key="seven"))),
    "line_no_status": lambda plan, key, at: _lane(key, json.dumps(_without_status(_event(plan, key, at)))),
    "line_null_status": lambda plan, key, at: _lane(key, json.dumps(_event(plan, key, at, status=None))),
}
_RECORDS: dict[str, _Line] = {
    "outbound_torn": lambda plan, key, at: (OUTBOUND, _outbound(plan, key, at)[:-30]),
    "outbound_bytes": lambda plan, key, at: (OUTBOUND, _outbound(plan, key, at, sender="?").replace("?", NOT_UTF8)),
    "outbound_type": lambda plan, key, at: (OUTBOUND, _outbound(plan, key, at, message_key="seven")),
    "outbound_gossip": lambda plan, key, at: (OUTBOUND, _outbound(plan, key, at, type="gossip")),
}
_LINES: dict[Into, dict[str, _Line]] = {"webhook": {**_BODIES, **_RECORDS}, "lanes": {**_EVENTS, **_RECORDS}}
