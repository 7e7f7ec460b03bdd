"""A national campaign in the tables, as the reports' benchmark reads it: made by statements of loadgen/bench/sql.

Three events a message, one message in a hundred delivered twice at different times, the last million messages in small
parts that nothing merges; the sender's, the flows' and the page's own readings of the last quarter of an hour.
"""

from itertools import pairwise
from pathlib import Path

import polars as pl

from schemas.settings import Settings
from schemas.times import MINUTE_MS, SECOND_MS, wall_clock
from sql.cli import progress
from sql.migrate import migrate
from sql.warehouse import Warehouse

CAMPAIGN = "national"
SENDING_MS = 270 * MINUTE_MS
_SQL = Path(__file__).parent / "sql"
_STEP = 1_000_000
_SMALL_STEP = 50_000
_SMALL_STEPS = 20
_QUARTER_S = 900
_PULSE_S = 5
_PROVIDERS = ("", "meta_whatsapp", "acme_sms", "acme_mail", "acme_push")
_LANES = (("route", "all"), ("status", "delivered"), ("status", "other"), ("status", "read"))
_CODES = ("131026", "131049", "30003", "30005", "30007", "5.1.1", "unregistered", "131047")
_DONE = """
SELECT max(message_key) + 1 FROM outbound WHERE campaign_id = {campaign_id:String} AND message_key < {before:UInt64}
"""
_TIME = pl.Datetime("ms", "UTC")


def fill(settings: Settings, messages: int) -> int:
    """Goes on where an earlier one was ended, and makes the small parts anew; returns when sending began, ms since the
    epoch."""
    with Warehouse(settings.clickhouse, create=True) as warehouse:
        migrate(warehouse)
        start_ms, small = _planned(warehouse, messages), min(messages, _SMALL_STEP * _SMALL_STEPS)
        done = int(warehouse.query(_DONE, {"campaign_id": CAMPAIGN, "before": messages - small}).item())
        whole = [*range(done // _STEP * _STEP, messages - small, _STEP), messages - small]
        _messages(warehouse, whole if done < messages - small else [], messages, start_ms)
        warehouse.command("SYSTEM STOP MERGES")
        _messages(warehouse, [*range(messages - small, messages, _SMALL_STEP), messages], messages, start_ms)
        now = wall_clock() // SECOND_MS * SECOND_MS
        warehouse.insert("progress", _seconds(messages, now))
        warehouse.insert("flow_stats", _lanes(now))
        warehouse.insert("pulse", _readings(messages, now))
    return start_ms


def _planned(warehouse: Warehouse, messages: int) -> int:
    found = warehouse.ask("campaign", campaign_id=CAMPAIGN)["frozen_at"]
    if len(found):
        return int(found.dt.epoch("ms")[0])
    start_ms = wall_clock() - SENDING_MS
    warehouse.insert("campaigns", _plan(messages, start_ms))
    return start_ms


def _messages(warehouse: Warehouse, ends: list[int], messages: int, start_ms: int) -> None:
    statements = [(_SQL / f"reports_{name}.sql").read_text() for name in ("events", "outbound")]
    for first, before in pairwise(ends):
        parameters = {"campaign_id": CAMPAIGN, "first": first, "before": before, "start_ms": start_ms}
        for statement in statements:
            warehouse.command(statement, parameters | {"sending_ms": SENDING_MS, "messages": messages})
        progress(f"{before:,} of {messages:,} messages")


def _plan(messages: int, start_ms: int) -> pl.DataFrame:
    row = {
        "campaign_id": CAMPAIGN, "name": "National reminder", "channel": "whatsapp", "audience": messages,
        "frozen_at": start_ms, "limit_per_s": 4_000.0, "sla_p95_ms": 30_000, "at": start_ms,
        "prices": [{"key": "NL", "value": 0.11}, {"key": "", "value": 0.09}],
    }  # fmt: skip
    return pl.DataFrame([row]).with_columns(pl.col("frozen_at", "at").cast(_TIME))


def _seconds(messages: int, now: int) -> pl.DataFrame:
    """The sender's."""
    return _times(now, 1).with_columns(
        campaign_id=pl.lit(CAMPAIGN), allowed_per_s=pl.lit(4_000.0), achieved_per_s=pl.lit(_per_s(messages)),
        slower_because=pl.lit(""), queue=pl.lit(1_000), in_flight=pl.lit(500),
    )  # fmt: skip


def _lanes(now: int) -> pl.DataFrame:
    """The flows'."""
    lanes = pl.DataFrame(_LANES, schema=["flow", "lane"], orient="row")
    return (
        _times(now, 1)
        .join(lanes, how="cross")
        .with_columns(slice=pl.lit("0/1"), lag_ms=pl.lit(40), events=pl.lit(5_000))
    )


def _readings(messages: int, now: int) -> pl.DataFrame:
    """The page's, as five figures of each provider."""
    sent = pl.int_range(pl.len(), dtype=pl.UInt64).reverse() * int(_per_s(messages) * _PULSE_S)
    shares = {"sent": 1.0, "delivered": 0.95, "read": 0.5, "clicked": 0.08, "failed": 0.04}
    figures = _times(now, _PULSE_S).with_columns(
        **{name: (sent * share).cast(pl.UInt64) for name, share in shares.items()}
    )
    providers = pl.DataFrame({"provider": _PROVIDERS})
    return figures.join(providers, how="cross").with_columns(campaign_id=pl.lit(CAMPAIGN), reasons=_BY_REASON)


_BY_REASON = pl.concat_list(
    pl.struct(key=pl.lit(f"meta_whatsapp {code}"), value=pl.col("failed") // len(_CODES)) for code in _CODES
)


def _times(now: int, every_s: int) -> pl.DataFrame:
    """The last quarter of an hour, backwards."""
    return pl.DataFrame({"at": [now - place * SECOND_MS for place in range(0, _QUARTER_S, every_s)]}).cast(_TIME)


def _per_s(messages: int) -> float:
    return messages * SECOND_MS / SENDING_MS
