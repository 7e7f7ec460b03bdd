"""A run counted again from its lines alone, one by one in plain Python: slow, and apart from the generator."""

import base64
import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from schemas.errors import BadRecord
from schemas.events import Envelope, StatusEvent
from schemas.latency import LATENCY_BOUNDS_MS
from schemas.outbound import Accepted, AnyOutbound, Campaign, InDoubt, Intent, Rejected, Screened, Settled
from schemas.statuses import Status
from schemas.times import DAY_MS, EARLIEST_MS, HOUR_MS, MINUTE_MS

COHORT = {"accepted", "sent", "deferred", "delivered", "read", "clicked", "complained", "failed"}
_META = {"sent": "sent", "delivered": "delivered", "read": "read", "played": "read", "failed": "failed"}
Firsts = dict[tuple[Any, str], int]
"""Milliseconds by message and status."""
_event = msgspec.json.Decoder(StatusEvent)
_envelope = msgspec.json.Decoder(Envelope)
_record = msgspec.json.Decoder(AnyOutbound)


class Known(NamedTuple):
    """An event and the message that it is of; `key` is a provider's id where the sender numbers nothing."""

    own: bool
    campaign: str
    key: Any
    attempt: int
    status: str
    error_code: str
    raw_status: str
    event_time: int
    sent_at: int | None
    provider: str

    @property
    def identity(self) -> tuple[Any, ...]:
        raw = self.raw_status if self.status == "unknown" else ""
        return self.campaign, self.key, self.attempt, self.status, self.error_code, raw


