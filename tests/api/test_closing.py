"""Counts of closed minutes give the same timeline as reading all of it, and never count a message twice."""

from pathlib import Path

import polars as pl

from api.context import Context
from api.live.checking import run_checks, stubborn
from api.live.closing import close_campaign, close_minutes
from schemas.settings import Settings
from schemas.times import HOUR_MS, MINUTE_MS, fixed_clock
from sql.migrate import migrate
from sql.warehouse import Warehouse
from tests.flows.making import NOW_MS, campaign, event
from tests.flows.playing import play

FAR = 4_102_444_800


def timeline(context: Context, step_s: int = 60) -> pl.DataFrame:
    return context.ask("timeline_steps", campaign_id="spring", step_s=step_s, since=0, before=FAR)


def context_of(warehouse: Warehouse, at_ms: int = NOW_MS) -> Context:
    return Context(warehouse, Settings(), fixed_clock(at_ms))


def test_closed_minutes_change_nothing_but_the_time_it_takes(warehouse: Warehouse, tmp_path: Path) -> None:
    """Messages in two minutes, on both sides of the line between closed and open, count once, in the first."""
    migrate(warehouse)
    old, new = NOW_MS - HOUR_MS, NOW_MS - 2 * MINUTE_MS
    first = [event(message_key=key, event_time=old + key * MINUTE_MS) for key in range(20)]
    later = [event(message_key=key, event_time=new, receipt_id="r2") for key in range(10, 30)]
    play(warehouse, tmp_path, campaign(), *first, *later)
    context = context_of(warehouse)
    whole = timeline(context)
    assert whole["messages"].sum() == 30
    close_campaign(context, "spring")
    assert context.rows("closed_until", campaign_id="spring")[0]["closed_until"].timestamp() * 1000 < new
    assert timeline(context).equals(whole)
    exact = context.ask("timeline", campaign_id="spring").rename({"minute": "step"})
    assert (
        timeline(context)
        .select("status", "messages")
        .sort("status", "messages")
        .equals(exact.select("status", pl.col("messages").cast(whole["messages"].dtype)).sort("status", "messages"))
    )


def test_a_late_report_for_a_closed_minute_counts_from_the_next_round_on(warehouse: Warehouse, tmp_path: Path) -> None:
    migrate(warehouse)
    play(warehouse, tmp_path / "a", campaign(), event(message_key=1, event_time=NOW_MS - HOUR_MS))
    context = context_of(warehouse)
    assert close_minutes(context, large=0) >= 0
    close_campaign(context, "spring")
    play(warehouse, tmp_path / "b", event(message_key=2, event_time=NOW_MS - HOUR_MS))
    assert timeline(context)["messages"].sum() == 1
    close_campaign(context_of(warehouse, NOW_MS + 1), "spring")
    assert timeline(context)["messages"].sum() == 2


def test_checks_are_run_and_told(warehouse: Warehouse, tmp_path: Path) -> None:
    """Nothing wrong, then a planted fault; the last word holds."""
    migrate(warehouse)
    play(warehouse, tmp_path, campaign(), event())
    context = context_of(warehouse)
    assert run_checks(context) == 0
    assert {row["wrong"] for row in context.rows("check_runs")} == {0}
    warehouse.command("INSERT INTO reached SELECT * REPLACE ('read' AS status) FROM reached LIMIT 1")
    assert stubborn(context, (Path("sql/checks/reached.sql")).read_text())[0] == 1
