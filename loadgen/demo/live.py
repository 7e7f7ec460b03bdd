"""The campaign playing live: webhooks come in as time goes by, the page shows what the tables say."""

import threading
import time
from collections.abc import Callable

import msgspec

from flows.topics import open_producer
from loadgen.demo.compare import COUNTS, differences
from loadgen.demo.flows_run import Flows
from loadgen.expected import Expected
from loadgen.plan import Plan, earlier_plans
from loadgen.processes import behind
from loadgen.writing import Run, append, write
from schemas.errors import TidemarkError
from schemas.settings import Settings
from schemas.times import wall_clock
from sql.migrate import migrate
from sql.warehouse import Warehouse

_SLICE_MS = 50
_SETTLE_S = 3.0
_LOOK_EVERY_S = 0.5
_PATIENCE_S = 120.0
_STEPS = 60


def play(
    settings: Settings, plan: Plan, serve: Callable[[Callable[[], bool]], None], tell: Callable[[str], None]
) -> None:
    """Until Ctrl-C, or until `serve`, which runs the page in this thread, returns. Raises TidemarkError."""
    with Warehouse(settings.clickhouse, share=True, create=True) as warehouse:
        migrate(warehouse)
        flows = Flows(settings, ends=False)
        ended = threading.Event()
        player = threading.Thread(target=_play, args=(settings, plan, warehouse, flows, ended, tell), name="player")
        flows.start()
        player.start()
        try:
            serve(flows.failed)
        finally:
            ended.set()
            player.join()
            flows.stop()
            flows.wait()


def _play(
    settings: Settings,
    plan: Plan,
    warehouse: Warehouse,
    flows: Flows,
    ended: threading.Event,
    tell: Callable[[str], None],
) -> None:
    """A player that breaks takes the flows along."""
    try:
        _write(settings, plan, warehouse, ended, tell)
    except TidemarkError as error:
        flows.fail(error)


def _write(
    settings: Settings, plan: Plan, warehouse: Warehouse, ended: threading.Event, tell: Callable[[str], None]
) -> None:
    """Earlier campaigns at once, then each twentieth of a second of the live one when its time has come."""
    producer = open_producer(settings)
    try:
        for earlier in earlier_plans(plan.start_ms, plan.seed):
            write(Run(earlier, "webhook", producer.partitions), producer)
        run = Run(plan, "webhook", producer.partitions, steps=_STEPS)
        for chunk in run.chunks(slice_ms=_SLICE_MS):
            if ended.wait(max(0.0, (chunk.at_ms - wall_clock()) / 1000)):
                return
            append(producer, chunk)
            producer.flush()
    finally:
        producer.close()
    _settle(settings, ended)
    expected = run.expected()
    wrong = _differences(warehouse, expected, ended)
    counted = {name: expected.campaigns[plan.campaign_id].counts.get(name, 0) for name in COUNTS}
    exact = f"every figure is exact: {msgspec.json.encode(counted).decode()}"
    tell(exact if not wrong else f"{len(wrong)} figures are off, the first: {wrong[0]}")


def _differences(warehouse: Warehouse, expected: Expected, ended: threading.Event) -> list[str]:
    """What stays wrong: the last statuses without ids may still be looking for their message."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while (wrong := differences(warehouse, expected)) and time.monotonic() < deadline_s:
        if ended.wait(_SETTLE_S):
            break
    return wrong


def _settle(settings: Settings, ended: threading.Event) -> None:
    """Until the flows have read all, and what came without ids has found its message."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while behind(settings) and time.monotonic() < deadline_s and not ended.wait(_LOOK_EVERY_S):
        pass
    ended.wait(_SETTLE_S)
