"""Phase and accounts of campaigns as senders of every kind leave them, in the list and on the campaign's own page."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from api.context import Context
from api.live.snapshot import Snapshot
from api.live.watcher import Watcher
from api.reports.campaigns import list_campaigns
from schemas.settings import Settings
from schemas.times import DAY_MS, HOUR_MS, MINUTE_MS, fixed_clock
from sql.migrate import migrate
from sql.warehouse import Warehouse
from tests.flows.making import NOW_MS, Fields, campaign, event, outbound, progress
from tests.flows.playing import play


def page_of(context: Context, campaign_id: str) -> Snapshot:
    with ThreadPoolExecutor(4) as pool:
        return Watcher(context, campaign_id, pool).page()


def told(ago_ms: int, **changes: object) -> Fields:
    return progress(at=NOW_MS - ago_ms, **changes)


def reported(ago_ms: int, status: str = "accepted", key: int = 7) -> Fields:
    return event(status=status, event_time=NOW_MS - ago_ms, sent_at=NOW_MS - ago_ms, message_key=key)


LEFT: list[tuple[str, list[Fields]]] = [
    ("ready", []),
    ("running", [told(1_000, queue=5)]),
    ("running", [told(1_000, queue=0, in_flight=3)]),
    ("done", [told(20_000, queue=0, in_flight=3)]),
    ("done", [told(1_000, queue=0, in_flight=0)]),
    ("silent", [told(20_000, queue=5)]),
    ("paused", [told(20_000, queue=5, slower_because="paused: wrong price")]),
    ("running", [reported(1_000)]),
    ("done", [reported(HOUR_MS), reported(1_000, "delivered", key=8)]),
    ("running", [reported(1_000, "delivered")]),
    ("done", [reported(HOUR_MS, "delivered")]),
]
"""What is known of a campaign, and the phase that it is in so."""


def test_a_campaign_has_one_phase_in_the_list_and_on_its_page(warehouse: Warehouse, tmp_path: Path) -> None:
    """Without progress it goes by when messages were sent, be its plan a day old or some minutes."""
    migrate(warehouse)
    names = [f"{place:02} {phase}".replace(" ", "-") for place, (phase, _) in enumerate(LEFT)]
    for name, (phase, records) in zip(names, LEFT, strict=True):
        plan = campaign(frozen_at=NOW_MS - (5 * MINUTE_MS if phase == "done" else DAY_MS))
        play(warehouse, tmp_path / name, *(record | {"campaign_id": name} for record in [plan, *records]))
    context = Context(warehouse, Settings(), fixed_clock(NOW_MS))
    listed = {line.campaign_id: line.phase for line in list_campaigns(context, at_most=20, skip=0, search="").campaigns}
    shown = {name: page_of(context, name).pace.phase for name in names}
    assert listed == shown == {name: phase for name, (phase, _) in zip(names, LEFT, strict=True)}


def test_a_campaign_without_a_plan_has_no_gap_and_nobody_must_act(warehouse: Warehouse, tmp_path: Path) -> None:
    """As of another team: nothing but its statuses is known."""
    migrate(warehouse)
    play(warehouse, tmp_path, *(reported(HOUR_MS, key=key) for key in range(3)), outbound("screened"))
    page = page_of(Context(warehouse, Settings(), fixed_clock(NOW_MS)), "spring")
    assert (page.accounting.audience, page.accounting.gap) == (None, None)
    assert page.accounting.of("handed over") == 3
    assert (page.verdict.state, page.pace.phase) == ("done", "done")


def test_what_was_sent_since_the_accounting_was_read_is_queued_no_more(warehouse: Warehouse, tmp_path: Path) -> None:
    """A tick reads the funnel anew and the accounting each ten seconds: sent and queued are together the audience."""
    migrate(warehouse)
    play(warehouse, tmp_path / "a", campaign(audience=10), *(reported(1_000, key=key) for key in range(3)))
    with ThreadPoolExecutor(4) as pool:
        watcher = Watcher(Context(warehouse, Settings(), fixed_clock(NOW_MS)), "spring", pool)
        first = watcher.snapshot()
        play(warehouse, tmp_path / "b", *(reported(500, key=key) for key in range(2, 8)))
        second = watcher.snapshot()
    assert [(page.funnel.sent, page.queued) for page in (first, second)] == [(3, 7), (8, 2)]
    assert second.accounting == first.accounting