class Recount:
    """`lines` are those of each topic, in the order of their arrival as far as it matters."""

    def __init__(self, lines: dict[str, list[bytes]], end_ms: int) -> None:
        self.end_ms = end_ms
        self.dead = 0
        self.records = list(self._decoded(lines["outbound"], _record.decode))
        self.events = list(self._decoded(_all_but(lines, "outbound", "webhook"), _believed_event))
        self.body_sizes = []
        for statuses in self._decoded(lines.get("webhook", []), _statuses_of_line):
            self.body_sizes.append(len(statuses))
            self.events += self._decoded(statuses, _believed)
        self._ids = dict(self._matches())
        self.known = [*self._reported(), *self._outcomes()]

    def _decoded(self, lines: Iterable[Any], decode: Callable[[Any], Any]) -> Iterator[Any]:
        for line in lines:
            try:
                yield decode(line)
            except (msgspec.MsgspecError, ValueError, BadRecord):
                self.dead += 1

    def _matches(self) -> Iterator[tuple[tuple[str, str], tuple[str, Any, int, int]]]:
        for record in self.records:
            if isinstance(record, Accepted | Settled) and record.provider_message_id:
                key = record.provider_message_id if record.message_key is None else record.message_key
                message = record.campaign_id, key, record.attempt, record.sent_at
                yield (record.provider, record.provider_message_id), message

    def _reported(self) -> Iterator[Known]:
        for event in self.events:
            told = event.status.value, event.error_code or "", event.raw_status or "", event.event_time
            if event.campaign_id is not None:
                whose = event.campaign_id, event.message_key, event.attempt
                yield Known(True, *whose, *told, event.sent_at, event.provider)
                continue
            nobody = "elsewhere", event.provider_message_id, 1, None
            *message, sent_at = self._ids.get((event.provider, event.provider_message_id), nobody)
            yield Known(False, *message, *told, sent_at, event.provider)

    def _outcomes(self) -> Iterator[Known]:
        for record in self.records:
            if isinstance(record, Accepted | Rejected):
                status, code = ("accepted", "") if isinstance(record, Accepted) else ("rejected", record.error_code)
                own = record.message_key is not None
                key = record.message_key if own else record.provider_message_id
                told = status, code, "", record.at, record.sent_at, record.provider
                yield Known(own, record.campaign_id, key, record.attempt, *told)

    def passage(self) -> dict[str, dict[str, dict[str, int]]]:
        counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        seen: dict[tuple[Any, ...], int] = {}
        for event in self.known:
            count = counts[event.campaign]["own" if event.own else "foreign"]
            recent = event.event_time >= self.end_ms - 6 * HOUR_MS
            earliest = seen.get(event.identity)
            count["events"] += 1
            count["unique"] += earliest is None
            count["repeats"] += earliest is not None
            count["repeats_in_window"] += earliest is not None and recent
            count["must_pass"] += earliest is not None and recent and event.event_time < earliest
            seen[event.identity] = min(event.event_time, earliest or event.event_time)
        return {name: {own: dict(count) for own, count in of.items()} for name, of in counts.items()}

    def figures(self, campaign: str) -> dict[str, Any]:
        statuses: dict[Any, set[str]] = defaultdict(set)
        reasons = set()
        for event in self.of(campaign):
            statuses[event.key].add(event.status)
            if event.status == "failed":
                reasons.add((event.key, event.error_code))
        times, waits = self.firsts(campaign)
        records = [record for record in self.records if record.campaign_id == campaign]
        return {
            "audience": next(record.audience for record in records if isinstance(record, Campaign)),
            "counts": _counts(statuses.values()),
            "timeline": _cells(times, lambda time: time // MINUTE_MS * MINUTE_MS),
            "latency": _cells(waits, lambda wait: LATENCY_BOUNDS_MS[bisect_right(LATENCY_BOUNDS_MS, wait) - 1]),
            "failures": dict(sorted(Counter(code for _, code in reasons).items())),
            "splits": _splits(records, statuses),
            "accounting": _accounting(records, statuses),
        }

    def firsts(self, campaign: str) -> tuple[Firsts, Firsts]:
        """When each message first reached each status, and how long after sending it did, at the least."""
        times: Firsts = {}
        waits: Firsts = {}
        for event in self.of(campaign):
            place = event.key, event.status
            times[place] = min(event.event_time, times.get(place, event.event_time))
            if event.sent_at is not None:
                wait = max(0, event.event_time - event.sent_at)
                waits[place] = min(wait, waits.get(place, wait))
        return times, waits

    def providers(self, campaign: str) -> dict[str, dict[str, int]]:
        """As `splits`, by who reported: each provider's messages with what it said of them itself."""
        return {provider: _counts(messages.values()) for provider, messages in self.told(campaign).items()}

    def told(self, campaign: str) -> dict[str, dict[Any, set[str]]]:
        """By provider and message the statuses that it reported."""
        told: dict[str, dict[Any, set[str]]] = defaultdict(lambda: defaultdict(set))
        for event in self.of(campaign):
            told[event.provider][event.key].add(event.status)
        return told

    def cost(self, campaign: str) -> dict[str, float]:
        """By provider: the price of each message that it took, for the country that its records name."""
        records = [record for record in self.records if record.campaign_id == campaign]
        prices = next(record.prices for record in records if isinstance(record, Campaign))
        countries = {_key(record): record.country for record in records if getattr(record, "country", None)}
        cost: dict[str, float] = defaultdict(float)
        for provider, messages in self.told(campaign).items():
            for key, had in messages.items():
                if prices and had & COHORT:
                    cost[provider] += prices.get(countries.get(key, "unknown"), prices.get("", 0.0))
        return cost

    def of(self, campaign: str) -> list[Known]:
        return [event for event in self.known if event.campaign == campaign]


def _all_but(lines: dict[str, list[bytes]], *topics: str) -> list[bytes]:
    return [line for topic, of_topic in lines.items() if topic not in topics for line in of_topic]


def _believed_event(line: bytes) -> StatusEvent:
    return _believed(_event.decode(line))


def _believed(event: StatusEvent) -> StatusEvent:
    for time in (event.event_time, event.sent_at):
        if time is not None and not EARLIEST_MS <= time <= event.received_at + DAY_MS:
            raise BadRecord("time_out_of_range")
    return event


def _statuses_of_line(line: bytes) -> list[StatusEvent]:
    envelope = _envelope.decode(line)
    body = envelope.body if envelope.body is not None else base64.b64decode(envelope.body_base64 or "").decode()
    taken = {"receipt_id": envelope.receipt_id, "received_at": envelope.received_at}
    if envelope.provider == "meta_whatsapp":
        return [_meta_event(status, taken) for status in _meta_statuses(json.loads(body))]
    if envelope.provider != "canonical":
        raise BadRecord("unknown_provider")
    events = json.loads(body)
    events = events.get("events", [events]) if isinstance(events, dict) else events
    return [msgspec.convert({**event, **taken}, StatusEvent) for event in events]


def _meta_statuses(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in body["entry"]:
        for change in entry["changes"]:
            assert change["field"] == "messages"
            yield from change["value"].get("statuses", [])


def _meta_event(status: dict[str, Any], taken: dict[str, Any]) -> StatusEvent:
    campaign, key, attempt, sent_at = status["biz_opaque_callback_data"].split("~") if _echoes(status) else [None] * 4
    return StatusEvent(
        campaign_id=campaign,
        message_key=int(key),
        attempt=int(attempt),
        sent_at=int(sent_at),
        status=Status(_META.get(status["status"], "unknown")),
        raw_status=status["status"],
        event_time=int(status["timestamp"]) * 1000,
        provider="meta_whatsapp",
        provider_message_id=status["id"],
        recipient=status.get("recipient_id") or status["recipient_user_id"],
        error_code=str(status["errors"][0]["code"]) if "errors" in status else None,
        **taken,
    )


def _echoes(status: dict[str, Any]) -> bool:
    int(status["timestamp"])
    return "biz_opaque_callback_data" in status


def _counts(messages: Iterable[set[str]]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for had in messages:
        sent, arrived = bool(had & COHORT), bool(had & {"delivered", "read", "clicked"})
        counts["sent"] += sent
        counts["delivered_inferred"] += arrived and "delivered" not in had
        counts["failed"] += "failed" in had and not arrived
        counts["failed_ever"] += "failed" in had
        counts["rejected"] += "rejected" in had and not sent
        counts["rejected_ever"] += "rejected" in had
        for status in ("accepted", "deferred", "delivered", "read", "clicked"):
            counts[status] += status in had
        for status in ("complained", "unsubscribed", "resubscribed", "unknown"):
            counts[status] += status in had
    return dict(counts)


def _cells(values: dict[tuple[Any, str], int], cell: Callable[[int], int]) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for (_, status), value in values.items():
        counted[status][str(cell(value))] += 1
    return {status: dict(of) for status, of in counted.items()}


def _key(record: Any) -> Any:
    return record.provider_message_id if record.message_key is None else record.message_key


def _splits(records: list[Any], statuses: dict[Any, set[str]]) -> dict[str, dict[str, dict[str, int]]]:
    splits = {}
    for dimension in ("template", "country", "sender", "channel"):
        values = {
            _key(record): value
            for record in records
            if (value := getattr(record, dimension, None)) and _is_message(record)
        }
        keys_by_value: dict[str, list[set[str]]] = defaultdict(list)
        for key, had in statuses.items():
            keys_by_value[values.get(key, "unknown")].append(had)
        splits[dimension] = {value: _counts(messages) for value, messages in keys_by_value.items()}
    return splits


def _is_message(record: Any) -> bool:
    return isinstance(record, Screened | Intent | Accepted | Rejected | InDoubt | Settled)


def _accounting(records: list[Any], statuses: dict[Any, set[str]]) -> dict[str, int]:
    audience = next(record.audience for record in records if isinstance(record, Campaign))
    of_message = defaultdict(list)
    for record in filter(_is_message, records):
        of_message[_key(record)].append(record)
    places = Counter(_place(of_message[key], statuses.get(key, set())) for key in {*of_message, *statuses})
    places["queued"] += audience - places.total()
    return dict(places)


def _place(records: list[Any], had: set[str]) -> str:
    types = defaultdict(set)
    for record in records:
        types[record.attempt].add(type(record))
    answers = {Accepted, Rejected, Settled}
    if had & COHORT or any(isinstance(record, Settled) and record.outcome == "sent" for record in records):
        return "handed_over"
    if any(InDoubt in of and not of & answers for of in types.values()):
        return "in_doubt"
    if any(Intent in of and not of & {*answers, InDoubt} for of in types.values()):
        return "in_flight"
    if reason := next((record.reason for record in records if isinstance(record, Screened)), None):
        return f"screened_{reason}"
    refused = any(isinstance(record, Rejected) and record.final for record in records)
    return "rejected" if refused else "queued"
