"""Logs: a line for people, or a JSON object for machines; what repeats itself is said a few times, then counted.

No line of ours carries personal data: recipients, bodies and provider ids are never handed to a logger.
"""

import asyncio
import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from schemas.settings import LogFormat
from schemas.times import utc_text

BURST = 5
WITHIN_S = 30.0
_PLAIN = set(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
_QUIET = ("uvicorn", "uvicorn.error", "opentelemetry")


class JsonLines(logging.Formatter):
    """One object a line: `at`, `level`, `logger`, `event` (the text as written in the code), `message`, all `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "at": utc_text(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": str(record.msg),
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _PLAIN},
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str, ensure_ascii=False)


class Sparing(logging.Filter):
    """Lets an event of a logger through `BURST` times in `WITHIN_S`; the next one through tells how many weren't."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key, now = (record.name, str(record.msg)), self._clock_s()
        with self._lock:
            since, count = self._said.get(key, (now, 0))
            if now - since >= WITHIN_S:
                if count > BURST:
                    record.repeated = count - BURST
                since, count = now, 0
            self._said[key] = since, count + 1
            return count < BURST


class CutOff(logging.Filter):
    """A request that was cancelled is no error of ours: a line without frames."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, asyncio.CancelledError):
            why = error.args[0] if error.args else "no reason given"
            record.msg, record.args = "cut off in the middle of an answer: %s", (why,)
            record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        return True


def set_up_logs(log_format: LogFormat = "text", level: int = logging.INFO) -> None:
    """For a process of ours, once; to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(JsonLines() if log_format == "json" else text)
    handler.addFilter(CutOff())
    handler.addFilter(Sparing())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
