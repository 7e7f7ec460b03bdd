"""`--once`: write a campaign's raw webhooks, run both hops over them flat out, compare every figure."""

import time

from msgspec import Struct

from flows.topics import open_producer
from loadgen.demo.compare import COUNTS, counts, differences
from loadgen.demo.flows_run import Flows
from loadgen.expected import Expected
from loadgen.plan import Plan
from loadgen.warm import WarmFlow, run_route
from loadgen.writing import Run, write
from schemas.settings import Settings
from sql.migrate import migrate
from sql.warehouse import Warehouse

_UNIQUE = """
SELECT
    (SELECT count() FROM v_events)
    + (SELECT uniqExact(provider, provider_message_id, recipient, status, error_code, raw_status) FROM waiting FINAL)
    AS events
"""
WITHIN_WINDOW = 0.95
"""Of the repeats inside the window, so many are to be dropped."""


class Report(Struct, kw_only=True):
    """What `--json` prints. Events are status events: statuses of bodies, outcomes of outbound records, bad lines."""

    events_in: int
    events_unique: int
    duplicates_dropped: int
    duplicates_passed: int
    dead_letters: int
    counts: dict[str, int]
    expected: dict[str, int]
    exact: bool
    seconds: float
    events_per_s: float
    repeats_in_window: int
    differences: list[str]


def run_once(settings: Settings, plan: Plan) -> Report:
    """The report on a campaign played into empty topics and tables. Raises TidemarkError."""
    with Warehouse(settings.clickhouse, share=True, create=True) as warehouse:
        migrate(warehouse)
        return _run(warehouse, settings, plan)


def _run(warehouse: Warehouse, settings: Settings, plan: Plan) -> Report:
    expected = _write(settings, plan)
    flows = Flows(settings, ends=True, apart=WarmFlow(run_route, settings))
    started = time.monotonic()
    flows.start()
    flows.wait()
    seconds = time.monotonic() - started
    return _report(warehouse, plan, expected, seconds)


def _write(settings: Settings, plan: Plan) -> Expected:
    producer = open_producer(settings)
    try:
        run = Run(plan, "webhook", producer.partitions)
        write(run, producer)
        return run.expected()
    finally:
        producer.close()


def _report(warehouse: Warehouse, plan: Plan, expected: Expected, seconds: float) -> Report:
    flow = _flow_sums(warehouse)
    unique = int(warehouse.query(_UNIQUE)["events"][0])
    passed = flow["landed"] - unique
    wrong = differences(warehouse, expected)
    wrong += _undisturbed(flow, unique, passed, expected)
    return Report(
        events_in=flow["events"],
        events_unique=unique,
        duplicates_dropped=flow["dropped"],
        duplicates_passed=passed,
        dead_letters=flow["dead"],
        counts=counts(warehouse, plan.campaign_id),
        expected={name: expected.campaigns[plan.campaign_id].counts.get(name, 0) for name in COUNTS},
        exact=not wrong,
        seconds=round(seconds, 3),
        events_per_s=round(flow["events"] / seconds, 1),
        repeats_in_window=expected.repeats_in_window,
        differences=wrong,
    )


def _undisturbed(flow: dict[str, int], unique: int, passed: int, expected: Expected) -> list[str]:
    """What holds in a run that nobody disturbs: every event is accounted for once, and the window earns its keep."""
    wrong = []
    accounted = unique + flow["dropped"] + passed + flow["dead"]
    for what, found, due in (
        ("events in", flow["events"], expected.events_in),
        ("events accounted for", accounted, expected.events_in),
        ("unique events", unique, expected.events_unique),
        ("dead letters", flow["dead"], expected.dead_letters),
    ):
        if found != due:
            wrong.append(f"{what}: {found} where {due} is due")
    if flow["dropped"] < WITHIN_WINDOW * expected.repeats_in_window:
        wrong.append(f"dropped {flow['dropped']} of {expected.repeats_in_window} repeats in the window")
    return wrong


def _flow_sums(warehouse: Warehouse) -> dict[str, int]:
    """Over all that the flows said of themselves; `landed`: rows written, and statuses set aside."""
    return warehouse.query(
        """
        SELECT
            sumIf(events, flow = 'status') + sumIf(arraySum(mapValues(dead_letters)), flow = 'route') AS events,
            sumIf(rows + waiting, flow = 'status') AS landed,
            sum(dropped) AS dropped,
            sum(arraySum(mapValues(dead_letters))) AS dead
        FROM flow_stats
        """
    ).row(0, named=True)
