"""How long does a report of 50 million messages take, and who can watch?

    SQL ─▶ status_events, outbound and all rollups ─▶ sql.serve ─▶ python -m api ─▶ page, stream, export
                                                         ▲
                                      20,000 events a second, while asked again

No answer is kept anywhere: each page is asked anew; what the API counts in the background is said apart. Engine, API
and who asks are processes of their own, on the same cores.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from api.context import Context
from api.live.closing import close_campaign, count_splits
from api.live.counted import count_answers
from api.live.desk import QUESTION_SETTINGS, QUESTIONS_AT_ONCE
from api.live.watcher import Watcher
from api.reports.splits import read_split
from api.reports.timeline import FAR_S
from loadgen.bench.arriving import Arriving
from loadgen.bench.national import CAMPAIGN, fill
from loadgen.bench.watching import watch
from loadgen.command import parser, scratch
from loadgen.proc import peak_rss_mb
from loadgen.processes import Flow, last_line, variables, wait_until_served
from schemas.errors import TidemarkError, UsageError
from schemas.settings import Settings
from sql.cli import progress
from sql.warehouse import Warehouse

_EXPORTED = 1_000_000
_ROUNDS = 300
_WARM_ROUNDS = 5
_CATCHES_UP_S = 5.0
"""Merges that were held back, so that parts were unmerged, are done with before events that arrive are measured."""
_PER_MINUTE = "10000000"
_ANSWERS_WITHIN_S = 60.0
Figures = dict[str, float]
"""Some fields of the report."""


class Report(Struct):
    """Milliseconds, megabytes, counts. `…_without_counts_ms`: nothing was counted beforehand. `snapshots_per_tick`:
    computed for all viewers together; `…_viewer_ms`: from the first viewer to the last, a snapshot; `…_cpu_share`: of a
    core, the API's while they watch, and theirs."""

    messages: int
    events: int
    live_tick_p50_ms: float
    live_tick_p99_ms: float
    live_tick_p99_ms_under_load: float
    campaign_page_p50_ms: float
    campaign_page_p99_ms: float
    campaign_page_p50_ms_under_load: float
    campaign_page_p99_ms_under_load: float
    campaign_page_without_counts_ms: float
    events_per_s_under_load: float
    timeline_without_counts_ms: float
    timeline_ms: float
    split_without_counts_ms: float
    split_ms: float
    export_rows: int
    export_seconds: float
    export_peak_rss_mb: float
    viewers: int
    snapshots_per_tick: float
    median_viewer_ms: float
    slowest_viewer_ms: float
    watching_cpu_share: float
    watching_rss_mb: float
    viewers_cpu_share: float


def command(arguments: list[str]) -> int:
    """The exit code: 0."""
    told = parser("loadgen.bench reports", __doc__)
    add = told.add_argument
    add("--messages", type=int, default=50_000_000, help="audience (default: %(default)s)")
    add("--viewers", type=int, default=1_000, help="who watch at once (default: %(default)s)")
    add("--rounds", type=int, default=_ROUNDS, help="times each thing is asked (default: %(default)s)")
    add("--folder", type=Path, help="keep the tables there, and use those that stand there")
    add("--fill-only", action="store_true", help="measure nothing: fill --folder")
    add("--json", action="store_true", help="end with one JSON object")
    options = told.parse_args(arguments)
    if min(options.messages, options.viewers, options.rounds) < 1:
        raise UsageError("--messages, --viewers and --rounds: from 1 on")
    with _place(options.folder) as (settings, folder):
        if options.fill_only:
            fill(settings, options.messages)
            return 0
        report = measure(settings, folder, options)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return 0


@contextmanager
def _place(folder: Path | None) -> Iterator[tuple[Settings, Path]]:
    with scratch(0, ACCESS="open", RATE=_PER_MINUTE) as (settings, own):
        if folder is None:
            yield settings, own
            return
        folder.mkdir(parents=True, exist_ok=True)
        yield msgspec.structs.replace(settings, clickhouse=f"chdb://{folder.resolve()}/clickhouse"), own


def measure(settings: Settings, folder: Path, arguments: argparse.Namespace) -> Report:
    """Each part returns its fields of the report. Raises TidemarkError."""
    start_ms = fill(settings, arguments.messages)
    _allow_many_files()
    with _tables(settings, folder) as (context, watcher):
        context.warehouse.command("SYSTEM STOP MERGES")
        found = _counted(context, watcher)
        with _api(settings, folder) as (url, api), httpx.Client(timeout=60) as client:
            page = f"{url}/api/campaigns/{CAMPAIGN}"

            def ask() -> None:
                client.get(page).raise_for_status()

            _times_ms(ask, _WARM_ROUNDS)
            progress("exporting")
            found |= _exported(client, page, api)
            progress("asking")
            found |= _asked(watcher, ask, arguments.rounds, "")
            context.warehouse.command("SYSTEM START MERGES")
            progress("asking, while events arrive")
            with Arriving(settings, start_ms, arguments.messages) as arriving:
                time.sleep(_CATCHES_UP_S)
                found |= _asked(watcher, ask, arguments.rounds, "_under_load")
            progress("watching")
            found |= _watched(url, arguments.viewers, api)
        events = int(context.warehouse.query("SELECT count() FROM status_events").item())
    found |= {"messages": arguments.messages, "events": events, "events_per_s_under_load": arriving.per_s}
    return msgspec.convert(found, Report)


