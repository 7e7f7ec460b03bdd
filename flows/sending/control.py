"""Live control: orders in the topic `send.control`, which every sender process reads from its beginning.

An order is a fact that holds until another revokes it: a campaign that was paused is paused after a restart too.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.events import CampaignId, Milliseconds, Token


class Order(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`rate`, `pause`, `resume` and `cancel` name a campaign; `kill` and `lift` a provider, a channel or both."""

    at: Milliseconds
    action: Literal["rate", "pause", "resume", "cancel", "kill", "lift"]
    campaign_id: CampaignId | None = None
    per_s: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None
    provider: Token | None = None
    channel: Token | None = None
    why: Annotated[str, Meta(max_length=500)] = ""


_decoder = msgspec.json.Decoder(Order)
_encoder = msgspec.json.Encoder()


def encode_order(order: Order) -> bytes:
    return _encoder.encode(order) + b"\n"


class Orders:
    """What holds after all orders so far; the latest of its kind wins."""

    def __init__(self) -> None:
        self.rates: dict[str, float | None] = {}
        self.paused: dict[str, str] = {}
        self.cancelled: set[str] = set()
        self.killed: dict[tuple[str, str], str] = {}
        """By provider and channel, either empty."""

    def read(self, value: bytes) -> int:
        """Take lines of the topic; how many orders there were. What is none is passed over."""
        count = 0
        for line in value.splitlines():
            try:
                order = _decoder.decode(line)
            except (msgspec.MsgspecError, RecursionError):
                continue
            self.take(order)
            count += 1
        return count

    def take(self, order: Order) -> None:
        name = order.campaign_id or ""
        match order.action:
            case "rate":
                self.rates[name] = order.per_s
            case "pause":
                self.paused[name] = order.why or "asked to"
            case "resume":
                self.paused.pop(name, None)
            case "cancel":
                self.cancelled.add(name)
            case "kill":
                self.killed[order.provider or "", order.channel or ""] = order.why or "asked to"
            case "lift":
                self.killed.pop((order.provider or "", order.channel or ""), None)

    def kills(self, provider: str, channel: str) -> str:
        """Why nothing goes out this way; empty where it may."""
        for (killed_provider, killed_channel), why in self.killed.items():
            if killed_provider in ("", provider) and killed_channel in ("", channel):
                return why
        return ""
