"""The providers of a run: what they carry, how long they take, and how often things go wrong with them."""

from typing import Literal

from msgspec import Struct

from schemas.times import HOUR_MS, MINUTE_MS


class Latency(Struct, frozen=True):
    """A wait with a heavy tail: half take less than `p50_ms`, one in a hundred longer than `p99_ms`."""

    p50_ms: float
    p99_ms: float


class Provider(Struct, frozen=True, kw_only=True):
    """Who carries messages of one channel. Shares are of the messages it took, unless said otherwise."""

    name: str
    channel: str
    share: float
    """Of the audience."""
    body: Literal["meta_whatsapp", "canonical"] = "canonical"
    """The shape of its webhooks' bodies."""
    whole_seconds: bool = False
    """Its event times carry no milliseconds."""
    accepts: Latency
    delivers: Latency
    reads: Latency
    reports: Latency
    """From a status to the webhook that tells of it."""
    sent: float = 1.0
    """Reported as handed on to the network."""
    deferred: float = 0.0
    failed: float
    failure_codes: tuple[str | None, ...]
    rejection_codes: tuple[str, ...]
    silent: float = 0.02
    """Nothing is heard again."""
    read: float
    """Of those delivered."""
    read_only: float = 0.05
    """Of those read or clicked: `delivered` is never reported."""
    clicked: float = 0.0
    """Of those delivered, as are the next two."""
    complained: float = 0.0
    unsubscribed: float = 0.0
    unknown_statuses: tuple[str, ...]
    echoes: float = 1.0
    """Messages whose statuses carry our ids."""
    tells_sent_at: float = 1.0
    """Messages whose statuses, where they carry our ids, also say when we sent them."""


WHATSAPP = Provider(
    name="meta_whatsapp",
    channel="whatsapp",
    share=0.55,
    body="meta_whatsapp",
    whole_seconds=True,
    accepts=Latency(180, 2_500),
    delivers=Latency(3_500, 240_000),
    reads=Latency(25 * MINUTE_MS, 9 * HOUR_MS),
    reports=Latency(400, 20_000),
    failed=0.05,
    failure_codes=("131026", "131049", "131047", "131053", "130472"),
    rejection_codes=("131056", "130429", "131008"),
    read=0.62,
    unknown_statuses=("warning", "held"),
)
SMS = Provider(
    name="acme_sms",
    channel="sms",
    share=0.22,
    accepts=Latency(90, 1_500),
    delivers=Latency(6_000, 600_000),
    reads=Latency(8 * MINUTE_MS, 4 * HOUR_MS),
    reports=Latency(900, 60_000),
    deferred=0.03,
    failed=0.06,
    failure_codes=("30003", "30005", "30006", "30007"),
    rejection_codes=("21610", "20429"),
    read=0.0,
    clicked=0.09,
    unknown_statuses=("BUFFERED_SMSC", "ROUTED_ABROAD"),
    echoes=0.93,
)
MAIL = Provider(
    name="acme_mail",
    channel="email",
    share=0.18,
    accepts=Latency(60, 900),
    delivers=Latency(2_500, 900_000),
    reads=Latency(40 * MINUTE_MS, 12 * HOUR_MS),
    reports=Latency(2_000, 30_000),
    sent=0.0,
    deferred=0.04,
    failed=0.03,
    failure_codes=("5.1.1", "5.2.2", "4.4.2", "5.7.1"),
    rejection_codes=("550", "421"),
    read=0.35,
    read_only=0.12,
    clicked=0.07,
    complained=0.002,
    unsubscribed=0.006,
    unknown_statuses=("greylisted", "quarantine"),
)
PUSH = Provider(
    name="acme_push",
    channel="push",
    share=0.05,
    accepts=Latency(40, 600),
    delivers=Latency(900, 1_800_000),
    reads=Latency(5 * MINUTE_MS, 3 * HOUR_MS),
    reports=Latency(700, 15_000),
    sent=0.0,
    failed=0.08,
    failure_codes=("unregistered", "quota", None),
    rejection_codes=("INVALID_TOKEN", "UNAVAILABLE"),
    silent=0.2,
    read=0.2,
    clicked=0.05,
    unknown_statuses=("dismissed", "snoozed"),
    tells_sent_at=0.97,
)
PROVIDERS = (WHATSAPP, SMS, MAIL, PUSH)
