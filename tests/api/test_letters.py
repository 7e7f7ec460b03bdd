"""Dead letters as the API and the page tell of them: what `flows.dlq` finds in the topics."""

import shlex
from typing import Any

import httpx
from playwright.sync_api import Browser, expect

from flows.dlq import _parser
from flows.mending import DeadLetters, Selection
from sql.warehouse import Warehouse
from tests.api.conftest import Served

WAIT_MS = 30_000


def told(client: httpx.Client, served: Served) -> dict[tuple[str, str], dict[str, Any]]:
    answer = client.get(f"{served.url}/api/dead-letters", params={"days": 30}).raise_for_status().json()
    return {(line["topic"], line["reason"]): line for line in answer["reasons"]}


def test_what_the_flows_counted_is_what_stands_in_the_topics_and_what_was_closed_is_not_open(
    client: httpx.Client, served: Served
) -> None:
    with Warehouse(served.settings.clickhouse, share=True) as warehouse:
        letters = DeadLetters(served.settings, warehouse)
        found = {(row["topic"], row["reason"]): row for row in letters.summary(Selection())}
        before = told(client, served)
        assert found
        assert {key: line["open"] for key, line in before.items()} == {
            key: row["letters"] for key, row in found.items()
        }
        assert {key: line["next_step"] for key, line in before.items()} == {
            key: row["do"] for key, row in found.items()
        }
        first = next(iter(found))
        closed = letters.discard(Selection(topic=first[0], reason=first[1]))
    after = told(client, served)[first]
    assert (after["discarded"], after["open"]) == (closed, 0)


def test_the_commands_are_flows_dlqs(client: httpx.Client, served: Served) -> None:
    for (topic, reason), line in told(client, served).items():
        for word in ("show", "replay", "discard"):
            python, m, module, *arguments = shlex.split(line[word])
            assert (python, m, module) == ("python", "-m", "flows.dlq")
            parsed = _parser().parse_args(arguments)
            assert (parsed.action, parsed.topic, parsed.reason) == (word, topic, reason)


def test_the_page_has_a_section_for_each_reason(browser: Browser, client: httpx.Client, served: Served) -> None:
    page = browser.new_page()
    page.goto(f"{served.url}/ops/dead-letters")
    lines = told(client, served)
    expect(page.locator("#letters section")).to_have_count(len(lines), timeout=WAIT_MS)
    for line in lines.values():
        section = page.locator(f'section[aria-labelledby="{line["topic"]}-{line["reason"]}"]')
        expect(section).to_contain_text(line["next_step"])
        expect(section.locator("code")).to_contain_text(line["replay"])
    page.close()
