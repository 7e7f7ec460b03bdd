"""What is told of the sampled statuses in some webhooks, by whoever parsed them: receiver and `flows.route`."""

import time
from collections.abc import Iterator

import polars as pl

from flows.envelopes import Parsed
from flows.landing_traces import MESSAGE, NS_PER_MS, RECEIVED, sampled_rows
from flows.plain_lines import fingerprint
from flows.providers.plain_events import PlainEvents
from flows.words import LENGTH_BITS, NOTHING
from schemas.statuses import Status
from sql.telemetry.sampling import Sampling
from sql.telemetry.traces import Kind, Step, Traces, harmless

_STATUSES = list(Status)


@harmless
def tell_received(traces: Traces, parsed: Parsed, durable_ns: int) -> None:
    """Of the receiver: from a request's receipt until it was durable, to be answered."""
    for step, received_ms in sighted(parsed, traces.sampling):
        traces.step("webhook", step, step.dispatch, received_ms * NS_PER_MS, durable_ns, Kind.SERVER)


@harmless
def tell_routed(traces: Traces, parsed: Parsed, began_ns: int) -> None:
    """Of `flows.route`: from raw bodies to status events, all of a poll at once."""
    ended_ns = time.time_ns()
    for step, _ in sighted(parsed, traces.sampling):
        traces.step("route", step, step.id("webhook"), began_ns, ended_ns, Kind.INTERNAL)


def sighted(parsed: Parsed, sampling: Sampling) -> Iterator[tuple[Step, int]]:
    """The sampled among the statuses of some webhooks, and when each was received, UTC ms."""
    for events in parsed.plain:
        yield from _plain(events, sampling)
    own = parsed.events.drop_nulls(("campaign_id", "message_key")).cast({"campaign_id": pl.Categorical})
    rows = own[sampled_rows(own, sampling)].select(*MESSAGE, "receipt_id", RECEIVED)
    for *message, receipt, received_ms in rows.rows():
        yield Step._make((*message, fingerprint(receipt))), received_ms


def _plain(events: PlainEvents, sampling: Sampling) -> Iterator[tuple[Step, int]]:
    cells = events.cells
    if "message_key" not in cells:
        return
    keys = cells["message_key"]
    rows = sampling.rows(keys, events.campaigns, events.campaign)
    for row in rows[keys[rows] != NOTHING].tolist():
        provider, receipt = (_text(events, int(cells[name][row])) for name in ("provider", "receipt_id"))
        message = events.campaigns[events.campaign[row]], int(keys[row]), int(cells["attempt"][row])
        step = Step(*message, _STATUSES[events.statuses[row]], provider, fingerprint(receipt))
        yield step, int(cells[RECEIVED][row])


def _text(events: PlainEvents, cell: int) -> str:
    start = cell & 0xFFFFFFFF
    return events.text[start : start + (cell >> LENGTH_BITS)].tobytes().decode()
