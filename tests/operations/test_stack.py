"""The native stack: every role of docker-compose.yml as its own process, over a real Kafka, Redis and ClickHouse over
HTTP, and the sandbox's provider that takes a campaign and posts webhooks back."""

import base64
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec
import pytest

from api.keys import main as api_keys
from loadgen.demo.compare import CHECKS, counts
from loadgen.processes import behind, wait_until_read
from loadgen.provider.ledger import Entry, Told
from sql import audit
from sql.serve import Ready
from sql.telemetry.sampling import Sampling, trace_id
from sql.warehouse import Warehouse
from tests.operations.compose import ROOT, SECRETS
from tests.operations.stack import Stack
from tests.parts.collector import Collected, Collector, collector
from tests.parts.kafka import KafkaBroker
from tests.parts.redis import RedisServer, redis_server
from tests.telemetry.asking import health, value

__all__ = ["collector", "redis_server"]

_numbers = count()
PEOPLE = 2_000
PER_S = 250
SECRET = base64.b64encode(b"a secret of the sandbox").decode()
PATIENCE_S = 120.0
TRACED = 40
"""One in so many."""


@pytest.fixture
def stack(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own_kafka: KafkaBroker,
    redis_server: RedisServer,
    clickhouse_server: Ready,
    collector: Collector,
) -> Iterator[Stack]:
    dsn = clickhouse_server.dsn.replace("/tidemark", f"/stack_{next(_numbers)}")
    changes = {"REDIS": redis_server.url, "EPOCH": "500ms", "TRACES": collector.url, "TRACES_ONE_IN": str(TRACED)}
    monkeypatch.setitem(SECRETS, "TIDEMARK_WEBHOOK_CANONICAL_SECRET", SECRET)
    stack = Stack(tmp_path, own_kafka, dsn, profiles=("sandbox",), **changes)
    yield stack
    stack.close()


def write_campaign(folder: Path) -> Path:
    """The example of the sandbox, to more people: of ten, one gave no consent and one has no address."""
    shutil.copytree(ROOT / "deploy" / "campaigns", folder)
    path = folder / "sandbox.yaml"
    path.write_text(path.read_text().replace("campaign: 200", f"campaign: {PER_S}"))
    header, *_ = (folder / "people.csv").read_text().splitlines()
    assert header == "user,name,lang,country,points,consent"
    lines = (_person(seq) for seq in range(PEOPLE))
    (folder / "people.csv").write_text(f"{header}\n{''.join(lines)}")
    return path


def _person(seq: int) -> str:
    user, consent = "" if seq % 10 == 8 else f"user{seq}", "no" if seq % 10 == 4 else "yes"
    return f"{user},Reader {seq},{('en', 'de')[seq % 2]},DE,{seq},{consent}\n"


ELIGIBLE = {seq for seq in range(PEOPLE) if seq % 10 not in (4, 8)}


def ask(stack: Stack, path: str) -> bytes:
    with urlopen(f"http://127.0.0.1:{stack.port('provider', 8900)}{path}", timeout=10) as answer:
        content: bytes = answer.read()
        return content


def told_by_status(stack: Stack) -> dict[str, int]:
    """Messages, each once, of which the provider has said so and was heard."""
    told = [msgspec.json.decode(line, type=Told) for line in ask(stack, "/_told").splitlines()]
    return Counter(status for status, _ in {(one.status, one.message_key) for one in told})


def until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.1)


def report(stack: Stack, monkeypatch: pytest.MonkeyPatch, path: str) -> Any:
    """As someone with a key sees it; without one there is nothing to see."""
    url = f"http://127.0.0.1:{stack.port('api', 8000)}/api/campaigns/first/{path}"
    with pytest.raises(HTTPError, match="401"):
        urlopen(url, timeout=10)
    for name, text in stack.variables("api").items():
        monkeypatch.setenv(name, text)
    with redirect_stdout(StringIO()) as printed:
        api_keys(["--json", "create", "someone"])
    key = json.loads(printed.getvalue())["key"]
    with urlopen(Request(url, headers={"Authorization": f"Bearer {key}"}), timeout=10) as answer:
        return json.load(answer)


STEPS = {
    "dispatch": ("flows.send", ""),
    "provider": ("flows.send", "dispatch"),
    "webhook": ("api.webhooks", "dispatch"),
    "route": ("flows.route", "webhook"),
    "land": ("flows.status", "route"),
}
"""Who tells of each step, and which one it follows. What the sender wrote itself lands right behind its dispatch."""


