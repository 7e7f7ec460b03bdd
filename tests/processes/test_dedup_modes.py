"""The window is only the first line: with it observing or switched off the figures are exact all the same."""

import pytest

from tests.parts.flows import Pipeline

COUNTS = (
    "SELECT sum(dropped) AS dropped, sum(arraySum(mapValues(repeats))) AS repeats, sum(rows) AS rows FROM flow_stats"
)


@pytest.mark.parametrize("mode", ["observe", "off"])
def test_exact_without_dropping(pipeline: Pipeline, mode: str) -> None:
    expected = pipeline.play("lanes")
    pipeline.settle(pipeline.start("status", dedup=mode))
    assert pipeline.wrong(expected) == []
    with pipeline.warehouse() as warehouse:
        dropped, repeats, rows = warehouse.query(COUNTS).row(0)
    assert dropped == 0
    assert rows > expected.events_unique
    if mode == "observe":
        assert repeats >= 0.95 * expected.passage["autumn-sale"]["own"].repeats_in_window
    else:
        assert repeats == 0
