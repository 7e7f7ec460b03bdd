"""The sizing table: its arithmetic, and that it goes by what the README says was measured."""

import re
from pathlib import Path

import pytest

from loadgen import sizing
from loadgen.sizing import BUSY, CORES, RATES, WINDOW_S, size

ROOT = Path(__file__).parents[2]


def test_the_page_holds_the_table() -> None:
    assert sizing.table() in (ROOT / "docs" / "scaling.md").read_text()


def test_its_constants_are_the_benchmarks_figures() -> None:
    readme = (ROOT / "README.md").read_text()
    cpu_us = re.search(r"bench pipeline --only tidemark .* ([\d.]+) µs", readme)
    slowest = re.search(r"loadgen\.demo --once --messages 300000 --json` \|.* the slowest of them ([\d,]+)", readme)
    assert cpu_us
    assert float(cpu_us[1]) == sizing.STATUS_CPU_US
    assert slowest
    assert int(slowest[1].replace(",", "")) == sizing.BOTH_HOPS_PER_S


@pytest.mark.parametrize("rate", RATES)
def test_processes_have_partitions_and_cores_room(rate: int) -> None:
    row = size(rate)
    assert row.partitions >= max(row.route_processes, row.status_processes)
    assert row.route_processes * BUSY * 1e6 / sizing.route_cpu_us() >= rate
    assert row.status_processes * BUSY * 1e6 / sizing.STATUS_CPU_US >= rate
    both = rate * CORES / sizing.BOTH_HOPS_PER_S
    assert row.cores * BUSY == pytest.approx(both, abs=0.01)
    assert row.window_gib * 2**30 == pytest.approx(rate * WINDOW_S * sizing.WINDOW_ID_BYTES, rel=0.05)


def test_ten_times_the_rate_takes_ten_times_as_much() -> None:
    small, large = size(100_000), size(1_000_000)
    assert large.cores == pytest.approx(10 * small.cores, rel=0.01)
    assert large.rows_gib_a_day == pytest.approx(10 * small.rows_gib_a_day, rel=0.01)
