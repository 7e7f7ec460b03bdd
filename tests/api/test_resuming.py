"""A live stream over HTTP that is lost and taken up again with `Last-Event-ID`."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from loadgen.expected import Figures
from tests.api.conftest import CAMPAIGN, Served, api_running
from tests.parts.flows import Pipeline

STREAM = f"/api/campaigns/{CAMPAIGN}/live"


class Event(NamedTuple):
    id: int
    snapshot: dict[str, Any]


def test_a_stream_goes_on_behind_the_last_id(client: httpx.Client, served: Served) -> None:
    """Who had the latest gets none twice; who was away longer gets the latest, whole."""
    first, second = watched(client, served.url + STREAM, 2)
    assert first.id < second.id
    assert [event.id for event in (first, second)] == [event.snapshot["id"] for event in (first, second)]
    [third] = watched(client, served.url + STREAM, 1, last_id=str(second.id))
    assert second.id < third.id
    [late] = watched(client, served.url + STREAM, 1, last_id=str(first.id))
    assert late.id >= third.id
    assert late.snapshot.keys() == first.snapshot.keys()


def test_what_came_while_it_was_lost_is_in_the_next_snapshot(client: httpx.Client, served: Served) -> None:
    """The whole report with all of its last 15 minutes, not what changed."""
    [last] = watched(client, served.url + STREAM, 1)
    [back] = watched(client, served.url + STREAM, 1, last_id=str(last.id))
    report = client.get(served.api()).json()
    for name in ("funnel", "accounting", "failures", "latency"):
        assert back.snapshot[name] == report[name], name
    assert len(back.snapshot["recent"]["at"]) == 180


@pytest.mark.parametrize("last_id", ["", "0", "abc", "-1", "99999999999999999999"])
def test_an_id_that_is_none_of_ours_hides_nothing(client: httpx.Client, served: Served, last_id: str) -> None:
    """One of the future, as from a server whose clock was ahead, too."""
    [event] = watched(client, served.url + STREAM, 1, last_id=last_id)
    assert event.snapshot["funnel"]["sent"] == served.figures.counts["sent"]


def test_a_browser_is_told_when_to_come_back(client: httpx.Client, served: Served) -> None:
    with client.stream("GET", served.url + STREAM) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert next(line for line in answer.iter_lines() if line) == "retry: 2000"


def test_an_open_page_sees_its_stream_end_in_order(played: tuple[Pipeline, Figures], tmp_path: Path) -> None:
    """The API does not wait for it, cuts off no answer, and has nothing to say of it."""
    with ExitStack() as watching:
        with api_running(played[0].settings, tmp_path, TIDEMARK_ACCESS="open") as url:
            answer = watching.enter_context(httpx.stream("GET", url + STREAM, timeout=30))
            lines = answer.iter_lines()
            assert next(_events(lines)).snapshot["funnel"]["sent"]
        for _ in lines:
            pass  # raises RemoteProtocolError where it was cut off
    assert (tmp_path / "api.log").read_text() == ""


def watched(client: httpx.Client, url: str, count: int, last_id: str | None = None) -> list[Event]:
    """The next so many snapshots; then the connection is given up."""
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    with client.stream("GET", url, headers=headers) as answer:
        assert answer.status_code == 200
        events = _events(answer.iter_lines())
        return [next(events) for _ in range(count)]


def _events(lines: Iterator[str]) -> Iterator[Event]:
    told: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            told[name] = value
        elif told.get("event") == "snapshot":
            yield Event(int(told["id"]), json.loads(told["data"]))
            told = {}
