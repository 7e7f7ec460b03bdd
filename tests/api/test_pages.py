"""The dashboard in a real browser: figures, drill-down, states, themes, phone, accessibility, no console error."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from loadgen.processes import Flow, variables
from tests.api.conftest import CAMPAIGN, Served, wait_until_it_answers
from tests.parts.kafka import free_port

PAGES = ("/", f"/c/{CAMPAIGN}", "/ops", "/ops/dead-letters")
WAIT_MS = 30_000
STAGES = ("sent", "delivered", "read", "clicked", "failed")


CUT_OFF = """
[...document.querySelectorAll("[data-n]")].filter((node) => {
  const box = (node.closest("td, dd, p, h2") ?? node).getBoundingClientRect(), text = node.getBoundingClientRect();
  return text.width && (text.right > box.right + 1 || text.left < box.left - 1);
}).map((node) => node.outerHTML.slice(0, 120))
"""
"""Figures that stick out of the place that they stand in."""
COLUMNS = """[...document.querySelectorAll(".reach thead th")].map((cell) => cell.getBoundingClientRect().left)"""


class Watched:
    """A page that remembers what its console said."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        page.on("console", lambda message: self.said.append(f"{message.type} {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"error {error}"))

    def complaints(self) -> list[str]:
        return [line for line in self.said if line.startswith(("error", "warning"))]


@pytest.fixture
def watch(browser: Browser) -> Iterator[Any]:
    contexts = []

    def opened(url: str, width: int = 1440, height: int = 900, **options: Any) -> Watched:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.page.goto(url)
        expect(watched.page.locator("html")).to_have_attribute("data-state", "live", timeout=WAIT_MS)
        return watched

    yield opened
    for context in contexts:
        context.close()


def figure(page: Page, stage: str) -> int:
    return int(page.locator(f'[data-stage="{stage}"] .figure').inner_text().replace(",", ""))


def test_campaign_page_shows_what_the_oracle_knows(watch: Any, served: Served) -> None:
    watched = watch(f"{served.url}/c/{CAMPAIGN}")
    page = watched.page
    assert {stage: figure(page, stage) for stage in STAGES} == {s: served.figures.counts[s] for s in STAGES}
    terms = [int(text.replace(",", "")) for text in page.locator("#ledger dd").all_inner_texts()]
    assert terms[0] == sum(terms[1:]) == served.figures.audience
    expect(page.locator("#adds-up")).to_contain_text("Adds up")
    assert page.evaluate("document.documentElement.scrollHeight") <= 900
    assert watched.complaints() == []


def test_a_figure_opens_its_rows_and_a_row_its_story(watch: Any, served: Served) -> None:
    watched = watch(f"{served.url}/c/{CAMPAIGN}")
    page = watched.page
    page.locator('[data-stage="failed"] .figure').click()
    expect(page.locator("#rows tbody tr").first).to_be_visible(timeout=WAIT_MS)
    assert set(page.locator("#rows tbody td:nth-child(2)").all_inner_texts()) == {"failed"}
    page.locator("#rows tbody button").first.click()
    expect(page.locator("#rows-title")).to_contain_text("Message ", timeout=WAIT_MS)
    expect(page.locator("#rows tbody")).to_contain_text("accepted")
    page.keyboard.press("Escape")
    page.locator("#all-reasons").click()
    expect(page.locator("#rows-title")).to_contain_text("reasons")
    page.keyboard.press("Escape")
    expect(page.locator("#rows")).not_to_be_visible()
    assert watched.complaints() == []


def test_terms_of_the_accounting_and_figures_of_providers_open_as_many_rows_as_they_say(
    watch: Any, served: Served
) -> None:
    watched = watch(f"{served.url}/c/{CAMPAIGN}")
    page = watched.page
    splits = page.request.get(served.api("/splits"), params={"by": "provider"}).json()["rows"]
    weak = next(row for row in splits if 0 < row["failed"] < 50)
    term = page.locator("#ledger div", has_text="suppressed")
    of_provider = page.locator("#routes tr", has_text=weak["value"]).get_by_title("failed")
    for button, rows in ((term.locator("button"), int(term.locator("dd").inner_text())), (of_provider, weak["failed"])):
        button.click()
        expect(page.locator("#rows tbody tr")).to_have_count(rows, timeout=WAIT_MS)
        page.keyboard.press("Escape")
    assert page.locator("#ledger div", has_text="queued").locator("button").count() == 0
    assert watched.complaints() == []


def test_a_chart_is_a_table_too_and_moves_by_keyboard(watch: Any, served: Served) -> None:
    page = watch(f"{served.url}/c/{CAMPAIGN}").page
    page.locator('[data-table="hist"]').click()
    assert page.locator("#hist-table tbody tr").count() > 5
    expect(page.locator("#hist")).not_to_be_visible()
    page.locator("#recent").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#readout")).to_contain_text("sent")


def test_charts_of_operations_are_tables_too(watch: Any, served: Served) -> None:
    watched = watch(f"{served.url}/ops")
    for name in ("channels", "lanes", "inserts"):
        watched.page.locator(f'[data-table="{name}"]').click()
        expect(watched.page.locator(f"#{name}")).not_to_be_visible()
        expect(watched.page.locator(f"#{name}-table")).to_be_visible()
    assert watched.page.locator("#inserts-table tbody tr").count() > 5
    watched.page.locator('[data-table="inserts"]').click()
    expect(watched.page.locator("#inserts canvas")).to_be_visible()
    assert watched.complaints() == []


