"""How long does a report of 50 million messages take, and who can watch?

    SQL ─▶ status_events, outbound and all rollups ─▶ sql.serve ─▶ python -m api ─▶ page, stream, export
                                                         ▲
                                      20,000 events a second, while asked again

Tables are filled by statements of loadgen/bench/sql: three events a message, one message in a hundred delivered twice
at different times, the last messages in small parts that nothing merges. No answer is kept anywhere: each page is
asked anew. Engine, API and who asks are processes of their own, on the same cores.
"""

import argparse
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import polars as pl
from msgspec import Struct

from api.context import Context
from api.live.closing import close_campaign
from api.live.watcher import Watcher
from loadgen.bench.watching import watch
from loadgen.command import parser, scratch
from loadgen.processes import Flow, variables, wait_until_served
from schemas.errors import UsageError
from schemas.settings import Settings
from schemas.times import MINUTE_MS, SECOND_MS, wall_clock
from sql.cli import progress
from sql.migrate import migrate
from sql.warehouse import Warehouse

CAMPAIGN = "national"
SENDING_MS = 270 * MINUTE_MS
_SQL = Path(__file__).parent / "sql"
_STEP = 1_000_000
_SMALL_STEP = 50_000
_SMALL_STEPS = 20
_EVENTS_PER_S = 20_000
_INSERT_EVERY_S = 0.25
_EXPORTED = 1_000_000
_ROUNDS = 100


class Report(Struct):
    """Milliseconds, megabytes, counts. `snapshots_per_tick`: computed for all viewers together."""

    messages: int
    events: int
    live_tick_p50_ms: float
    live_tick_p99_ms: float
    live_tick_p99_ms_under_load: float
    campaign_page_p50_ms: float
    campaign_page_p99_ms: float
    campaign_page_p99_ms_under_load: float
    events_per_s_under_load: float
    timeline_without_closed_minutes_ms: float
    timeline_with_closed_minutes_ms: float
    export_rows: int
    export_seconds: float
    export_peak_rss_mb: float
    viewers: int
    snapshots_per_tick: float
    slowest_viewer_ms: float
    watching_cpu_share: float
    watching_rss_mb: float


def command(arguments: list[str]) -> int:
    """The exit code: 0."""
    told = parser("loadgen.bench reports", __doc__)
    told.add_argument("--messages", type=int, default=50_000_000, help="audience (default: %(default)s)")
    told.add_argument("--viewers", type=int, default=1_000, help="who watch at once (default: %(default)s)")
    told.add_argument("--rounds", type=int, default=_ROUNDS, help="times each thing is asked (default: %(default)s)")
    told.add_argument("--json", action="store_true", help="end with one JSON object")
    options = told.parse_args(arguments)
    if min(options.messages, options.viewers, options.rounds) < 1:
        raise UsageError("--messages, --viewers and --rounds: from 1 on")
    raw = {"ACCESS": "open", "RATE": "10000000"}
    with scratch(0, **raw) as (settings, folder):
        report = measure(settings, folder, options)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return 0


def measure(settings: Settings, folder: Path, arguments: argparse.Namespace) -> Report:
    start_ms = wall_clock() - SENDING_MS
    fill(settings, arguments.messages, start_ms)
    with ExitStack() as ends:
        engine = ends.enter_context(_process(("-m", "sql.serve", "--port", "0"), settings, folder / "engine.log"))
        wait_until_served(settings, [engine], 60)
        warehouse = ends.enter_context(Warehouse(settings.clickhouse))
        warehouse.command("SYSTEM STOP MERGES")
        context = Context(warehouse, settings, settings.now())
        without_ms = _median_ms(lambda: _timeline(context), 3)
        close_campaign(context, CAMPAIGN)
        with_ms = _median_ms(lambda: _timeline(context), 3)
        pool = ends.enter_context(ThreadPoolExecutor(4))
        ticks = Watcher(context, CAMPAIGN, pool)
        url, api = _start_api(ends, settings, folder)
        page = f"{url}/api/campaigns/{CAMPAIGN}"
        client = ends.enter_context(httpx.Client(timeout=60))
        for _ in range(5):
            client.get(page).raise_for_status()
        rows, seconds = _export(client, page)
        exported_mb = _rss_mb(api, "VmHWM")
        tick_ms = _times_ms(ticks.fast, arguments.rounds)
        page_ms = _times_ms(lambda: client.get(page).raise_for_status(), arguments.rounds)
        warehouse.command("SYSTEM START MERGES")
        with Arriving(settings, start_ms, arguments.messages) as arriving:
            loaded_tick_ms = _times_ms(ticks.fast, arguments.rounds)
            loaded_page_ms = _times_ms(lambda: client.get(page).raise_for_status(), arguments.rounds)
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
        campaign_page_p99_ms_under_load=_p99(loaded_page_ms),
        events_per_s_under_load=arriving.per_s,
        timeline_without_closed_minutes_ms=without_ms,
        timeline_with_closed_minutes_ms=with_ms,
        export_rows=rows,
        export_seconds=seconds,
        export_peak_rss_mb=exported_mb,
        viewers=watched.viewers,
        snapshots_per_tick=watched.snapshots_per_tick,
        slowest_viewer_ms=watched.slowest_ms,
        watching_cpu_share=watched.cpu_share,
        watching_rss_mb=watched.rss_mb,
    )


