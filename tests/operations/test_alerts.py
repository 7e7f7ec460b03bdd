"""Dashboards and alert rules name only figures that are exported; each alert fires, and has its page in the runbook."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from flows import flow_metrics
from flows.sending import sender_metrics
from sql import exporter
from sql.telemetry import requests
from tests.operations.compose import ROOT
from tests.parts import lacking

PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"][0]["rules"]
BOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
EXPORTED = (
    flow_metrics.NAMES
    | exporter.NAMES
    | requests.NAMES
    | sender_metrics.NAMES
    | {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}
)
_METRIC = re.compile(r"\b(?:tidemark|process)_[a-z0-9_]+|\bup\b")


def metrics(expression: str) -> set[str]:
    return set(_METRIC.findall(expression))


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    if not shutil.which("promtool"):
        lacking("promtool", "apt-get install prometheus")
    return subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=240, check=False
    )


def test_each_alert_fires_by_its_cause_and_not_beside_it() -> None:
    done = promtool("test", "rules", "rules_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    tests = (PROMETHEUS / "rules_test.yml").read_text()
    for rule in RULES:
        assert f"name: {rule['alert']} fires" in tests
        assert f"name: {rule['alert']} stays quiet" in tests


def test_the_configuration_is_sound() -> None:
    done = promtool("check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_rules_name_what_is_exported_and_lead_to_the_runbook(rule: dict[str, dict[str, str]]) -> None:
    assert metrics(str(rule["expr"])) <= EXPORTED
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^## (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in {heading.lower() for heading in headings}
    assert rule["labels"]["severity"] in ("critical", "warning", "info")


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_panels_name_what_is_exported(board: Path) -> None:
    panels = json.loads(board.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["datasource"]["uid"] == "prometheus"
        for target in panel["targets"]:
            assert metrics(target["expr"]), panel["title"]
            assert metrics(target["expr"]) <= EXPORTED, panel["title"]


def test_every_figure_that_is_exported_is_seen_somewhere() -> None:
    seen = {name for rule in RULES for name in metrics(rule["expr"])}
    for board in BOARDS:
        panels = json.loads(board.read_text())["panels"]
        seen |= {name for panel in panels for target in panel["targets"] for name in metrics(target["expr"])}
    unseen = {name for name in EXPORTED - seen if not name.endswith(("_sum", "_count"))}
    assert unseen == set()
