"""A campaign played through the status flow, and `python -m api` over it: one for all tests here."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from msgspec import Struct

from loadgen.expected import Figures
from loadgen.plan import Plan
from loadgen.processes import Flow, end, variables, wait_until_read
from schemas.settings import Settings
from schemas.times import DAY_MS, HOUR_MS
from tests.parts.flows import START_MS, Pipeline
from tests.parts.kafka import free_port

MESSAGES = 4_000
CAMPAIGN = "autumn-sale"
EARLIER = Plan(
    seed=7,
    messages=3_200,
    start_ms=START_MS - DAY_MS,
    duration_ms=5 * HOUR_MS,
    pilot=False,
    campaign_id="summer-sale",
    campaign_name="Summer sale",
    alone=True,
)
"""What the campaign is compared with."""
_ANSWERS_WITHIN_S = 120.0
_READ_WITHIN_S = 200.0


class Served(Struct):
    """The API over a played campaign; `figures` are what the generator knows of it."""

    url: str
    settings: Settings
    figures: Figures
    folder: Path

    def api(self, path: str = "") -> str:
        return f"{self.url}/api/campaigns/{CAMPAIGN}{path}"


@contextmanager
def api_running(settings: Settings, folder: Path, name: str = "api", **raw: str) -> Iterator[str]:
    """Its address, once it answers."""
    port = free_port()
    told = variables(settings) | {"TIDEMARK_HTTP_PORT": str(port), **raw}
    process = Flow(("-m", "api"), told, folder / f"{name}.log")
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_it_answers(url, process)
        yield url
        process.ask_to_end()
        assert process.wait(_READ_WITHIN_S) == 0, process.said()
    finally:
        process.kill()


def wait_until_it_answers(url: str, process: Flow) -> None:
    deadline = time.monotonic() + _ANSWERS_WITHIN_S
    while True:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert process.running(), process.said()
        assert time.monotonic() < deadline, process.said()
        time.sleep(0.1)


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pipeline, Figures]]:
    pipeline = Pipeline(tmp_path_factory.mktemp("played"), messages=MESSAGES)
    try:
        pipeline.play(into="lanes", plan=EARLIER)
        expected = pipeline.play(into="lanes")
        flow = pipeline.start("status")
        wait_until_read(pipeline.settings, [flow], _READ_WITHIN_S)
        assert end([flow]) == [0], flow.said()
        yield pipeline, expected.campaigns[CAMPAIGN]
    finally:
        pipeline.close()


@pytest.fixture(scope="session")
def served(played: tuple[Pipeline, Figures]) -> Iterator[Served]:
    """Open to this machine."""
    pipeline, figures = played
    raw = {"TIDEMARK_ACCESS": "open", "TIDEMARK_RATE": "1000000"}
    with api_running(pipeline.settings, pipeline.folder, **raw) as url:
        yield Served(url, pipeline.settings, figures, pipeline.folder)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as client:
        yield client
