"""One message from send to row is one trace, whoever tells of it; nothing is told that was not asked for."""

from pathlib import Path
from urllib.parse import urlencode

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.webhooks.traced import TracedIntake
from flows.identity import hash_keys
from flows.landing_traces import telling_landed
from flows.route import Router
from flows.sending.message import Message
from flows.sending.outgoing import Outcome, Outgoing, Reaction, Refused, Taken, Unknown
from flows.sending.traced import tell_answered
from flows.sources import Poll
from flows.stats import LaneStats
from flows.status_decoder import Decoder
from flows.topics import Record
from flows.window import Window
from flows.writer import STATUS_EVENTS, Table
from schemas.echo import write_echo
from schemas.errors import UsageError
from schemas.events import Envelope
from schemas.settings import Settings
from schemas.times import HOUR_MS, wall_clock
from schemas.topics import WEBHOOK
from sql.telemetry.otlp import OtlpExports
from sql.telemetry.sampling import Sampling, trace_id
from sql.telemetry.traces import Kind, Span, Traces, open_traces
from tests.parts.kafka import free_port

ADDRESS, PROVIDER_ID = "+4917012345678", "wamid.HBgN"
NAMES = st.text("abcXYZ019.-", min_size=1, max_size=20)
KEYS = st.integers(0, 2**63 - 1)


class Told:
    """What one process tells."""

    def __init__(self, role: str, one_in: int = 1) -> None:
        self._memory = InMemorySpanExporter()
        self.traces = Traces(OtlpExports(SimpleSpanProcessor(self._memory), role), one_in)

    def spans(self) -> list[ReadableSpan]:
        return list(self._memory.get_finished_spans())


def message(sent_at: int, key: int = 7, attempt: int = 1) -> Message:
    outgoing = Outgoing(campaign_id="autumn", seq=key, attempt=attempt, sent_at=sent_at, to=ADDRESS, sender="Shop")
    return Message(key, {}, ADDRESS, "DE", "", "en", attempt=attempt, tries=attempt, outgoing=outgoing)


def sent(told: Told, outcome: Outcome, sent_at: int, **changes: int) -> None:
    tell_answered(told.traces, "twilio", "sms", message(sent_at, **changes), outcome, sent_at * 1_000_000 + 1)


def canonical(sent_at: int) -> dict[str, str]:
    """A body that is read by the shortcut for plain ones."""
    body = {"campaign_id": "autumn", "message_key": 7, "status": "delivered", "recipient": ADDRESS, "sent_at": sent_at}
    return {"body": msgspec.json.encode(body | {"provider_message_id": PROVIDER_ID}).decode()}


def twilio(sent_at: int) -> dict[str, str]:
    """A form, our ids in the URL: parsed, and put into a frame."""
    url = "https://example.com/webhooks/twilio?" + urlencode({"tidemark": write_echo("autumn", 7, 1, sent_at)})
    form = {"MessageSid": PROVIDER_ID, "MessageStatus": "delivered", "To": ADDRESS}
    return {"body": urlencode(form), "url": url, "content_type": "application/x-www-form-urlencoded"}


def received(body: dict[str, str], provider: str, receipt: str = "r-1") -> bytes:
    """A line of topic `webhook`."""
    return msgspec.json.encode(Envelope(receipt_id=receipt, provider=provider, received_at=wall_clock(), **body))


def routed(line: bytes, traces: Traces | None) -> list[Record]:
    router = Router(1, wall_clock, LaneStats("route", "all", "0/1"), traces)
    lines = router.route(Poll(WEBHOOK, [Record(0, 0, 1 << 62, line)])).lines
    return [Record(0, 0, 1 << 62, value) for _, (_, _, value) in lines]


def landed(records: list[Record], folder: Path, traces: Traces, *, lands: bool = True) -> None:
    window = Window(folder, wall_clock, HOUR_MS, 1 << 20)
    keys = hash_keys(Settings(hash_key="1:" + "ab" * 16))
    decoder = Decoder(window, keys, wall_clock, LaneStats("status", "delivered", "0/1"))
    parts = decoder.events(Poll("status.delivered", records)).parts
    tables = [Table(STATUS_EVENTS, part.frame, np.full(len(part.frame), lands)) for _, part in parts]
    telling_landed(traces, "delivered")(tables, wall_clock() * 1_000_000)


@pytest.mark.parametrize(("provider", "body"), [("canonical", canonical), ("twilio", twilio)])
def test_from_send_to_row_is_one_trace_over_four_processes(provider: str, body: object, tmp_path: Path) -> None:
    """Each step follows the one before it, in order of time, though none has heard of another."""
    sender, receiver, route, status = (Told(role) for role in ("flows.send", "api.webhooks", "flows.route", "status"))
    sent_at = wall_clock()
    sent(sender, Taken(PROVIDER_ID), sent_at)
    line = received(body(sent_at), provider)  # type: ignore[operator]
    intake = TracedIntake(receiver.traces)
    intake.durable([line + b"\n"])
    intake.close()
    landed(routed(line, route.traces), tmp_path, status.traces)
    spans = [span for told in (sender, receiver, route, status) for span in told.spans()]
    assert [span.name for span in spans] == ["dispatch", "provider", "webhook", "route", "land"]
    assert {span.context.trace_id for span in spans} == {trace_id("autumn", 7)}
    ids = {span.name: span.context.span_id for span in spans}
    parents = {span.name: span.parent.span_id for span in spans if span.parent}
    followed = {"provider": "dispatch", "webhook": "dispatch", "route": "webhook", "land": "route"}
    assert parents == {name: ids[before] for name, before in followed.items()}
    ends = [span.end_time or 0 for span in spans if span.name != "dispatch"]
    assert ends == sorted(ends)
    assert all((span.start_time or 0) <= (span.end_time or 0) for span in spans)
    said = "".join(span.to_json() for span in spans)
    assert ADDRESS not in said
    assert PROVIDER_ID not in said