def test_reads_by_weekday_and_hour_are_a_grid_and_a_table(watch: Any, served: Served) -> None:
    """Of a campaign of more than a day, as the stream would tell."""
    page = watch(f"{served.url}/c/{CAMPAIGN}").page
    snapshot = page.request.get(served.api()).json()
    snapshot["heatmap"] = [[100 * day + hour for hour in range(24)] for day in range(7)]
    event = f"event: snapshot\ndata: {json.dumps(snapshot)}\nid: {snapshot['id']}\n\n"
    page.route("**/live", lambda route: route.fulfill(content_type="text/event-stream", body=event))
    page.reload()
    expect(page.locator("#strip rect.deep")).to_have_count(7 * 24, timeout=WAIT_MS)
    expect(page.locator("#strip")).to_have_attribute("aria-label", "Reads by weekday and hour")
    page.locator('[data-table="recent"]').click()
    expect(page.locator("#recent-table tr", has_text="Sun").locator("td").last).to_have_text("623")


def test_a_share_link_shows_the_page_without_rows(watch: Any, served: Served) -> None:
    page = watch(f"{served.url}/c/{CAMPAIGN}").page
    page.locator("#share").click()
    link = page.locator("#rows input").input_value(timeout=WAIT_MS)
    shared = watch(link)
    assert figure(shared.page, "sent") == served.figures.counts["sent"]
    assert shared.page.locator("button.figure").count() == 0
    assert shared.page.locator("#export").count() == 0
    assert shared.complaints() == []


def test_the_list_is_searched(watch: Any, served: Served) -> None:
    watched = watch(served.url)
    page = watched.page
    expect(page.locator("#campaigns tr")).to_have_count(3, timeout=WAIT_MS)
    page.locator("#find").fill("autumn")
    expect(page.locator("#campaigns tr")).to_have_count(1, timeout=WAIT_MS)
    page.locator("#find").fill("nothing like it")
    expect(page.locator("#blank-word")).to_contain_text("Nothing is called", timeout=WAIT_MS)
    page.locator("#find").fill("")
    page.get_by_role("link", name="Autumn sale").click()
    expect(page).to_have_url(f"{served.url}/c/{CAMPAIGN}")
    assert watched.complaints() == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious_and_nothing_sticks_out(
    watch: Any, served: Served, path: str, width: int, height: int, theme: str
) -> None:
    watched = watch(served.url + path, width, height, color_scheme=theme)
    page = watched.page
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    grave = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    serious = [(rule["id"], [node["html"][:160] for node in rule["nodes"][:3]]) for rule in grave]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT_OFF) == []
    assert watched.complaints() == []


def test_theme_is_switched_and_kept(watch: Any, served: Served) -> None:
    page = watch(f"{served.url}/ops", color_scheme="light").page
    background = "getComputedStyle(document.documentElement).backgroundColor"
    before = page.evaluate(background)
    page.locator("[data-theme-toggle]").click()
    assert page.evaluate(background) != before
    page.reload()
    assert page.evaluate(background) != before


def test_old_data_says_so_and_a_lost_connection_comes_back(watch: Any, served: Served) -> None:
    """A server that stands still: stale; one that is killed: disconnected; one that is back: live."""
    port = str(free_port())
    raw = {"TIDEMARK_ACCESS": "open", "TIDEMARK_HTTP_PORT": port, "TIDEMARK_RATE": "1000000"}
    url, log = f"http://127.0.0.1:{port}", served.folder / "states.log"
    first = Flow(("-m", "api"), variables(served.settings) | raw, log)
    try:
        wait_until_it_answers(url, first)
        page = watch(f"{url}/c/{CAMPAIGN}").page
        html, columns = page.locator("html"), page.evaluate(COLUMNS)
        os.kill(first.pid, signal.SIGSTOP)
        expect(html).to_have_attribute("data-state", "stale", timeout=WAIT_MS)
        expect(page.locator("[data-fresh]")).to_contain_text("Stale")
        expect(page.locator("[data-verdict-say]")).to_contain_text("As of")
        os.kill(first.pid, signal.SIGCONT)
        expect(html).to_have_attribute("data-state", "live", timeout=WAIT_MS)
        first.kill()
        expect(html).to_have_attribute("data-state", "disconnected", timeout=WAIT_MS)
        expect(page.locator("[data-fresh]")).to_contain_text("trying again in")
        assert page.evaluate(COLUMNS) == columns, "columns stay where they are in every state"
        second = Flow(("-m", "api"), variables(served.settings) | raw, log)
        try:
            wait_until_it_answers(url, second)
            page.locator("#again").click(timeout=WAIT_MS)
            expect(html).to_have_attribute("data-state", "live", timeout=WAIT_MS)
            assert figure(page, "sent") == served.figures.counts["sent"]
        finally:
            second.kill()
    finally:
        first.kill()


def test_empty_and_missing_campaigns_are_designed_for(browser: Browser, served: Served) -> None:
    page = browser.new_page()
    page.goto(f"{served.url}/c/nobody")
    expect(page.locator("[data-verdict-say]")).to_contain_text("No such campaign", timeout=WAIT_MS)
    page.close()
