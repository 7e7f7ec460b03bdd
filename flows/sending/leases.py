"""Limits that several sender processes share, through Redis: leased in slices of a tenth of a second.

A process that does not reach Redis keeps to its last lease for a second, then falls back to its static share: rate /
processes. Redis leaves that share to whoever it has not heard of for as long, so that all together never go above the
rate, whoever is cut off.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import redis

from flows.sending.releasing import RESERVE
from schemas.errors import UsageError

log = logging.getLogger(__name__)

SLICE_S = 0.1
_EVERY_S = 0.05
_EARLY_S = 0.01
"""A lease ends that much earlier here: clocks of two machines don't tick alike."""
_ANSWERS_WITHIN_S = 0.05
_TRIES_AGAIN_S = 0.5
_SCRIPT = (Path(__file__).parent / "lease.lua").read_text()


class Wanted(NamedTuple):
    """A shared limit, among how many, and what this process could use of it: critical, standard, bulk, messages/s."""

    name: str
    per_s: float
    of: int
    demand: tuple[float, float, float]


class Lease(NamedTuple):
    """`until` is a monotonic clock's."""

    name: str
    per_s: float
    until: float


def check_address(url: str) -> None:
    """Raises UsageError."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("redis", "rediss", "unix") and bool(parts.hostname or parts.path)
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"TIDEMARK_REDIS={url}: expected redis://HOST:PORT[/DATABASE]")


class Leases:
    """A thread that asks every 50 ms: `wants` is asked for what is needed, `grant` is told what was given."""

    def __init__(self, url: str, wants: Callable[[], list[Wanted]], grant: Callable[[list[Lease]], None]) -> None:
        check_address(url)
        self._wants = wants
        self._grant = grant
        self._me = secrets.token_hex(8)
        self._client = redis.Redis.from_url(
            url, socket_timeout=_ANSWERS_WITHIN_S, socket_connect_timeout=_ANSWERS_WITHIN_S, retry=None
        )
        self._script = self._client.register_script(_SCRIPT)
        self._ends = threading.Event()
        self._asked: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
        self.reached = False

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while not self._ends.is_set():
            self._ends.wait(_EVERY_S if self.ask() else _TRIES_AGAIN_S)
        self._leave()

    def ask(self) -> bool:
        """One round: whether Redis answered."""
        wanted, asked_at = self._wants(), time.monotonic()
        try:
            leases = [Lease(one.name, self._one(one), asked_at + SLICE_S - _EARLY_S) for one in wanted]
        except redis.RedisError as error:
            if self.reached:
                log.warning("Redis: %s; on the static share", error)
            self.reached = False
            return False
        self.reached = True
        self._grant(leases)
        return True

    def _one(self, one: Wanted) -> float:
        self._asked[one.name] = one.of
        args: list[str | int | float] = [self._me, one.of, one.per_s, *one.demand, RESERVE, 0]
        return float(self._script(keys=[f"tidemark:limit:{one.name}"], args=args)) / 1000

    def _leave(self) -> None:
        """What this process held is free at once."""
        try:
            for name, of in self._asked.items():
                self._script(keys=[f"tidemark:limit:{name}"], args=[self._me, of, 0, 0, 0, 0, RESERVE, 1])
            self._client.close()
        except redis.RedisError as error:
            log.warning("Redis: %s", error)

    def close(self) -> None:
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join(5)
