"""What the receiver tells of sampled messages: it reads what it took as `flows.route` will, in a thread of its own."""

import logging
import threading
import time
from queue import Full, Queue

from flows.envelopes import parse_envelopes
from flows.topics import Record
from flows.webhook_traces import tell_received
from schemas.settings import Settings
from schemas.topics import WEBHOOK
from sql.telemetry.traces import Traces, open_traces

log = logging.getLogger(__name__)

_MOST_WAITING = 64
"""Batches; what comes while so many wait is not told."""
_Batch = tuple[list[bytes], int]


class TracedIntake:
    """Told of each batch that is durable; never waits, never raises."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces
        self._batches: Queue[_Batch | None] = Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="webhook-traces", daemon=True)
        self._thread.start()

    def durable(self, lines: list[bytes]) -> None:
        try:
            self._batches.put_nowait((lines, time.time_ns()))
        except Full:
            log.warning("webhooks are not traced: more come than are read")

    def _run(self) -> None:
        while batch := self._batches.get():
            try:
                self._tell(*batch)
            except Exception:  # nobody waits for it
                log.exception("webhooks are not traced")

    def _tell(self, lines: list[bytes], durable_ns: int) -> None:
        parsed = parse_envelopes([Record(0, 0, 0, b"".join(lines))], WEBHOOK, durable_ns // 1_000_000)
        tell_received(self._traces, parsed, durable_ns)

    def close(self) -> None:
        """Told to the end; for some seconds at most."""
        self._batches.put(None)
        self._thread.join(timeout=2)
        self._traces.close()


def traced_intake(settings: Settings) -> TracedIntake | None:
    """None where traces are off. Raises UsageError."""
    traces = open_traces(settings, "api.webhooks")
    return TracedIntake(traces) if traces else None
