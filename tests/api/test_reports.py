"""Reports say what the generator knows, to the last message, in every shape that they come in."""

import csv
import io
import json
from typing import Any

import httpx
import polars as pl
import pytest

from flows.identity import hash_keys
from sql import audit
from sql.warehouse import Warehouse
from tests.api.conftest import CAMPAIGN, Served
from tests.api.people import some_person

EXPORTS = ("counts", "messages")
COUNTS = ("sent", "delivered", "delivered_inferred", "read", "clicked", "failed", "failed_ever", "rejected")


def read(client: httpx.Client, url: str, **query: Any) -> Any:
    answer = client.get(url, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_list_finds_campaigns_by_part_of_their_name(client: httpx.Client, served: Served) -> None:
    url = f"{served.url}/api/campaigns"
    assert read(client, url)["total"] == 3
    [found] = read(client, url, search="UTUMN")["campaigns"]
    assert (found["campaign_id"], found["sent"]) == (CAMPAIGN, served.figures.counts["sent"])
    assert read(client, url, search="nothing of that name") == {"total": 0, "campaigns": []}
    pages = [read(client, url, at_most=1, skip=skip)["campaigns"][0]["campaign_id"] for skip in (0, 1, 2)]
    assert sorted(pages) == ["autumn-sale", "night-survey", "summer-sale"]


def test_funnel_and_whole_report_equal_the_oracle(client: httpx.Client, served: Served) -> None:
    due = {name: served.figures.counts.get(name, 0) for name in COUNTS}
    report = read(client, served.api("/funnel"))
    assert {name: report["funnel"][name] for name in COUNTS} == due
    snapshot = read(client, served.api())
    assert {name: snapshot["funnel"][name] for name in COUNTS} == due
    assert report["rates"]["delivered"] == pytest.approx(due["delivered"] / due["sent"], abs=1e-6)
    attempts = report["attempts"]
    assert attempts["first_sent"] + attempts["retried_sent"] >= due["sent"]
    assert 0 < attempts["arrived_only_by_retry"] <= attempts["retried_arrived"]


def test_accounting_adds_up_to_the_audience(client: httpx.Client, served: Served) -> None:
    report = read(client, served.api("/accounting"))
    found = {line["what"].replace("screened: ", "screened_"): line["messages"] for line in report["lines"]}
    named = {
        "handed over": "handed_over",
        "in doubt": "in_doubt",
        "in flight": "in_flight",
        "rejected for good": "rejected",
    }
    assert {named.get(what, what): n for what, n in found.items() if n} == {
        k: v for k, v in served.figures.accounting.items() if v
    }
    assert sum(found.values()) == report["audience"] == served.figures.audience
    assert report["gap"] == 0


def test_failures_have_meaning_owner_and_action(client: httpx.Client, served: Served) -> None:
    report = read(client, served.api("/failures"))
    counted: dict[str, int] = {}
    for row in report["rows"]:
        counted[row["error_code"]] = counted.get(row["error_code"], 0) + row["messages"]
        assert row["known"] or not row["error_code"]
        assert all(row[name] for name in ("meaning", "owner", "action"))
    assert counted == served.figures.failures
    assert report["total"] == served.figures.counts["failed_ever"]


@pytest.mark.parametrize("step_s", [None, 60, 3600, 86400])
def test_timeline_in_any_step_holds_every_message_once(
    client: httpx.Client, served: Served, step_s: int | None
) -> None:
    report = read(client, served.api("/timeline"), **({"step_s": step_s} if step_s else {}))
    totals: dict[str, int] = {}
    for point in report["points"]:
        for status, messages in point["messages"].items():
            totals[status] = totals.get(status, 0) + messages
    assert totals == {status: sum(cells.values()) for status, cells in served.figures.timeline.items()}
    assert len(report["points"]) <= 400 or step_s == 60


def test_timeline_takes_a_range(client: httpx.Client, served: Served) -> None:
    points = read(client, served.api("/timeline"), step_s=60)["points"]
    since, before = points[3]["at"], points[9]["at"]
    assert read(client, served.api("/timeline"), step_s=60, since=since, before=before)["points"] == points[3:9]


def test_heatmap_counts_by_local_time(client: httpx.Client, served: Served) -> None:
    utc = read(client, served.api("/heatmap"), status="delivered")["messages"]
    local = read(client, served.api("/heatmap"), status="delivered", zone="Asia/Kolkata")["messages"]
    assert sum(map(sum, utc)) == sum(map(sum, local)) == served.figures.counts["delivered"]
    assert utc != local
    assert client.get(served.api("/heatmap"), params={"zone": "../../etc/passwd"}).status_code == 422


def test_latency_cells_equal_the_oracle(client: httpx.Client, served: Served) -> None:
    report = read(client, served.api("/latency"))
    cells = {str(cell["from_ms"]): cell["messages"] for cell in report["delivered"]}
    assert cells == {str(cell): n for cell, n in served.figures.latency["delivered"].items()}
    told = {row["status"]: row for row in report["percentiles"]}
    assert told["delivered"]["p50_ms"] <= told["delivered"]["p95_ms"] <= told["delivered"]["p99_ms"]
    sampled = read(client, served.api("/latency"), exact=False)
    assert {row["status"]: row["messages"] for row in sampled["percentiles"]}["delivered"] < told["delivered"][
        "messages"
    ]


@pytest.mark.parametrize("by", ["channel", "sender", "country", "template"])
def test_splits_equal_the_oracle(client: httpx.Client, served: Served, by: str) -> None:
    names = ("sent", "delivered", "read", "clicked", "failed")
    found = {
        row["value"]: {name: row[name] for name in names} for row in read(client, served.api("/splits"), by=by)["rows"]
    }
    due = {
        value: {name: row.get(name, 0) for name in names}
        for value, row in served.figures.splits[by].items()
        if row.get("sent")
    }
    assert found == due


def test_cost_is_messages_times_price(client: httpx.Client, served: Served) -> None:
    report = read(client, served.api("/cost"))
    due = sum(line["messages"] * line["price"] for line in report["countries"])
    assert report["total"] == pytest.approx(due, rel=1e-9)
    assert sum(line["messages"] for line in report["countries"]) == served.figures.counts["sent"]
    assert report["complete"]


def test_messages_are_paged_and_traced(client: httpx.Client, served: Served) -> None:
    """Every failed message stands on exactly one page; one of them tells its whole story."""
    keys, after = [], -1
    while after is not None:
        page = read(client, served.api("/messages"), state="failed", at_most=37, after=after)
        keys += [message["message_key"] for message in page["messages"]]
        after = page["after"]
    assert len(keys) == len(set(keys)) == served.figures.counts["failed"]
    trace = read(client, served.api(f"/messages/{keys[0]}"))
    assert "failed" in {report["status"] for report in trace["reported"]}
    assert client.get(served.api("/messages/4611686018427387904")).status_code == 404


def test_a_recipient_is_found_by_hash_and_named_nowhere(client: httpx.Client, served: Served) -> None:
    key, recipient, provider_id = some_person(served)
    for wish in ({"recipient": recipient}, {"provider_message_id": provider_id}):
        answer = client.post(served.api("/messages/find"), json=wish)
        assert answer.status_code == 200, answer.text
        assert key in {int(trace["message_key"]) for trace in answer.json()}
        assert recipient not in answer.text
        assert provider_id not in answer.text
    assert client.post(served.api("/messages/find"), json={"recipient": "nobody"}).json() == []


def test_exports_hold_every_message_once(client: httpx.Client, served: Served) -> None:
    text = client.get(served.api("/export/messages.csv"))
    assert text.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(text.text)))
    frame = pl.read_parquet(io.BytesIO(client.get(served.api("/export/messages.parquet")).content))
    assert len(rows) == len(frame) == len({row["message_key"] for row in rows})
    delivered = served.figures.counts["delivered"]
    assert sum(bool(row["delivered_at"]) for row in rows) == frame["delivered_at"].count() == delivered
    counts = pl.read_csv(io.BytesIO(client.get(served.api("/export/counts.csv")).content))
    assert counts.filter(pl.col("status") == "delivered")["messages"].sum() == delivered


