"""What the topic `outbound` says of a campaign's messages: which are settled, which are in doubt, which go on."""

from collections.abc import Iterable
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


_decoder = msgspec.json.Decoder(Record)


class Ledger:
    """Built from records in the order of their partition; a message's own are always in one."""

    def __init__(self, campaign_id: str) -> None:
        self._tag = f'"campaign_id":"{campaign_id}"'.encode()
        self._campaign_id = campaign_id
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

    def _take(self, record: Record) -> None:
        seq = record.message_key
        if seq is None:
            return
        if record.type == "intent":
            self.settled.discard(seq)
            self.given_up.pop(seq, None)
            self._open[seq] = Doubt(seq, record.attempt, record.sent_at or 0, record.channel or "", record.sender or "")
        elif _is_final(record):
            self._settle(seq)
            if record.type == "rejected":
                self.given_up[seq] = record.attempt
        elif record.type in ("rejected", "settled"):
            self._open.pop(seq, None)
            self.settled.discard(seq)
            self.given_up.pop(seq, None)
            self.attempts[seq] = record.attempt + 1

    def _settle(self, seq: int) -> None:
        self._open.pop(seq, None)
        self.attempts.pop(seq, None)
        self.settled.add(seq)

    def doubts(self) -> list[Doubt]:
        """Intents without an answer, whether or not a record says that they are in doubt."""
        return sorted(self._open.values())

    def remember(self, doubts: Iterable[Any]) -> None:
        """Those of a snapshot, whose intents lie before what is read."""
        for doubt in doubts:
            self._open[doubt[0]] = Doubt(*doubt)


def _is_final(record: Record) -> bool:
    if record.type == "settled":
        return record.outcome == "sent"
    return record.type in ("accepted", "screened") or (record.type == "rejected" and record.final)
