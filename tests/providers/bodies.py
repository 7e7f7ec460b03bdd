"""Raw bodies as requests, and what they become."""

from typing import Any

import polars as pl

from flows.providers import PROVIDERS, BodyReader, Provider, Request

RECEIVED_AT = 1_793_500_000_000


def request(provider: str, body: str = "", **fields: Any) -> Request:
    return Request(receipt_id="receipt-1", provider=provider, received_at=RECEIVED_AT, body=body, **fields)


def frame_of(provider: Provider | str, *bodies: str) -> pl.DataFrame:
    """The events of bodies that are all good."""
    frame, reasons = outcome_of(provider, *bodies)
    assert not reasons
    return frame


def outcome_of(provider: Provider | str, *bodies: str) -> tuple[pl.DataFrame, dict[int, str]]:
    """The events, and by body the reason why it gave none."""
    provider = PROVIDERS[provider] if isinstance(provider, str) else provider
    reader = BodyReader(provider)
    reader.read([request(provider.name, body) for body in bodies])
    frame, refused = reader.events()
    return frame, {body: refusal.bad.reason for body, refusal in refused.items()}


def reason_of(provider: Provider | str, body: str) -> str:
    """Why a body gave no events."""
    frame, reasons = outcome_of(provider, body)
    assert frame.is_empty()
    return reasons[0]