def test_a_repeat_ends_where_the_window_dropped_it(tmp_path: Path) -> None:
    route, status = Told("flows.route"), Told("flows.status")
    for receipt, lands in (("r-1", True), ("r-2", False)):
        line = received(canonical(wall_clock()), "canonical", receipt)
        landed(routed(line, route.traces), tmp_path / receipt, status.traces, lands=lands)
    first, second = route.spans()
    (land,) = status.spans()
    assert first.context.span_id != second.context.span_id
    assert land.parent is not None
    assert land.parent.span_id == first.context.span_id


def test_attempts_of_a_message_are_one_trace_and_a_repeated_one_is_one_attempt() -> None:
    told, now = Told("flows.send"), wall_clock()
    sent(told, Refused("30001", Reaction.RETRY, f"{ADDRESS} is busy"), now)
    sent(told, Unknown("timed out"), now, attempt=2)
    again = message(now, attempt=2)
    again.repeats, again.tries = now, 3
    tell_answered(told.traces, "twilio", "sms", again, Taken(PROVIDER_ID), now * 1_000_000)
    spans = told.spans()
    assert [span.name for span in spans] == ["dispatch", "provider", "dispatch", "provider", "provider"]
    _, _, second, *answers = spans
    assert {span.context.trace_id for span in spans} == {trace_id("autumn", 7)}
    assert [span.parent for span in spans if span.name == "dispatch"] == [None, None]
    assert {answer.parent.span_id for answer in answers if answer.parent} == {second.context.span_id}
    assert [span.status.is_ok for span in spans if span.name == "provider"] == [False, False, True]
    assert ADDRESS not in "".join(span.to_json() for span in spans)


def test_who_is_not_sampled_is_not_told_of(tmp_path: Path) -> None:
    never = 1_000_000_000
    sampling = Sampling(never)
    assert not sampling.takes("autumn", 7)
    told = Told("all", never)
    sent(told, Taken(PROVIDER_ID), wall_clock())
    landed(routed(received(canonical(wall_clock()), "canonical"), told.traces), tmp_path, told.traces)
    assert told.spans() == []


@given(st.lists(st.tuples(NAMES, KEYS), min_size=1), st.integers(1, 20))
def test_row_by_row_and_all_at_once_take_the_same(messages: list[tuple[str, int]], one_in: int) -> None:
    sampling = Sampling(one_in)
    campaigns = sorted({name for name, _ in messages})
    places = np.array([campaigns.index(name) for name, _ in messages])
    rows = sampling.rows(np.array([key for _, key in messages], np.int64), campaigns, places)
    assert rows.tolist() == [row for row, one in enumerate(messages) if sampling.takes(*one)]


@given(NAMES, KEYS, st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_rarer_sample_is_part_of_a_denser_one(campaign: str, key: int, one: int, other: int) -> None:
    """So that processes that were told different rates still share whole traces."""
    if Sampling(max(one, other)).takes(campaign, key):
        assert Sampling(min(one, other)).takes(campaign, key)


@given(NAMES, KEYS)
def test_the_rate_that_is_told_of_a_message_is_the_last_that_takes_it(campaign: str, key: int) -> None:
    rarest = Sampling.rarest(campaign, key)
    assert Sampling(rarest).takes(campaign, key)
    assert not Sampling(rarest + 1).takes(campaign, key)


@given(NAMES, st.integers(0, 1 << 40))
def test_of_a_dense_audience_one_in_a_hundred_is_one_in_a_hundred(campaign: str, first: int) -> None:
    keys = np.arange(first, first + 10_000)
    assert 90 <= len(Sampling(100).rows(keys, [campaign], np.zeros(10_000, np.int64))) <= 110


class Broken:
    """Exports with a bug."""

    def put(self, span: Span) -> None:
        raise ZeroDivisionError(span.name)

    def close(self) -> None:
        """Nothing."""


def test_a_mistake_in_telling_costs_no_message(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    traces = Traces(Broken(), 1)
    tell_answered(traces, "twilio", "sms", message(wall_clock()), Taken(PROVIDER_ID), 0)
    landed(routed(received(canonical(wall_clock()), "canonical"), traces), tmp_path, traces)
    assert {record.message for record in caplog.records} == {"not traced"}
    assert len(caplog.records) == 3


def test_off_unless_a_collector_is_named() -> None:
    assert open_traces(Settings(), "flows.route") is None
    with pytest.raises(UsageError, match="TIDEMARK_TRACES=collector:4318: a collector is"):
        open_traces(Settings(traces="collector:4318"), "flows.route")


def test_a_collector_that_is_down_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    traces = open_traces(Settings(traces=f"http://127.0.0.1:{free_port()}"), "flows.route")
    assert traces is not None
    traces.put(Span("route", 1, 2, 3, 0, 1, {}, Kind.INTERNAL))
    traces.close()
    assert "Failed to export span" in caplog.text