@contextmanager
def _tables(settings: Settings, folder: Path) -> Iterator[tuple[Context, Watcher]]:
    """In an engine of their own."""
    with _process(("-m", "sql.serve", "--port", "0"), settings, folder / "engine.log") as engine:
        wait_until_served(settings, [engine], 60)
        with (
            Warehouse(settings.clickhouse) as warehouse,
            warehouse.aside(QUESTION_SETTINGS) as aside,
            ThreadPoolExecutor(QUESTIONS_AT_ONCE) as pool,
        ):
            context, asking = (Context(way, settings, settings.now()) for way in (warehouse, aside))
            yield context, Watcher(asking, CAMPAIGN, pool)


@contextmanager
def _api(settings: Settings, folder: Path) -> Iterator[tuple[str, Flow]]:
    """Its address, once it answers."""
    url = f"http://127.0.0.1:{settings.http_port}"
    with _process(("-m", "api"), settings, folder / "api.log") as api:
        deadline_s = time.monotonic() + _ANSWERS_WITHIN_S
        while not _answers(url):
            if not api.running() or time.monotonic() > deadline_s:
                raise TidemarkError(f"the API did not start: {last_line(api.said())}")
            time.sleep(0.1)
        yield url, api


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def _process(arguments: tuple[str, ...], settings: Settings, log: Path) -> Iterator[Flow]:
    flow = Flow(arguments, variables(settings), log)
    try:
        yield flow
    finally:
        flow.kill()


def _allow_many_files() -> None:
    """A viewer is a socket at either end; processes started from here inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _counted(context: Context, watcher: Watcher) -> Figures:
    """Before and after what the API counts in the background is counted."""
    for table in ("closed_minutes", "closed_sets", "split_counts", "counted_answers"):
        context.warehouse.command(f"TRUNCATE TABLE {table}")
    found = {
        "campaign_page_without_counts_ms": _median_ms(watcher.page, 3),
        "timeline_without_counts_ms": _median_ms(lambda: _timeline(context), 3),
        "split_without_counts_ms": _median_ms(lambda: _split(context), 3),
    }
    progress("counting")
    close_campaign(context, CAMPAIGN)
    count_splits(context, CAMPAIGN)
    count_answers(context, CAMPAIGN)
    return found | {
        "timeline_ms": _median_ms(lambda: _timeline(context), 5),
        "split_ms": _median_ms(lambda: _split(context), 5),
    }


def _timeline(context: Context) -> None:
    context.ask("timeline_steps", campaign_id=CAMPAIGN, step_s=60, since=0, before=FAR_S)


def _split(context: Context) -> None:
    read_split(context, CAMPAIGN, "country")


def _exported(client: httpx.Client, page: str, api: Flow) -> Figures:
    """A million rows of messages, read as they come."""
    started, rows = time.monotonic(), 0
    with client.stream("GET", f"{page}/export/messages.csv") as answer:
        answer.raise_for_status()
        for part in answer.iter_bytes():
            rows += part.count(b"\n")
            if rows >= _EXPORTED:
                break
    seconds = round(time.monotonic() - started, 1)
    return {"export_rows": rows, "export_seconds": seconds, "export_peak_rss_mb": round(peak_rss_mb(api.pid), 1)}


def _asked(watcher: Watcher, ask: Callable[[], None], rounds: int, when: str) -> Figures:
    """Ticks and pages; `when` ends the names."""
    tick_ms, page_ms = _times_ms(watcher.fast, rounds), _times_ms(ask, rounds)
    return {
        f"live_tick_p50_ms{when}": statistics.median(tick_ms),
        f"live_tick_p99_ms{when}": _p99(tick_ms),
        f"campaign_page_p50_ms{when}": statistics.median(page_ms),
        f"campaign_page_p99_ms{when}": _p99(page_ms),
    }


def _watched(url: str, viewers: int, api: Flow) -> Figures:
    watched = watch(url, CAMPAIGN, viewers, api.pid)
    return {
        "viewers": watched.viewers,
        "snapshots_per_tick": watched.snapshots_per_tick,
        "median_viewer_ms": watched.median_ms,
        "slowest_viewer_ms": watched.slowest_ms,
        "watching_cpu_share": watched.cpu_share,
        "watching_rss_mb": watched.rss_mb,
        "viewers_cpu_share": watched.viewers_cpu_share,
    }


def _times_ms(action: Any, rounds: int) -> list[float]:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        action()
        times.append(round((time.perf_counter() - started) * 1000, 1))
    return times


def _median_ms(action: Any, rounds: int) -> float:
    return statistics.median(_times_ms(action, rounds))


def _p99(times_ms: list[float]) -> float:
    return sorted(times_ms)[min(len(times_ms) - 1, int(0.99 * len(times_ms)))]


def _in_words(report: Report) -> str:
    return "\n".join(f"{name}: {getattr(report, name):,}" for name in Report.__struct_fields__)
