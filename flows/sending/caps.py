"""How often a person was written to lately, by whatever campaign and process: what a frequency cap asks.

topic outbound: intents ─▶ Caps ◀── what this process stages, at once
"""

import threading

import msgspec
from msgspec import Struct

from flows.sending.suppression import normal
from schemas.campaign import FrequencyCap
from schemas.settings import parse_duration_ms
from schemas.times import wall_clock

_LONGEST = 512
"""Of a recipient, in a record."""
_HANDED_OVER = ("intent", "accepted")


class _Record(Struct, gc=False):
    type: str = ""
    at: int = 0
    campaign_id: str = ""
    message_key: int | None = None
    recipient: str | None = None


_decoder = msgspec.json.Decoder(_Record)


class Caps:
    """A message counts once, however often it is tried, from its intent on, and never against itself.

    Used from any thread. Holds some 400 bytes for each message of the last `span_ms` to twice as much.
    """

    def __init__(self, span_ms: int) -> None:
        self._span_ms = span_ms
        self._lately: dict[int, dict[int, int]] = {}
        """By person the messages, and when (UTC ms); by hashes that hold in this process alone."""
        self._before: dict[int, dict[int, int]] = {}
        """Those of the span before: forgotten all at once, when none of them can count any more."""
        self._since_ms = 0
        self._lock = threading.Lock()

    def full(self, recipient: str, campaign_id: str, seq: int, cap: FrequencyCap, now_ms: int) -> bool:
        """Whether this message would be one too many; `cap.per` is at most the span."""
        person, own = _person(recipient), hash((campaign_id, seq))
        with self._lock:
            times = self._before.get(person, {}) | self._lately.get(person, {})
        since = now_ms - parse_duration_ms(cap.per)
        return sum(at > since for message, at in times.items() if message != own) >= cap.messages

    def add(self, recipient: str, campaign_id: str, seq: int, at_ms: int) -> None:
        with self._lock:
            if at_ms - self._since_ms > self._span_ms:
                self._before, self._lately, self._since_ms = self._lately, {}, at_ms
            self._lately.setdefault(_person(recipient), {})[hash((campaign_id, seq))] = at_ms

    def read(self, value: bytes) -> None:
        """Take lines of the topic `outbound`: what any sender was about to hand over, or had taken off its hands."""
        now_ms = wall_clock()
        for line in value.split(b"\n"):
            if b'"recipient"' not in line:
                continue
            try:
                record = _decoder.decode(line)
            except (msgspec.MsgspecError, RecursionError):
                continue
            if record.type not in _HANDED_OVER or not record.recipient or record.message_key is None:
                continue
            if record.at > now_ms - self._span_ms:
                self.add(record.recipient, record.campaign_id, record.message_key, min(record.at, now_ms))

    def __len__(self) -> int:
        """People."""
        return len(self._before.keys() | self._lately.keys())


def _person(recipient: str) -> int:
    return hash(normal(recipient[:_LONGEST]))