def check_traces(collector: Collector) -> None:
    """All steps of everyone who is sampled, each behind the one before it; of nobody else."""
    sampling = Sampling(TRACED)
    wanted = {f"{trace_id('first', seq):032x}" for seq in ELIGIBLE if sampling.takes("first", seq)}
    assert len(wanted) > 20
    complete = {(trace, step) for trace in wanted for step in STEPS}
    until(lambda: complete <= {(span.trace, span.name) for span in collector.spans}, "not all is told")
    assert {span.trace for span in collector.spans} == wanted
    known = {(span.trace, span.id): span for span in collector.spans}
    for span in collector.spans:
        service, before = STEPS[span.name]
        assert span.service == service
        _check_order(span, known.get((span.trace, span.parent)), before)


def _check_order(span: Collected, parent: Collected | None, before: str) -> None:
    if not before:
        assert span.parent == ""
        return
    assert parent is not None, span
    own = span.attributes.get("tidemark.status") in ("accepted", "rejected")
    assert parent.name == ("dispatch" if span.name == "land" and own else before), span
    assert parent.began_ns <= span.began_ns <= span.ended_ns, (parent, span)


def test_a_campaign_through_all_roles_with_a_rolling_restart_in_the_middle(
    stack: Stack, collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everyone gets it once, nothing that the provider said is lost or counts twice, and the page shows it."""
    stack.start_all()
    campaign = str(write_campaign(tmp_path / "campaigns"))
    lanes = [name for name in stack.names if name.startswith("status-")]
    flows = ["route", *lanes]
    stack.run("send", campaign, "--json")
    until(lambda: len(ask(stack, "/_ledger").splitlines()) > PEOPLE // 20, "nothing sent")
    assert value(stack.port("send", 9100), "tidemark_sender_requests_total") > 0
    stack.running["send"].ask_to_end()
    assert stack.running["send"].wait(40) == 3, "some are not sent yet"
    sending = stack.run("send", campaign, "--json")
    for together in (["webhooks"], ["route"], lanes, ["api", "exporter"]):
        assert stack.restart(*together) == [0] * len(together), together
    assert sending.wait(PATIENCE_S) == 0, sending.said()
    until(lambda: ask(stack, "/_pending") == b"0", "the receiver does not take all webhooks")
    settings = stack.settings("route")
    wait_until_read(settings, [stack.running[name] for name in flows], PATIENCE_S)
    assert behind(settings) == 0

    ledger = [msgspec.json.decode(line, type=Entry) for line in ask(stack, "/_ledger").splitlines()]
    assert sorted(entry.message_key for entry in ledger) == sorted(ELIGIBLE), "everyone, once"
    told = told_by_status(stack)
    expected = {"sent": len(ELIGIBLE), **{name: told[name] for name in ("delivered", "read", "failed")}}
    with Warehouse(settings.clickhouse) as warehouse:
        figures = counts(warehouse, "first")
        wrong = {check.stem: warehouse.query(check.read_text()) for check in CHECKS.glob("*.sql")}
        acts = [(entry.action, entry.subject) for entry in audit.entries(warehouse)]
        accounting = dict(warehouse.ask("accounting", campaign_id="first").select("what", "messages").iter_rows())
    assert {name: figures[name] for name in expected} == expected
    assert {name: len(rows) for name, rows in wrong.items()} == dict.fromkeys(wrong, 0)
    assert acts == [("send", "first")] * 2
    assert sum(accounting.values()) == PEOPLE
    assert accounting["handed over"] == len(ELIGIBLE)
    funnel = report(stack, monkeypatch, "funnel")["funnel"]
    assert {name: funnel[name] for name in expected} == expected

    assert health(stack.port("api", 8000), "/healthz")[0] == 200
    exporter = stack.port("exporter", 9100)
    assert value(exporter, "tidemark_database_up") == 1
    assert value(exporter, "tidemark_table_rows", table="status_events") > 0
    for name in flows:
        assert health(stack.port(name, 9100), "/readyz")[0] == 200
    for name in (*flows, "api", "exporter"):
        assert all("event" in json.loads(line) for line in stack.running[name].said().splitlines()), name
    check_traces(collector)
