"""Tidemark in the benchmark: `flows.status` as it is deployed, dedup and recovery on, every table and rollup filled."""

from msgspec import structs

from flows.stopping import Stop
from loadgen.bench.contest import Run, Task, compete
from loadgen.warm import run_status
from schemas.settings import Settings
from sql.warehouse import Warehouse


def prepare(task: Task) -> Run:
    settings = structs.replace(
        Settings.from_env(),
        broker=task.broker,
        clickhouse=task.clickhouse,
        recovery=f"{task.folder}/recovery",
        clock=task.clock,
    )
    # The embedded engine stays until the process ends: a deployed ClickHouse neither starts nor ends with a flow.
    Warehouse(task.clickhouse, share=True).query("SELECT 1")
    return lambda: run_status(settings, Stop(), lambda: True)


if __name__ == "__main__":
    compete(prepare)
