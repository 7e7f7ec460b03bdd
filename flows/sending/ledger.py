"""What the topic `outbound` says of a campaign's messages: which are settled, which are in doubt, which go on.

Of a message its latest attempt counts, and of that attempt the record that says most: so records that come once more
(replays of the past, lines from the dead letters) change nothing, whatever their order.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct


class Record(Struct, gc=False):
    """What the ledger needs of any outbound record."""

    type: str = ""
    campaign_id: str = ""
    message_key: int | None = None
    attempt: int = 1
    sent_at: int | None = None
    channel: str | None = None
    sender: str | None = None
    final: bool = True
    outcome: str = ""


class Doubt(NamedTuple):
    """An attempt that was handed over, or was about to be, and nobody knows what became of it."""

    seq: int
    attempt: int
    sent_at: int
    channel: str
    sender: str


class _Says(IntEnum):
    """What a record says of its attempt. Of two that contradict each other the greater holds."""

    INTENT = 1
    TRY_AGAIN = 2
    GIVEN_UP = 3
    LOST = 4
    """After `GIVEN_UP` a person's replay. One who calls lost what the provider has is not believed."""
    SENT = 5
    SCREENED = 6


_NOTHING = (0, 0)
_EVER = 1 << 30
"""Who is screened out is not sent to by any attempt."""
_decoder = msgspec.json.Decoder(Record)


class Ledger:
    """Built from records. What a snapshot knew is told first, by `remember`."""

    def __init__(self, campaign_id: str) -> None:
        self._tag = f'"campaign_id":"{campaign_id}"'.encode()
        self._campaign_id = campaign_id
        self._low = 0
        self._said: dict[int, tuple[int, int]] = {}
        """Attempt and what is said of it, by message."""
        self._open: dict[int, Doubt] = {}
        self.settled: set[int] = set()
        self.attempts: dict[int, int] = {}
        """Of messages that are to be tried again: the next attempt's number."""
        self.given_up: dict[int, int] = {}
        """Attempt that was refused for good, by message."""

    def add(self, value: bytes) -> None:
        """Lines of the topic; those of others, and any that are no records, are passed over."""
        if self._tag not in value:
            return
        for line in value.split(b"\n"):
            if self._tag in line:
                try:
                    record = _decoder.decode(line)
                except (msgspec.MsgspecError, RecursionError):
                    continue
                if record.campaign_id == self._campaign_id:
                    self._take(record)

    def remember(self, low: int, doubts: Iterable[Any], again: Mapping[int, int], given_up: Mapping[int, int]) -> None:
        """Of messages before `low` just these are open (`again`: the next attempt), or may be opened once more.

        Their records may lie before what is read; any of the others there is a replay, and passed over.
        """
        self._low = low
        for doubt in doubts:
            self._intend(Doubt(*doubt))
        for seq, attempt in again.items():
            self._learn(seq, attempt - 1, _Says.LOST)
        for seq, attempt in given_up.items():
            self._learn(seq, attempt, _Says.GIVEN_UP)

    def doubts(self) -> list[Doubt]:
        """Intents without an answer, whether or not a record says that they are in doubt."""
        return sorted(self._open.values())

    def _take(self, record: Record) -> None:
        seq, says = record.message_key, _says(record)
        if seq is None or says is None or (seq < self._low and seq not in self._said):
            return
        if says is _Says.INTENT:
            self._intend(Doubt(seq, record.attempt, record.sent_at or 0, record.channel or "", record.sender or ""))
        else:
            self._learn(seq, _EVER if says is _Says.SCREENED else record.attempt, says)

    def _intend(self, doubt: Doubt) -> None:
        if self._learn(doubt.seq, doubt.attempt, _Says.INTENT):
            self._open[doubt.seq] = doubt

    def _learn(self, seq: int, attempt: int, says: _Says) -> bool:
        """Whether it is news."""
        if (attempt, says) <= self._said.get(seq, _NOTHING):
            return False
        self._said[seq] = attempt, says
        self._open.pop(seq, None)
        self.settled.discard(seq)
        self.attempts.pop(seq, None)
        self.given_up.pop(seq, None)
        if says in (_Says.TRY_AGAIN, _Says.LOST):
            self.attempts[seq] = attempt + 1
        elif says is not _Says.INTENT:
            self.settled.add(seq)
        if says is _Says.GIVEN_UP:
            self.given_up[seq] = attempt
        return True


def _says(record: Record) -> _Says | None:
    match record.type:
        case "intent":
            return _Says.INTENT
        case "accepted":
            return _Says.SENT
        case "rejected":
            return _Says.GIVEN_UP if record.final else _Says.TRY_AGAIN
        case "settled":
            return _Says.SENT if record.outcome == "sent" else _Says.LOST
        case "screened":
            return _Says.SCREENED
    return None
