"""What the operations page marks, and what it measures rates against."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from api.context import Context
from api.live.ops import OpsWatcher
from api.live.ops_snapshot import OpsSnapshot
from schemas.settings import Settings
from schemas.times import fixed_clock
from sql.migrate import migrate
from sql.warehouse import Warehouse
from tests.flows.making import NOW_MS, campaign, progress
from tests.flows.playing import play

_TIME = pl.Datetime("ms", "UTC")


def operations(warehouse: Warehouse) -> OpsSnapshot:
    return OpsWatcher(Context(warehouse, Settings(), fixed_clock(NOW_MS)), dict).snapshot()


def seconds(name: str, first_s: int, **told: Any) -> list[dict[str, Any]]:
    """What a sender says of ten seconds, the first of them so many ago."""
    of = {"queue": 5} | told
    return [progress(campaign_id=name, at=NOW_MS - 1000 * (first_s - place), **of) for place in range(10)]


def test_what_befell_senders_and_flows_is_marked_and_limits_add_up(warehouse: Warehouse, tmp_path: Path) -> None:
    """A limit that changed, a pause, a route broken off; a flow that was away, was shared, tried an insert again.

    What slows a sender for some seconds is none.
    """
    migrate(warehouse)
    warehouse.insert("flow_stats", flow_seconds())
    plans = [campaign(campaign_id="spring"), campaign(campaign_id="summer", channel="sms")]
    spring = [
        *seconds("spring", 100, allowed_per_s=80),
        *seconds("spring", 80, allowed_per_s=120, slower_because="provider: all connections wait"),
        *seconds("spring", 60, allowed_per_s=120, slower_because="paused: wrong price"),
        *seconds("spring", 40, allowed_per_s=120, slower_because="breaker open"),
        *seconds("spring", 10, allowed_per_s=120),
    ]
    play(warehouse, tmp_path, *plans, *spring, *seconds("summer", 10, allowed_per_s=30))
    told = operations(warehouse)
    assert [(mark.at - NOW_MS // 1000, mark.whose, mark.what) for mark in told.marks] == [
        (-240, "flow", "flows.status back after 55 s"),
        (-240, "flow", "flows.status: inserts tried again"),
        (-230, "flow", "flows.status: 1 → 2 slices"),
        (-80, "sender", "spring: limit 80 → 120"),
        (-60, "sender", "spring paused"),
        (-40, "sender", "spring breaks off a route"),
        (-10, "sender", "spring goes on"),
    ]
    assert told.allowed[-1] == 150
    assert told.allowed[-100] is None


def test_figures_of_a_provider_are_growth_of_its_campaigns_added_though_each_is_read_when_it_can_be(
    warehouse: Warehouse,
) -> None:
    """A large campaign and a small one: of a round under way only the small one is read yet, and once it was missed."""
    migrate(warehouse)
    large = [reading("large", 50_000_000, 100, ago_s) for ago_s in range(300, 5, -5) if ago_s != 90]
    small = [reading("small", 1_000_000, 20, ago_s) for ago_s in range(300, 0, -5)]
    warehouse.insert("pulse", pl.DataFrame(large + small, schema_overrides={"at": _TIME}))
    told = operations(warehouse)
    [line], [channel] = told.providers, told.channels
    assert (line.state, line.success) == ("steady", 0.9)
    assert line.per_s == pytest.approx(120, rel=0.1)
    assert set(channel.per_s[-58:-1]) == {120.0}
    assert channel.per_s[-1] is None
    assert set(line.success_series[-8:]) == {0.9}


def reading(name: str, before: int, per_s: int, ago_s: int) -> dict[str, Any]:
    """Of a campaign that has sent since five minutes ago, and of which nine in ten were delivered."""
    sent = per_s * (300 - ago_s)
    at = datetime.fromtimestamp(NOW_MS / 1000 - ago_s, UTC)
    counts = {"sent": before + sent, "delivered": sent * 9 // 10, "read": 0, "clicked": 0, "failed": sent // 10}
    return {"campaign_id": name, "at": at, "provider": "echo"} | counts


def flow_seconds() -> pl.DataFrame:
    rows = [(300, "0-of-1", 0), (299, "0-of-1", 0), (240, "0-of-1", 0), (239, "0-of-1", 2), (234, "0-of-1", 1)]
    rows += [(229, "0-of-2", 0), (229, "1-of-2", 0), (224, "0-of-2", 0)]
    told = [
        {"at": datetime.fromtimestamp(NOW_MS / 1000 - ago, UTC), "flow": "status", "lane": "read"}
        | {"slice": slice_, "retries": retries}
        for ago, slice_, retries in rows
    ]
    return pl.DataFrame(told).with_columns(pl.col("at").cast(_TIME))