def test_who_took_what_stands_in_the_audit_log(client: httpx.Client, served: Served) -> None:
    """Rows as the file has them; a person by the keyed hash, as in an erasure's entry."""
    with Warehouse(served.settings.clickhouse, share=True) as warehouse:
        before = len(audit.entries(warehouse))
    rows = {what: len(client.get(served.api(f"/export/{what}.csv")).text.splitlines()) - 1 for what in EXPORTS}
    client.get(served.api("/export/counts.parquet"))
    _, recipient, _ = some_person(served)
    client.post(served.api("/messages/find"), json={"recipient": recipient})
    with Warehouse(served.settings.clickhouse, share=True) as warehouse:
        log = audit.entries(warehouse)
    audit.verify(log)
    person = hash_keys(served.settings)[0].hashes(pl.Series([recipient]))[0].hex()
    assert [(entry.actor, entry.action, entry.subject, json.loads(entry.details)) for entry in log[before:]] == [
        ("key local this machine", "export", CAMPAIGN, {"what": "counts", "format": "csv", "rows": rows["counts"]}),
        ("key local this machine", "export", CAMPAIGN, {"what": "messages", "format": "csv", "rows": rows["messages"]}),
        ("key local this machine", "export", CAMPAIGN, {"what": "counts", "format": "parquet", "rows": rows["counts"]}),
        ("key local this machine", "look-up", CAMPAIGN, {"person": person, "messages": 1}),
    ]


def test_unknown_campaigns_are_a_problem_not_a_zero(client: httpx.Client, served: Served) -> None:
    for path in ("", "/funnel", "/timeline", "/export/messages.csv", "/messages", "/live"):
        answer = client.get(f"{served.url}/api/campaigns/nobody{path}")
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json() == {"title": "No such campaign", "status": 404, "detail": "nobody"}
