"""Waiting for ClickHouse: for ever, without hammering it, and without holding up a stop."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from schemas.errors import WarehouseDown

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0
LOG_EVERY_S = 10.0
_STOP_CHECK_S = 0.05

Answer = TypeVar("Answer")


def retrying(action: Callable[[], Answer], stopping: Callable[[], bool], log: Callable[[str], None]) -> Answer:
    """What `action` returns, tried again for as long as it raises WarehouseDown and `stopping()` is false.

    Waits with full jitter: a random time up to a bound that doubles to `LONGEST_WAIT_S`
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). Logs the first failure, then at
    most one line per `LOG_EVERY_S`, and one when it works again. Raises the last WarehouseDown when stopping,
    any other error at once.
    """
    bound, logged_at = FIRST_WAIT_S, float("-inf")
    started = time.monotonic()
    while True:
        try:
            answer = action()
        except WarehouseDown as down:
            if time.monotonic() - logged_at >= LOG_EVERY_S:
                logged_at = time.monotonic()
                log(f"waiting for ClickHouse since {logged_at - started:.0f} s: {down}")
            if not _wait(random.uniform(0, bound), stopping):
                raise
            bound = min(2 * bound, LONGEST_WAIT_S)
        else:
            if logged_at > float("-inf"):
                log(f"ClickHouse answers again after {time.monotonic() - started:.1f} s")
            return answer


def _wait(seconds: float, stopping: Callable[[], bool]) -> bool:
    """False as soon as `stopping()`."""
    until = time.monotonic() + seconds
    while not stopping():
        left = until - time.monotonic()
        if left <= 0:
            return True
        time.sleep(min(left, _STOP_CHECK_S))
    return False
