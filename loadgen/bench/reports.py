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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from api.context import Context
from api.live.closing import close_campaign, count_splits
from api.live.counted import count_answers
from api.live.watcher import Watcher
from api.reports.splits import read_split
from api.reports.timeline import FAR_S
from loadgen.bench.arriving import Arriving
from loadgen.bench.national import CAMPAIGN, fill
from loadgen.bench.watching import watch
from loadgen.command import parser, scratch
from loadgen.proc import peak_rss_mb
from loadgen.processes import Flow, variables, wait_until_served
from schemas.errors import UsageError
from schemas.settings import Settings
from sql.cli import progress
from sql.warehouse import Warehouse

_EXPORTED = 1_000_000
_ROUNDS = 100
_WARM_ROUNDS = 5
_PER_MINUTE = "10000000"


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
    start_ms = fill(settings, arguments.messages)
    _allow_many_files()
    with ExitStack() as ends:
        engine = ends.enter_context(_process(("-m", "sql.serve", "--port", "0"), settings, folder / "engine.log"))
        wait_until_served(settings, [engine], 60)
        warehouse = ends.enter_context(Warehouse(settings.clickhouse))
        warehouse.command("SYSTEM STOP MERGES")
        context = Context(warehouse, settings, settings.now())
        watcher = Watcher(context, CAMPAIGN, ends.enter_context(ThreadPoolExecutor(4)))
        for table in ("closed_minutes", "closed_sets", "split_counts", "counted_answers"):
            warehouse.command(f"TRUNCATE TABLE {table}")
        without = [
            _median_ms(action, 3) for action in (watcher.page, lambda: _timeline(context), lambda: _split(context))
        ]
        progress("counting")
        close_campaign(context, CAMPAIGN)
        count_splits(context, CAMPAIGN)
        count_answers(context, CAMPAIGN)
        counted = [_median_ms(action, 5) for action in (lambda: _timeline(context), lambda: _split(context))]
        url, api = _start_api(ends, settings, folder)
        page = f"{url}/api/campaigns/{CAMPAIGN}"
        client = ends.enter_context(httpx.Client(timeout=60))
        ask = lambda: client.get(page).raise_for_status()  # noqa: E731
        _times_ms(ask, _WARM_ROUNDS)
        progress("exporting")
        rows, seconds = _export(client, page)
        exported_mb = round(peak_rss_mb(api.pid), 1)
        progress("asking")
        tick_ms, page_ms = _times_ms(watcher.fast, arguments.rounds), _times_ms(ask, arguments.rounds)
        warehouse.command("SYSTEM START MERGES")
        progress("asking, while events arrive")
        with Arriving(settings, start_ms, arguments.messages) as arriving:
            loaded_tick_ms = _times_ms(watcher.fast, arguments.rounds)
            loaded_page_ms = _times_ms(ask, arguments.rounds)
        progress("watching")
        watched = watch(url, CAMPAIGN, arguments.viewers, api.pid)
        events = int(warehouse.query("SELECT count() FROM status_events").item())
    return Report(
        messages=arguments.messages,
        events=events,
        live_tick_p50_ms=statistics.median(tick_ms),
        live_tick_p99_ms=_p99(tick_ms),
        live_tick_p99_ms_under_load=_p99(loaded_tick_ms),
        campaign_page_p50_ms=statistics.median(page_ms),
        campaign_page_p99_ms=_p99(page_ms),
        campaign_page_p50_ms_under_load=statistics.median(loaded_page_ms),
        campaign_page_p99_ms_under_load=_p99(loaded_page_ms),
        campaign_page_without_counts_ms=without[0],
        events_per_s_under_load=arriving.per_s,
        timeline_without_counts_ms=without[1],
        timeline_ms=counted[0],
        split_without_counts_ms=without[2],
        split_ms=counted[1],
        export_rows=rows,
        export_seconds=seconds,
        export_peak_rss_mb=exported_mb,
        viewers=watched.viewers,
        snapshots_per_tick=watched.snapshots_per_tick,
        median_viewer_ms=watched.median_ms,
        slowest_viewer_ms=watched.slowest_ms,
        watching_cpu_share=watched.cpu_share,
        watching_rss_mb=watched.rss_mb,
        viewers_cpu_share=watched.viewers_cpu_share,
    )


def _allow_many_files() -> None:
    """A viewer is a socket at either end; processes started from here inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _start_api(ends: ExitStack, settings: Settings, folder: Path) -> tuple[str, Flow]:
    port = settings.http_port
    api = ends.enter_context(_process(("-m", "api"), settings, folder / "api.log"))
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return url, api
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"the API did not start: {api.said()}")


class _process:  # noqa: N801 - a context manager
    def __init__(self, arguments: tuple[str, ...], settings: Settings, log: Path) -> None:
        self._flow = Flow(arguments, variables(settings), log)

    def __enter__(self) -> Flow:
        return self._flow

    def __exit__(self, *_: object) -> None:
        self._flow.kill()


def _timeline(context: Context) -> None:
    context.ask("timeline_steps", campaign_id=CAMPAIGN, step_s=60, since=0, before=FAR_S)


def _split(context: Context) -> None:
    read_split(context, CAMPAIGN, "country")


def _export(client: httpx.Client, page: str) -> tuple[int, float]:
    """A million rows of messages, read as they come; returns rows and seconds."""
    started, rows = time.monotonic(), 0
    with client.stream("GET", f"{page}/export/messages.csv") as answer:
        answer.raise_for_status()
        for part in answer.iter_bytes():
            rows += part.count(b"\n")
            if rows >= _EXPORTED:
                break
    return rows, round(time.monotonic() - started, 1)


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
