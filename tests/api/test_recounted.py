"""Reports that the generator keeps no books of, against its lines counted again one by one in plain Python."""

from bisect import bisect_right
from collections import Counter
from typing import Any

import httpx
import pytest

from loadgen.expected import Figures
from schemas.statuses import Lane
from sql.warehouse import Warehouse
from tests.api.conftest import CAMPAIGN, EARLIER, Served
from tests.loadgen.recount import COHORT, Recount
from tests.parts.flows import Pipeline

COUNTS = ("sent", "delivered", "read", "clicked", "failed")


@pytest.fixture(scope="module")
def recount(played: tuple[Pipeline, Figures]) -> Recount:
    pipeline, _ = played
    topics = ("outbound", *(lane.topic for lane in Lane))
    return Recount({topic: pipeline.lines(topic) for topic in topics}, pipeline.plan.end_ms)


def test_the_split_by_provider_counts_what_each_provider_said(
    client: httpx.Client, served: Served, recount: Recount
) -> None:
    rows = client.get(served.api("/splits"), params={"by": "provider"}).json()["rows"]
    found = {row["value"]: {name: row[name] for name in COUNTS} for row in rows}
    due = recount.providers(CAMPAIGN)
    assert len(found) > 3
    assert found == {name: {count: of[count] for count in COUNTS} for name, of in due.items() if of["sent"]}
    for row in rows:
        assert row["delivered_rate"] == pytest.approx(due[row["value"]]["delivered"] / row["sent"], abs=1e-6)


def test_cost_by_provider_is_the_price_of_each_message_that_it_took(
    client: httpx.Client, served: Served, recount: Recount
) -> None:
    """Over all campaigns that gave a sign of life today."""
    lines = client.get(f"{served.url}/api/ops").json()["providers"]
    due: Counter[str] = Counter()
    for campaign in (CAMPAIGN, "night-survey"):
        due.update(recount.cost(campaign))
    assert sum(due.values()) > 0
    assert {line["provider"]: line["cost"] or 0 for line in lines} == pytest.approx(dict(due), abs=1e-3)


def test_shares_of_an_earlier_campaign_at_this_ones_age_are_those_of_its_messages(
    client: httpx.Client, served: Served, recount: Recount
) -> None:
    """Message by message: how old each of this campaign is, and which share of the earlier one had got far by then.

    A report's minutes and cells are coarser than that, by a hundredth of a share at most.
    """
    report = client.get(served.api("/comparison")).json()
    assert [line["campaign_id"] for line in report["earlier"]] == [EARLIER.campaign_id]
    usual = {line["status"]: line for line in report["usual"]}
    times, _ = recount.firsts(CAMPAIGN)
    ages_ms = [recount.end_ms - at for (_, status), at in times.items() if status == "accepted"]
    waits, sent = sampled(served, recount)
    for status, line in usual.items():
        shares = [bisect_right(waits[status], age_ms) / sent for age_ms in ages_ms]
        assert line["lowest"] == line["highest"] == pytest.approx(sum(shares) / len(shares), abs=0.01), status
        assert line["settles_highest"] == pytest.approx(len(waits[status]) / sent, abs=0.01), status
    assert usual["read"]["highest"] < usual["read"]["settles_highest"] - 0.005, "age tells"


def sampled(served: Served, recount: Recount) -> tuple[dict[str, list[int]], int]:
    """By status how long messages of the fixed sixteenth took, in order, and how many of them were sent."""
    keys = f"SELECT number FROM numbers({EARLIER.messages}) WHERE intHash32(number) % 16 = 0"
    with Warehouse(served.settings.clickhouse, share=True) as warehouse:
        sample = set(warehouse.query(keys)["number"])
    _, all_waits = recount.firsts(EARLIER.campaign_id)
    waits: dict[str, list[int]] = {status: [] for status in COUNTS}
    sent: set[Any] = set()
    for (key, status), wait in all_waits.items():
        if key in sample:
            waits.setdefault(status, []).append(wait)
            sent |= {key} if status in COHORT else set()
    return {status: sorted(of) for status, of in waits.items()}, len(sent)
