"""Decoded events into Tidemark's tables, the way Tidemark inserts: what a peer's sink calls with a batch."""

from typing import Any

import polars as pl

from sql.warehouse import Warehouse

_TEXTS = ("campaign_id", "status", "provider", "raw_status")
_TIMES = ("event_time", "received_at", "sent_at")
_SCHEMA = dict.fromkeys(_TEXTS, pl.String) | dict.fromkeys(("message_key", "attempt", *_TIMES), pl.Int64)
BATCH_ROWS = 100_000


class StatusRows:
    """One connection, open from `prepare` to the end of the process: a deployed ClickHouse neither starts nor ends with
    who inserts."""

    def __init__(self, clickhouse: str) -> None:
        self._warehouse = Warehouse(clickhouse)
        self._warehouse.query("SELECT 1")

    def insert(self, events: list[dict[str, Any]]) -> None:
        """Written when it returns. Fields that the table lacks are left out."""
        frame = pl.DataFrame(events, schema=_SCHEMA)
        rows = frame.with_columns(pl.col(_TEXTS).cast(pl.Categorical), pl.col(_TIMES).cast(pl.Datetime("ms", "UTC")))
        self._warehouse.insert("status_events", rows)


def event_id(event: dict[str, Any]) -> str:
    """What makes two reports the same."""
    return f"{event['campaign_id']}/{event['message_key']}/{event['attempt']}/{event['status']}"
