"""Traces: the way of one message through all processes, sampled; off unless TIDEMARK_TRACES names a collector.

    sender    dispatch ─▶ provider
                 └──────▶ webhook (api) ─▶ route ─▶ land (status flow): queryable

A span is told when its step is done, and holds names and numbers of ours only: no recipient, no body, no provider's id.
A collector that is down costs spans, never time: they wait in a bounded queue of a thread of its own.
"""

import functools
import logging
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, ParamSpec, Protocol
from urllib.parse import urlsplit

from schemas.errors import UsageError
from schemas.settings import Settings
from sql.telemetry.sampling import Sampling, span_id, trace_id

log = logging.getLogger(__name__)
P = ParamSpec("P")


class Kind(Enum):
    """What a step is towards others: https://opentelemetry.io/docs/concepts/signals/traces/#span-kind."""

    INTERNAL = "internal"
    CLIENT = "client"
    SERVER = "server"


class Span(NamedTuple):
    """Times are UTC nanoseconds; `parent` None: the first step."""

    name: str
    trace: int
    id: int
    parent: int | None
    began_ns: int
    ended_ns: int
    attributes: dict[str, str | int]
    kind: Kind = Kind.INTERNAL
    failed: str = ""


class Exports(Protocol):
    """Where spans go. Thread-safe; never waits, never raises."""

    def put(self, span: Span) -> None: ...

    def close(self) -> None:
        """Send what is there, for a second."""


class Step(NamedTuple):
    """A status of a message at some place; `receipt` is 32 bits of a hash of the receipt's id, 0: of our own hand."""

    campaign: str
    key: int
    attempt: int
    status: str
    provider: str
    receipt: int

    @property
    def trace(self) -> int:
        return trace_id(self.campaign, self.key)

    @property
    def dispatch(self) -> int:
        return dispatch_id(self.trace, self.attempt)

    def id(self, step: str) -> int:
        return span_id(self.trace, step, self.attempt, self.status, self.receipt)


def harmless(tell: Callable[P, None]) -> Callable[P, None]:
    """A mistake in what is told of a message costs its spans, not the message."""

    @functools.wraps(tell)
    def told(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            tell(*arguments, **named)
        except Exception:
            log.exception("not traced")

    return told


def dispatch_id(trace: int, attempt: int) -> int:
    """The span of an attempt: what its webhooks are about."""
    return span_id(trace, "dispatch", attempt)


class Traces:
    """Tells the steps of sampled messages."""

    def __init__(self, exports: Exports, one_in: int) -> None:
        self._exports = exports
        self.sampling = Sampling(one_in)
        self.put = exports.put
        self.close = exports.close

    def step(
        self, name: str, step: Step, parent: int, began_ns: int, ended_ns: int, kind: Kind, **more: str | int
    ) -> None:
        """One of what follows a dispatch."""
        self.put(Span(name, step.trace, step.id(name), parent, began_ns, ended_ns, _attributes(step, more), kind))


def _attributes(step: Step, more: dict[str, str | int]) -> dict[str, str | int]:
    return message_attributes(step.campaign, step.key, step.attempt, step.provider) | {
        "tidemark.status": step.status,
        **{f"tidemark.{name}": value for name, value in more.items()},
    }


def message_attributes(campaign: str, key: int, attempt: int, provider: str) -> dict[str, str | int]:
    return {
        "tidemark.campaign_id": campaign,
        "tidemark.message_key": key,
        "tidemark.attempt": attempt,
        "tidemark.provider": provider,
    }


def open_traces(settings: Settings, role: str) -> Traces | None:
    """None where they are off. Raises UsageError: no URL, or the extra `traces` is not installed."""
    if not settings.traces:
        return None
    url = urlsplit(settings.traces)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise UsageError(f"TIDEMARK_TRACES={settings.traces}: a collector is http[s]://HOST:PORT")
    try:
        from sql.telemetry.otlp import OtlpExports
    except ImportError as error:
        raise UsageError(f"TIDEMARK_TRACES needs `pip install tidemark[traces]`: {error}") from None
    path = url.path.rstrip("/") or "/v1/traces"
    return Traces(OtlpExports.over_http(url._replace(path=path).geturl(), role), settings.traces_one_in)
