"""What a figure opens are the messages that it counts: no fewer, no others."""

from typing import Any

import httpx
import pytest

from tests.api.conftest import Served

STAGES = ("sent", "delivered", "read", "clicked", "failed")


def listed(client: httpx.Client, served: Served, at_most: int = 1_000, **wish: Any) -> dict[str, dict[str, Any]]:
    """All pages, by key."""
    found: dict[str, dict[str, Any]] = {}
    after: str | None = "-1"
    while after is not None:
        answer = client.get(served.api("/messages"), params={**wish, "at_most": at_most, "after": after})
        assert answer.status_code == 200, answer.text
        page, after = answer.json()["messages"], answer.json()["after"]
        keys = [int(message["message_key"]) for message in page]
        assert keys == sorted(keys)
        assert found.keys().isdisjoint(message["message_key"] for message in page)
        found |= {message["message_key"]: message for message in page}
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_of_the_funnel(client: httpx.Client, served: Served, stage: str) -> None:
    assert len(listed(client, served, reached=stage)) == served.figures.counts[stage]


def test_of_the_accounting_each_message_stands_behind_one_line(client: httpx.Client, served: Served) -> None:
    lines = client.get(served.api("/accounting")).json()["lines"]
    due = {line["what"]: line["messages"] for line in lines if line["what"] != "queued"}
    assert min(due[what] for what in ("handed over", "in doubt", "in flight", "rejected for good")) > 0
    found = {what: listed(client, served, line=what) for what in due}
    assert {what: len(messages) for what, messages in found.items()} == due
    everyone = set().union(*found.values())
    assert len(everyone) == sum(due.values())
    assert {message["state"] for message in found["in flight"].values()} == {"in flight"}
    assert {message["state"] for message in found["rejected for good"].values()} == {"rejected"}


def test_of_the_channels_and_providers(client: httpx.Client, served: Served) -> None:
    """By what the provider itself reported, as the table has it."""
    rows = client.get(served.api("/splits"), params={"by": "provider"}).json()["rows"]
    for row in rows:
        found = {stage: len(listed(client, served, provider=row["value"], reached=stage)) for stage in STAGES}
        assert found == {stage: row[stage] for stage in STAGES}
    assert len(rows) > 3


def test_of_the_reasons(client: httpx.Client, served: Served) -> None:
    """Two providers share codes, and some failures name none: each row of the report is of one of them."""
    rows = client.get(served.api("/failures")).json()["rows"]
    for row in rows:
        wish = {name: row[name] for name in ("provider", "error_code")}
        found = listed(client, served, **wish)
        assert len(found) == row["messages"], wish
        assert all(message["failed_at"] for message in found.values())
    assert {row["error_code"] for row in rows} == served.figures.failures.keys()


def test_pages_of_any_size_make_up_the_same_list(client: httpx.Client, served: Served) -> None:
    for wish in ({"line": "screened: suppressed"}, {"provider": "meta_whatsapp", "reached": "failed"}):
        assert list(listed(client, served, at_most=7, **wish)) == list(listed(client, served, **wish)) != []


@pytest.mark.parametrize(
    "wish",
    [
        {"line": "in doubt", "state": "sent"},
        {"line": "in doubt", "provider": "meta_whatsapp"},
        {"reached": "failed", "error_code": ""},
        {"provider": "meta_whatsapp", "state": "failed"},
        {"line": "queued"},
    ],
)
def test_what_no_figure_counts_by_is_refused(client: httpx.Client, served: Served, wish: dict[str, str]) -> None:
    answer = client.get(served.api("/messages"), params=wish)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
