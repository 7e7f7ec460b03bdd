"""What the page shows in states and on screens that the played campaign is never in: the test plays its stream."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.api.conftest import CAMPAIGN, Served
from tests.api.test_pages import COLUMNS, CUT_OFF, WAIT_MS

STREAM = """
window.told = %s;
window.EventSource = class extends EventTarget {
  constructor() {
    super();
    window.streams = [...(window.streams ?? []), this];
    this.timer = setInterval(() => this.tell(), 100);
  }
  tell() {
    if (window.told) this.dispatchEvent(new MessageEvent("snapshot", { data: JSON.stringify(window.told) }));
  }
  close() { clearInterval(this.timer); }
};
"""
"""A stream that tells `told` ten times a second; null: nothing yet."""
PLACES = """
[...document.querySelectorAll(
  "main > section, th[scope=col], .head h2, #failures tr, #routes tr, .trio dt, .ledger dt")]
  .map((node) => [node.textContent.trim().slice(0, 8), Math.round(node.getBoundingClientRect().left),
    Math.round(node.getBoundingClientRect().top)])
  .filter(([name]) => !/\\d/.test(name))
"""
"""Where everything stands that isn't a figure."""
Open = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """A page whose stream tells `told`; it said nothing on its console when it closes."""
    contexts, said = [], []

    def opened(url: str, told: Any, width: int = 1440, height: int = 900) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: said.append(str(error)))
        page.add_init_script(STREAM % json.dumps(told))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture
def snapshot(client: httpx.Client, served: Served) -> Any:
    return client.get(served.api()).json()


