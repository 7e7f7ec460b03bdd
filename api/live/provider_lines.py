"""Lines of the provider table: how far messages got at each, over all and in the last minute."""

from datetime import datetime
from typing import Any

from api.live.recent import Readings, recent_provider
from api.live.snapshot import AllProviders, ProviderLine
from api.live.verdict import is_weak
from api.reports.funnel import share


def provider_line(
    row: dict[str, Any],
    readings: Readings,
    channels: list[dict[str, Any]],
    latency: list[dict[str, Any]],
    *,
    is_running: bool,
    now_ms: int,
) -> ProviderLine:
    """From rows of providers, channels and provider_latency, and this provider's readings."""
    name = row["provider"]
    recent = recent_provider(name, [readings], now_ms)
    late = next((found for found in latency if found["provider"] == name), None)
    weak = is_weak(recent.success, recent.decided)
    sent = row["sent"]
    return ProviderLine(
        provider=name,
        channels=[found["channel"] for found in channels if found["provider"] == name],
        state="alert" if weak and is_running else "steady" if recent.decided or recent.per_s else "quiet",
        sent=sent,
        per_s=recent.per_s,
        delivered_rate=share(row["delivered"], sent),
        read_rate=share(row["read"], sent) if row["read"] else None,
        failed_rate=share(row["failed"], sent),
        p50_ms=late["p50_ms"] if late else None,
        p95_ms=late["p95_ms"] if late else None,
        success=recent.success,
        trend=recent.sent,
        failed_strip=recent.failed_share,
    )


def all_providers(rows: list[dict[str, Any]], read_at: datetime | None) -> AllProviders:
    """Of the row without a name: a message that was tried at two providers counts once."""
    row = next((row for row in rows if not row["provider"]), dict.fromkeys(("sent", "delivered", "read", "failed"), 0))
    return AllProviders(
        sent=row["sent"],
        delivered_rate=share(row["delivered"], row["sent"]),
        read_rate=share(row["read"], row["sent"]),
        failed_rate=share(row["failed"], row["sent"]),
        read_at=read_at,
    )
