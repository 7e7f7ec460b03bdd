"""The dedup window at size: `python -m loadgen.bench window --ids 72000000 --json`.

An hour of 20,000 events a second, and one in ten again, go through the window in one process with recovery on: how long
do snapshots hold everything up as it fills, what does it hold in memory, how long does it take to come back after
kill -9, and is memory free again once the hour has passed?
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from loadgen.bench.hour import BATCH_REPEATS, HourTask
from loadgen.command import INEXACT, parser
from loadgen.processes import environment
from schemas.errors import TidemarkError, UsageError
from schemas.times import HOUR_MS, wall_clock

_SNAPSHOTS_S = 2.5


class Report(Struct, kw_only=True):
    """What `--json` prints. `stall_ms`: how long a snapshot held up everything, the median of each third of the run.

    `exact`: each id passed once, every repeat was dropped, and all were there again after the kill. `restart_s` is from
    the process's start to its last id in memory, `restore_s` without imports.
    """

    ids: int
    events: int
    seconds: float
    events_per_s: float
    stall_ms: list[float]
    longest_stall_ms: float
    rss_mb: float
    bytes_per_id: float
    restart_s: float
    restore_s: float
    restored_rss_mb: float
    expired_rss_mb: float
    exact: bool


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.bench window", __doc__)
    add = told.add_argument
    add("--ids", type=int, default=72_000_000, help="in the hour (default: %(default)s)")
    add("--epoch-ms", type=int, default=1000, help="between snapshots (default: %(default)s)")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def command(arguments: list[str]) -> int:
    """The exit code: 0, or 1 where a repeat passed or a first was dropped."""
    options = _parser().parse_args(arguments)
    if not (1 <= options.ids <= 1_000_000_000 and 50 <= options.epoch_ms <= 60_000):
        raise UsageError("--ids: 1 to 1000000000; --epoch-ms: 50 to 60000")
    report = run_bench(options.ids, options.epoch_ms)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return 0 if report.exact else INEXACT


def run_bench(ids: int, epoch_ms: int) -> Report:
    """Raises TidemarkError."""
    with tempfile.TemporaryDirectory(prefix="tidemark-") as folder:
        start_ms = wall_clock() // HOUR_MS * HOUR_MS
        task = HourTask(ids, start_ms, folder, epoch_ms, window_mb=max(2048, ids * 30 >> 20))
        filled = _fill(task, Path(folder))
        started = time.monotonic()
        with _started(task, Path(folder)) as process:
            resumed = _told(process, Path(folder))
            restart_s = time.monotonic() - started
            expired = _told(process, Path(folder))
            process.wait(60)
    return _report(filled, resumed, expired, restart_s, ids)


def _fill(task: HourTask, folder: Path) -> dict[str, Any]:
    """Until it holds all and has snapshotted it; killed."""
    with _started(task, folder) as process:
        try:
            filled = _told(process, folder)
            time.sleep(_SNAPSHOTS_S * task.epoch_ms / 1000)
            return filled
        finally:
            process.kill()


def _started(task: HourTask, folder: Path) -> subprocess.Popen[str]:
    with (folder / "hour.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "loadgen.bench.hour", msgspec.json.encode(task).decode()],
            env=environment({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def _told(process: subprocess.Popen[str], folder: Path) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise TidemarkError(f"the window's process ended: {(folder / 'hour.log').read_text()[-500:]}")
    told: dict[str, Any] = json.loads(line)
    return told


def _report(
    filled: dict[str, Any], resumed: dict[str, Any], expired: dict[str, Any], restart_s: float, ids: int
) -> Report:
    events = ids + (filled["batches"] - 1) * BATCH_REPEATS
    stalls_ms = [1000 * stall for stall in filled["stalls_s"]] or [0.0]
    third = -(-len(stalls_ms) // 3)
    return Report(
        ids=ids,
        events=events,
        seconds=round(filled["seconds"], 1),
        events_per_s=round(events / filled["seconds"], 1),
        stall_ms=[
            round(statistics.median(stalls_ms[first : first + third]), 1) for first in range(0, len(stalls_ms), third)
        ],
        longest_stall_ms=round(max(stalls_ms), 1),
        rss_mb=round(filled["rss_mb"], 1),
        bytes_per_id=round((filled["table_mb"] * (1 << 20)) / ids, 1),
        restart_s=round(restart_s, 1),
        restore_s=round(resumed["seconds"], 1),
        restored_rss_mb=round(resumed["rss_mb"], 1),
        expired_rss_mb=round(expired["rss_mb"], 1),
        exact=filled["passed"] == filled["ids"] == resumed["ids"] == ids and expired["ids"] == 0,
    )


def _in_words(report: Report) -> str:
    stalls = ", ".join(f"{stall:.0f}" for stall in report.stall_ms)
    return (
        f"{report.ids:,} ids held, {report.events_per_s:,.0f} events/s, {report.rss_mb:,.0f} MB"
        f" ({report.bytes_per_id} bytes an id); a snapshot holds up {stalls} ms by third of the run, at most"
        f" {report.longest_stall_ms:.0f} ms\nback after kill -9 in {report.restart_s} s ({report.restore_s} s without"
        f" imports), {report.restored_rss_mb:,.0f} MB; the hour past: {report.expired_rss_mb:,.0f} MB;"
        f" {'exact' if report.exact else 'NOT exact'}"
    )
