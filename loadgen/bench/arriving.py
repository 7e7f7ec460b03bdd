"""Events that come in while reports are asked for: reads of known messages, a batch each quarter of a second."""

import threading
import time

import polars as pl

from loadgen.bench.national import CAMPAIGN, SENDING_MS
from schemas.settings import Settings
from schemas.times import wall_clock
from sql.warehouse import Warehouse

_EVENTS_PER_S = 20_000
_EVERY_S = 0.25


class Arriving:
    """Within its context; `per_s` is what was written, once it is left."""

    def __init__(self, settings: Settings, start_ms: int, messages: int) -> None:
        self._settings = settings
        self._start_ms = start_ms
        self._messages = messages
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._events = 0
        self._began = 0.0
        self.per_s = 0.0

    def __enter__(self) -> "Arriving":
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.per_s = round(self._events / (time.monotonic() - self._began))
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        batch = int(_EVENTS_PER_S * _EVERY_S)
        with Warehouse(self._settings.clickhouse) as warehouse:
            due = time.monotonic()
            while not self._ended.is_set():
                warehouse.insert("status_events", self._batch(batch))
                self._events += batch
                due += _EVERY_S
                self._ended.wait(max(0.0, due - time.monotonic()))

    def _batch(self, rows: int) -> pl.DataFrame:
        now = wall_clock()
        first = self._events * 7 % max(1, self._messages - rows)
        keys = pl.int_range(first, first + rows, eager=True).alias("message_key").cast(pl.UInt64)
        sent = (self._start_ms + keys.cast(pl.Int64) * SENDING_MS // self._messages).cast(pl.Datetime("ms", "UTC"))
        at = pl.lit(now).cast(pl.Datetime("ms", "UTC"))
        return pl.DataFrame([keys, sent.alias("sent_at")]).with_columns(
            campaign_id=pl.lit(CAMPAIGN), attempt=pl.lit(1, pl.UInt8), status=pl.lit("read"),
            provider=pl.lit("meta_whatsapp"), event_time=at, received_at=at,
        )  # fmt: skip
