"""The demo in a real browser: a campaign sent to the simulator, figures that move and end at what its books say."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect

from loadgen.processes import environment
from tests.parts.kafka import free_port

WAIT_MS = 60_000
STAGES = ("sent", "delivered", "read", "clicked", "failed")


@contextmanager
def _demo(folder: Path, port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """In a session of its own, as a terminal gives it, of which nothing is left afterwards."""
    with subprocess.Popen(
        [sys.executable, "-m", "loadgen.demo", *arguments],
        cwd=folder,
        env=environment({"TIDEMARK_HTTP_PORT": str(port), "TIDEMARK_EPOCH": "500ms"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.timeout(400)
def test_figures_move_and_end_at_the_simulators_books(browser: Browser, tmp_path: Path) -> None:
    """Paused and resumed in the browser on the way."""
    port = free_port()
    with _demo(tmp_path, port, "--messages", "2000", "--seconds", "20") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert str(port) in first
        page = browser.new_page()
        _open(page, f"http://127.0.0.1:{port}/c/autumn-sale")
        expect(page.locator("html")).to_have_attribute("data-state", re.compile("live|empty"), timeout=WAIT_MS)
        seen = {page.locator('[data-stage="sent"] .figure').inner_text()}
        _pause_and_resume(page)
        for line in process.stdout:
            seen.add(page.locator('[data-stage="sent"] .figure').inner_text())
            if line.startswith("every figure is exact: "):
                due = json.loads(line.partition(": ")[2])
                break
            assert "off" not in line, line
        else:
            pytest.fail("the demo ended without a word")
        assert due["sent"] > 1_800
        assert due["delivered"] > due["read"] > due["failed"] > 0
        for stage in STAGES:
            expect(page.locator(f'[data-stage="{stage}"] .figure')).to_have_text(f"{due[stage]:,}", timeout=WAIT_MS)
        assert len(seen | {f"{due['sent']:,}"}) > 1
        page.close()


def _pause_and_resume(page: Page) -> None:
    """The sender follows, the page says so, and nothing more is handed over meanwhile."""
    phase, sent = page.locator("#phase"), page.locator('[data-stage="sent"] .figure')
    expect(sent).not_to_have_text("0", timeout=WAIT_MS)
    _order(page, "Pause", why="wrong price in it")
    expect(phase).to_contain_text("paused", timeout=WAIT_MS)
    expect(page.locator("#pause")).to_have_text("Resume", timeout=WAIT_MS)
    held = _at_rest(page, sent)
    _order(page, "Resume", why="")
    expect(phase).not_to_contain_text("paused", timeout=WAIT_MS)
    expect(sent).not_to_have_text(held, timeout=WAIT_MS)


def _at_rest(page: Page, figure: Locator) -> str:
    """What it shows once it has not moved for two seconds; a hundred messages a second would move it."""
    deadline, before = time.monotonic() + WAIT_MS / 1000, ""
    while (now := figure.inner_text()) != before:
        assert time.monotonic() < deadline, f"still moving: {now}"
        before = now
        page.wait_for_timeout(2_000)
    return now


def _order(page: Page, word: str, why: str) -> None:
    expect(page.locator("#pause")).to_have_text(word, timeout=WAIT_MS)
    page.locator("#pause").click(timeout=WAIT_MS)
    page.get_by_role("textbox", name="Why").fill(why)
    page.locator("#rows form.link-line button").click()
    expect(page.locator("#rows")).not_to_be_visible(timeout=WAIT_MS)


def _open(page: Page, url: str) -> None:
    """The campaign is there a moment after the page."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while True:
        try:
            page.goto(url)
            if page.request.get(url.replace("/c/", "/api/campaigns/")).status == 200:
                page.goto(url)
                return
        except Error:  # not listening yet
            if time.monotonic() > deadline:
                raise
        time.sleep(0.3)


@pytest.mark.timeout(120)
def test_ctrl_c_while_it_sends_ends_all_of_it_in_order(tmp_path: Path) -> None:
    with _demo(tmp_path, free_port(), "--messages", "30000", "--seconds", "300") as process:
        said = tmp_path / "data" / "demo" / "send.log"
        _until(lambda: said.exists() and "autumn-sale: " in said.read_text())
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stdout is not None
        assert "Traceback" not in process.stdout.read() + said.read_text()
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


def _until(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