def fill(settings: Settings, messages: int, start_ms: int) -> None:
    """Tables and rollups of one campaign that has just been sent."""
    with Warehouse(settings.clickhouse, create=True) as warehouse:
        migrate(warehouse)
        small = min(messages, _SMALL_STEP * _SMALL_STEPS)
        ends = [
            *range(_STEP, messages - small, _STEP),
            messages - small,
            *range(messages - small, messages, _SMALL_STEP),
        ]
        ends = sorted({end for end in (*ends, messages) if end > 0})
        first = 0
        for before in ends:
            if before > messages - small:
                warehouse.command("SYSTEM STOP MERGES")
            parameters = {"campaign_id": CAMPAIGN, "first": first, "before": before, "start_ms": start_ms}
            parameters |= {"sending_ms": SENDING_MS, "messages": messages}
            warehouse.command((_SQL / "reports_events.sql").read_text(), parameters)
            warehouse.command((_SQL / "reports_outbound.sql").read_text(), parameters)
            first = before
            progress(f"{first:,} of {messages:,} messages")
        warehouse.insert("campaigns", _plan(messages, start_ms))
        warehouse.insert("progress", _seconds(messages))


def _plan(messages: int, start_ms: int) -> pl.DataFrame:
    row = {
        "campaign_id": CAMPAIGN, "name": "National reminder", "channel": "whatsapp", "audience": messages,
        "frozen_at": start_ms, "limit_per_s": 4_000.0, "sla_p95_ms": 30_000, "at": start_ms,
        "prices": [{"key": "NL", "value": 0.11}, {"key": "", "value": 0.09}],
    }  # fmt: skip
    return pl.DataFrame([row]).with_columns(pl.col("frozen_at", "at").cast(pl.Datetime("ms", "UTC")))


def _seconds(messages: int) -> pl.DataFrame:
    """The sender's last quarter of an hour."""
    now = wall_clock() // SECOND_MS * SECOND_MS
    ats = pl.Series("at", [now - place * SECOND_MS for place in range(900)]).cast(pl.Datetime("ms", "UTC"))
    rate = messages * SECOND_MS / SENDING_MS
    return pl.DataFrame([ats]).with_columns(
        campaign_id=pl.lit(CAMPAIGN), allowed_per_s=pl.lit(4_000.0), achieved_per_s=pl.lit(rate),
        slower_because=pl.lit(""), queue=pl.lit(1_000), in_flight=pl.lit(500),
    )  # fmt: skip


class Arriving:
    """Events that come in beside: reads of messages that are known, in a batch each quarter of a second."""

    def __init__(self, settings: Settings, start_ms: int, messages: int) -> None:
        self._settings = settings
        self._start_ms = start_ms
        self._messages = messages
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.events = 0
        self._began = time.monotonic()
        self.per_s = 0.0

    def __enter__(self) -> "Arriving":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.per_s = round(self.events / (time.monotonic() - self._began))
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        batch = int(_EVENTS_PER_S * _INSERT_EVERY_S)
        with Warehouse(self._settings.clickhouse) as warehouse:
            due = time.monotonic()
            while not self._ended.is_set():
                warehouse.insert("status_events", self._batch(batch))
                self.events += batch
                due += _INSERT_EVERY_S
                self._ended.wait(max(0.0, due - time.monotonic()))

    def _batch(self, rows: int) -> pl.DataFrame:
        now = wall_clock()
        first = self.events * 7 % max(1, self._messages - rows)
        keys = pl.int_range(first, first + rows, eager=True).alias("message_key").cast(pl.UInt64)
        sent = (self._start_ms + keys.cast(pl.Int64) * SENDING_MS // self._messages).cast(pl.Datetime("ms", "UTC"))
        at = pl.lit(now).cast(pl.Datetime("ms", "UTC"))
        return pl.DataFrame([keys, sent.alias("sent_at")]).with_columns(
            campaign_id=pl.lit(CAMPAIGN), attempt=pl.lit(1, pl.UInt8), status=pl.lit("read"),
            provider=pl.lit("meta_whatsapp"), event_time=at, received_at=at,
        )  # fmt: skip


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
    context.ask("timeline_steps", campaign_id=CAMPAIGN, step_s=60, since=0, before=4_102_444_800)


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


def _rss_mb(flow: Flow, name: str) -> float:
    status = Path(f"/proc/{flow.pid}/status").read_text()
    return round(int(status.partition(f"{name}:")[2].split()[0]) / 1024, 1)


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
