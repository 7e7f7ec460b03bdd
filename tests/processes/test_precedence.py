"""Delivered before Read, where they share a process."""

from flows.topics import open_producer
from loadgen.lanes import write_statuses
from loadgen.processes import wait_until_served
from schemas.statuses import Lane
from tests.parts.flows import PATIENCE_S, START_MS, Pipeline, until

READ, DELIVERED = 1_000_000, 20_000


def test_all_that_is_delivered_is_queryable_while_most_of_read_waits(pipeline: Pipeline) -> None:
    producer = open_producer(pipeline.settings)
    write_statuses(producer, Lane.READ, 0, READ, START_MS)
    write_statuses(producer, Lane.DELIVERED, 0, DELIVERED, START_MS)
    producer.close()
    flow = pipeline.start("status")
    wait_until_served(pipeline.settings, [flow], PATIENCE_S)
    with pipeline.warehouse() as warehouse:

        def landed(status: str) -> int:
            return int(warehouse.query(f"SELECT count() FROM status_events WHERE status = '{status}'").item())

        until(lambda: landed("delivered") == DELIVERED, "Delivered did not land", flow)
        assert landed("read") < READ / 2
        until(lambda: landed("read") == READ, "Read did not land", flow)
