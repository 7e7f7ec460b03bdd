"""Who is not to be written to: the topic `send.suppressions`, recipients as keyed hashes, by channel or for all.

Fed by `flows.send suppress`, by refusals that say so, and by complaints and opt-outs that webhooks bring.
"""

import threading
from collections.abc import Iterable
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import Struct

from flows.identity import HASH_BYTES, HashKey
from schemas.events import Milliseconds, Token

ALL = ""


class Change(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`recipient` is the hash in hex; no channel means every channel."""

    at: Milliseconds
    action: Literal["add", "remove"]
    recipient: str
    channel: Token = ALL
    why: Token = ""


_decoder = msgspec.json.Decoder(Change)
_encoder = msgspec.json.Encoder()


def encode_change(change: Change) -> bytes:
    return _encoder.encode(change) + b"\n"


def normal(recipient: str) -> str:
    """One person's spellings are one: numbers with and without plus, mail addresses in any case."""
    return recipient.strip().removeprefix("whatsapp:").removeprefix("+").casefold()


class Suppressions:
    """All of them in memory, some 120 bytes each; read and changed from any thread."""

    def __init__(self, keys: list[HashKey]) -> None:
        self._hashers = [blake2b(key=key.secret, digest_size=HASH_BYTES) for key in keys]
        self._held: dict[bytes, set[str]] = {}
        self._lock = threading.Lock()

    def digest(self, recipient: str) -> bytes:
        """By the newest key."""
        return self._digest(self._hashers[0], recipient)

    @staticmethod
    def _digest(hasher: blake2b, recipient: str) -> bytes:
        hashing = hasher.copy()
        hashing.update(normal(recipient).encode())
        return hashing.digest()

    def change(self, at: int, action: Literal["add", "remove"], recipient: str, channel: str, why: str) -> Change:
        return Change(at=at, action=action, recipient=self.digest(recipient).hex(), channel=channel, why=why)

    def read(self, value: bytes) -> None:
        """Take lines of the topic; what is no change is passed over."""
        for line in value.splitlines():
            try:
                self.take(_decoder.decode(line))
            except (msgspec.MsgspecError, RecursionError, ValueError):
                continue

    def take(self, change: Change) -> None:
        digest = bytes.fromhex(change.recipient)
        with self._lock:
            channels = self._held.get(digest, set())
            if change.action == "add":
                self._held[digest] = {*channels, change.channel}
                return
            left: set[str] = set() if change.channel == ALL else channels - {change.channel}
            if left:
                self._held[digest] = left
            else:
                self._held.pop(digest, None)

    def holds(self, recipient: str, channel: str) -> bool:
        """0.7 µs a kept key; nothing where none is suppressed."""
        if not self._held:
            return False
        for hasher in self._hashers:
            channels = self._held.get(self._digest(hasher, recipient))
            if channels and (ALL in channels or channel in channels):
                return True
        return False

    def __len__(self) -> int:
        return len(self._held)


def changes_of(lines: Iterable[str], suppressions: Suppressions, at: int, channel: str, why: str) -> list[Change]:
    """One recipient a line; empty lines and those that begin with # are passed over."""
    found = [line.strip() for line in lines]
    return [suppressions.change(at, "add", line, channel, why) for line in found if line and not line.startswith("#")]
