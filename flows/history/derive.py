"""Raw lines to the status events that the flows would land, without their window.

webhook ─▶ parse (route) ─▶ lines ─▶ decode and check (status) ─▶ own · foreign
outbound ─────────────────────────▶ decode and check (status) ─▶ outcomes
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from flows import outbound_records, status_events
from flows.envelopes import parse_envelopes
from flows.identity import HashKey
from flows.route import lane_lines
from flows.status_decoder import waiting
from flows.topics import Record
from flows.writer import STATUS_EVENTS, Table, by_table
from schemas.topics import WEBHOOK


class Derived(NamedTuple):
    """`own` as table status_events takes it, `foreign` as table waiting."""

    own: pl.DataFrame
    foreign: pl.DataFrame


def derive_webhooks(records: Sequence[Record], campaign_id: str, now_ms: int, keys: list[HashKey]) -> Derived:
    """The events of one campaign; those without our ids may be any campaign's."""
    parsed = parse_envelopes(records, WEBHOOK, now_ms)
    runs = [Record(0, 0, 0, lines) for _, _, lines in lane_lines(parsed, 1)]
    decoded = status_events.decode(runs, now_ms)
    return Derived(_landing(decoded.own, campaign_id), _as_rows("waiting", waiting(decoded.foreign, keys)))


def derive_outbound(records: Sequence[Record], campaign_id: str, now_ms: int, key: HashKey) -> pl.DataFrame:
    """What a campaign's sender said, as table status_events takes it."""
    return _landing(outbound_records.decode(records, now_ms, key).outcomes, campaign_id)


def _landing(events: pl.DataFrame, campaign_id: str) -> pl.DataFrame:
    return _as_rows(STATUS_EVENTS, events.filter(pl.col("campaign_id") == campaign_id))


def _as_rows(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    ((_, rows),) = by_table([Table(name, frame)])
    return rows
