"""When rows are first seen: each once, at the first answer that held it, merged or not."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from loadgen.sightings import Sightings
from schemas.statuses import Status
from schemas.times import wall_clock
from sql.migrate import migrate
from sql.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with Warehouse(f"chdb://{tmp_path}/clickhouse", create=True) as own:
        migrate(own)
        yield own


def land(warehouse: Warehouse, status: Status, *keys: int) -> None:
    at = pl.lit(wall_clock()).cast(pl.Datetime("ms", "UTC"))
    warehouse.insert(
        "status_events",
        pl.DataFrame({"message_key": list(keys)}, schema={"message_key": pl.UInt64}).with_columns(
            campaign_id=pl.lit("c"), attempt=pl.lit(1, pl.UInt8), status=pl.lit(status.value),
            provider=pl.lit("p"), event_time=at, received_at=at,
        ),
    )  # fmt: skip


def test_each_is_seen_once_at_the_first_answer_that_held_it(warehouse: Warehouse) -> None:
    """Also those that were merged into one part with earlier ones before anybody asked."""
    seen = Sightings(warehouse, "c", Status.DELIVERED, 4, first=10)
    assert not seen.look()
    land(warehouse, Status.DELIVERED, 10, 13)
    land(warehouse, Status.READ, 11)
    assert not seen.look()
    first = seen.seen_at.copy()
    assert list(np.flatnonzero(first)) == [0, 3]
    land(warehouse, Status.DELIVERED, 11, 13)
    warehouse.command("OPTIMIZE TABLE status_events FINAL")
    assert not seen.look()
    assert list(np.flatnonzero(seen.seen_at)) == [0, 1, 3]
    assert (seen.seen_at[[0, 3]] == first[[0, 3]]).all()
    assert seen.seen_at[1] > first[0]
    land(warehouse, Status.DELIVERED, 12)
    assert seen.look()
