"""`python -m tests.pictures [URL]`: pictures of each page of a running demo, for the README, into docs/pictures."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
PICTURES = (
    ("campaign", "/c/autumn-sale", 1440, 900, "light"),
    ("campaign-dark", "/c/autumn-sale", 1440, 900, "dark"),
    ("campaign-phone", "/c/autumn-sale", 390, 844, "light"),
    ("operations", "/ops", 1440, 900, "light"),
    ("campaigns", "/", 1440, 560, "light"),
)
_SETTLES_MS = 2_500


def take(url: str) -> None:
    """Each page when its figures stand."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, path, width, height, theme in PICTURES:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(url + path)
            page.wait_for_selector("html[data-state=live]", timeout=180_000)
            page.wait_for_timeout(_SETTLES_MS)
            page.screenshot(path=FOLDER / f"{name}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    take(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
