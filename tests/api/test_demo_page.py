"""The demo plays in a real browser: figures move, and end at what the generator knows."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from loadgen.processes import environment
from tests.parts.kafka import free_port

WAIT_MS = 60_000
STAGES = ("sent", "delivered", "read", "clicked", "failed")


@pytest.mark.timeout(400)
def test_figures_move_and_end_at_the_oracles(browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "loadgen.demo", "--messages", "3000", "--seconds", "15"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment({"TIDEMARK_HTTP_PORT": str(port)}), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert str(port) in first
        page = browser.new_page()
        _open(page, f"http://127.0.0.1:{port}/c/autumn-sale")
        expect(page.locator("html")).to_have_attribute("data-state", re.compile("live|empty"), timeout=WAIT_MS)
        seen = {page.locator('[data-stage="sent"] .figure').inner_text()}
        for line in process.stdout:
            seen.add(page.locator('[data-stage="sent"] .figure').inner_text())
            if line.startswith("every figure is exact: "):
                due = json.loads(line.partition(": ")[2])
                break
            assert "off" not in line, line
        else:
            pytest.fail("the demo ended without a word")
        for stage in STAGES:
            expect(page.locator(f'[data-stage="{stage}"] .figure')).to_have_text(f"{due[stage]:,}", timeout=WAIT_MS)
        assert len(seen | {f"{due['sent']:,}"}) > 1
        page.close()
    finally:
        process.terminate()
        process.wait(30)


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