def is_in(page: Page, state: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-state", state, timeout=WAIT_MS)


def nothing_sent(snapshot: Any) -> Any:
    """The same campaign before it began."""
    nulls = {
        name: None if name not in ("at", "step_s", "events") else told for name, told in snapshot["recent"].items()
    }
    recent = {name: [None] * len(snapshot["recent"]["at"]) if told is None else told for name, told in nulls.items()}
    return snapshot | {
        "funnel": dict.fromkeys(snapshot["funnel"], 0),
        "rates": dict.fromkeys(snapshot["rates"]),
        "plan": snapshot["plan"] | {"limit_per_s": 10.0, "audience": 6_000},
        "pace": dict.fromkeys(snapshot["pace"])
        | {"phase": "ready", "allowed_per_s": 0, "achieved_per_s": 0, "why": ""},
        "verdict": {
            "state": "ready",
            "word": "Ready.",
            "sentence": "6,000 messages are planned.",
            "more": "",
            "owner": "",
        },
        "accounting": {"audience": 6_000, "lines": [{"what": "queued", "messages": 6_000}], "gap": 0},
        "queued": 6_000,
        "latency": {"exact": False, "percentiles": [], "parts": [], "delivered": [], "within_sla": None},
        "recent": recent | {"events": []},
        "cost": {"total": 0, "counted_at": None},
        "providers": [],
        "all_providers": dict.fromkeys(snapshot["all_providers"]) | {"sent": 0},
        "failures": [],
        "comparison": {"earlier": [], "usual": []},
    }


@pytest.mark.parametrize("sent", [3_600, 4_200, 5_200])
def test_what_is_queued_can_be_read_wherever_the_tide_stands(
    opened: Open, served: Served, snapshot: Any, sent: int
) -> None:
    """Its words have a ground of their own where they reach over the bar of what was sent."""
    told = nothing_sent(snapshot)
    told |= {"funnel": told["funnel"] | {"sent": sent}, "queued": 6_000 - sent}
    page = opened(f"{served.url}/c/{CAMPAIGN}", told)
    words = page.locator('[data-stage="sent"] [data-say]')
    expect(words).to_have_text(f"{6_000 - sent:,} queued")
    stands, bar = words.bounding_box(), page.locator('[data-stage="sent"] [data-seg="is"]').bounding_box()
    assert stands is not None
    assert bar is not None
    over = stands["x"] < bar["x"] + bar["width"]
    ground = words.evaluate("(node) => getComputedStyle(node).backgroundColor")
    assert (ground != "rgba(0, 0, 0, 0)") >= over


def test_before_it_begins_the_plan_stands_where_the_pace_will(opened: Open, served: Served, snapshot: Any) -> None:
    page = opened(f"{served.url}/c/{CAMPAIGN}", nothing_sent(snapshot))
    is_in(page, "empty")
    expect(page.locator("#why")).to_have_text("Plan: 10 min at 10/s.")
    expect(page.locator('[data-stage="sent"] [data-say]')).to_have_text("6,000 queued")
    expect(page.locator('[data-stage="sent"] [data-say]')).to_be_visible()
    assert page.locator('[data-stage="read"] [data-rate]').inner_text() == "\u2013"
    assert page.evaluate(CUT_OFF) == []
    columns = page.evaluate(COLUMNS)
    page.evaluate("told => { window.told = told; }", snapshot)
    is_in(page, "live")
    assert page.evaluate(COLUMNS) == columns, "columns stay where they are once it begins"


def test_without_a_plan_there_is_nothing_to_add_up_to(opened: Open, served: Served, snapshot: Any) -> None:
    """No audience, no gap, no share of what was to be sent."""
    unplanned = snapshot | {
        "plan": snapshot["plan"] | {"audience": None},
        "accounting": snapshot["accounting"] | {"audience": None, "gap": None},
    }
    page = opened(f"{served.url}/c/{CAMPAIGN}", unplanned)
    is_in(page, "live")
    expect(page.locator("#adds-up")).to_have_text("No plan to add up to")
    expect(page.locator("#ledger dd").first).to_have_text("\u2013")
    expect(page.locator('[data-stage="sent"] [data-usual]')).to_have_text("")
    assert page.evaluate(CUT_OFF) == []


def grown(snapshot: Any) -> Any:
    """A tick later, every figure a digit longer and another verdict above them."""
    text = json.dumps(snapshot)
    later = json.loads(text)
    for name in later["funnel"]:
        later["funnel"][name] = later["funnel"][name] * 10 + 7
    for line in later["accounting"]["lines"]:
        line["messages"] = line["messages"] * 10 + 7
    for line in later["providers"]:
        line |= {"sent": line["sent"] * 10, "per_s": 1_234.0, "p95_ms": 754_000, "state": "alert"}
    later["accounting"]["audience"] *= 10
    later["verdict"] |= {"state": "watch", "word": "Watch.", "sentence": "A provider delivers only 84.3%.", "more": "x"}
    later["exactness"] |= {"exact": False, "wrong": ["totals"]}
    return later


def test_nothing_but_the_figures_moves_on_an_update(opened: Open, served: Served, snapshot: Any) -> None:
    page = opened(f"{served.url}/c/{CAMPAIGN}", snapshot)
    is_in(page, "live")
    places = page.evaluate(PLACES)
    assert len(places) > 20
    focused = page.locator("#ledger button").first
    focused.focus()
    before = focused.inner_text()
    page.evaluate("told => { window.told = told; }", grown(snapshot))
    expect(page.locator("#exact")).to_contain_text("Not exact", timeout=WAIT_MS)
    assert page.evaluate(PLACES) == places
    expect(focused).to_be_focused()
    assert focused.inner_text() != before, "a figure that opens its rows stays under the finger while it grows"
    assert page.evaluate("document.documentElement.scrollHeight") <= 900


@pytest.mark.parametrize(("width", "height", "larger"), [(1920, 1080, 1.2), (2560, 1440, 1.5), (3840, 2160, 2.2)])
def test_wall_screens_show_one_larger_screen_with_sharp_charts(
    opened: Open, served: Served, snapshot: Any, width: int, height: int, larger: float
) -> None:
    page = opened(f"{served.url}/c/{CAMPAIGN}", snapshot, width, height)
    is_in(page, "live")
    assert page.evaluate("document.documentElement.scrollHeight") <= height
    assert page.locator("#p50").bounding_box()["height"] == pytest.approx(25 * larger, abs=1)  # type: ignore[index]
    canvas = page.locator("#recent canvas")
    box, dots = canvas.bounding_box(), canvas.evaluate("canvas => canvas.width")
    assert box is not None
    assert dots == pytest.approx(box["width"], abs=2), "a dot of the canvas is a dot of the screen"
    plot = page.locator("#recent .u-over").bounding_box()
    assert plot is not None
    page.mouse.move(plot["x"] + plot["width"] - 1, plot["y"] + 5)
    last = page.evaluate("at => new Date(at * 1000).toLocaleTimeString('en-GB')", snapshot["recent"]["at"][-1])
    expect(page.locator("#readout")).to_contain_text(last, timeout=WAIT_MS)


def test_axes_have_round_steps_that_rest_while_values_waver(opened: Open, served: Served) -> None:
    page = opened(f"{served.url}/ops", None)
    step = "([most, unit]) => import('/static/js/lines.js').then(({ niceStep }) => niceStep(most, unit))"
    for most, unit, due in (
        (3_800, 1, 2_000),
        (4_000, 1, 2_000),
        (4_001, 1, 2_500),
        (1, 1, 0.5),
        (190_000, 60_000, 120_000),
    ):
        assert page.evaluate(step, [most, unit]) == pytest.approx(due)


SERIOUS = ("serious", "critical")


def test_axe_finds_nothing_serious_while_loading_stale_or_disconnected(
    opened: Open, served: Served, snapshot: Any
) -> None:
    page = opened(f"{served.url}/c/{CAMPAIGN}", None)
    is_in(page, "loading")
    sound(page, "light")
    page.evaluate("told => { window.told = told; }", snapshot)
    is_in(page, "live")
    page.evaluate("window.told = null")
    is_in(page, "stale")
    sound(page, "dark")
    page.evaluate("window.streams.at(-1).dispatchEvent(new Event('error'))")
    is_in(page, "disconnected")
    sound(page, "light")


def sound(page: Page, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"][:160]) for rule in found if rule["impact"] in SERIOUS] == []
