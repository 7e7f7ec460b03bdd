"""The pages: built without a warning, and what they tell a reader to type or set is there."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.errors import UsageError
from schemas.settings import PREFIX, Settings, settings_page
from tests.operations.compose import ROOT

PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
OURS = ("api", "flows", "loadgen", "schemas", "sql")


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "site" / "runbook" / "index.html").is_file()
    decisions = (tmp_path / "site" / "decisions" / "index.html").read_text()
    assert "The audit log is a chain of SHA-256" in decisions
    assert "8&lt;" not in decisions


def test_the_configuration_page_is_made_of_the_settings() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == settings_page(), "make generate"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_modules(page: Path) -> None:
    for module in set(re.findall(r"python -m ([a-z_.]+[a-z])", page.read_text())):
        if module.partition(".")[0] in OURS:
            assert importlib.util.find_spec(module) is not None, f"{page.name}: python -m {module}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"^make ([a-z]+)(?: +#|$)", page.read_text(), re.MULTILINE) + re.findall(
        r"`make ([a-z]+)`", page.read_text()
    )
    assert set(named) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_are_known(page: Path) -> None:
    """By name: whatever value stands beside it."""
    for variable in set(re.findall(rf"{PREFIX}[A-Z_]+[A-Z]", page.read_text())):
        name = variable.removesuffix("_FILE")
        if variable.endswith("_X_FILE") or name.startswith((f"{PREFIX}KAFKA", f"{PREFIX}WEBHOOK", f"{PREFIX}X")):
            continue
        told = ""
        try:
            Settings.from_env({name: "1"})
        except UsageError as error:
            told = str(error)
        assert "no such setting" not in told, f"{page.name}: {variable}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    for name in set(re.findall(r"`((?:deploy|docs|sql|tests|flows|api)/[\w./*-]+)`", page.read_text())):
        assert list(ROOT.glob(name.rstrip("/"))), f"{page.name}: {name}"
