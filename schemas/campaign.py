"""What a campaign file says. `python -m schemas.export` derives its JSON Schema from these types.

Durations are texts such as `30s` or `4h`, shares numbers from 0 to 1, rates messages per second.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.events import CampaignId, Token
from schemas.settings import parse_duration_ms

Duration = Annotated[str, Meta(pattern=r"^[0-9]{1,15}(ms|s|m|h|d)$")]
ClockTime = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Share = Annotated[float, Meta(ge=0, le=1)]
Rate = Annotated[float, Meta(gt=0, le=1_000_000)]
Few = Annotated[int, Meta(ge=1, le=100)]
Text = Annotated[str, Meta(min_length=1, max_length=100_000)]
Column = Annotated[str, Meta(min_length=1, max_length=128)]
Priority = Literal["critical", "standard", "bulk"]
Channel = Literal["whatsapp", "sms", "email", "push", "webpush", "in_app", "fax", "webhook"]
Moment = Annotated[datetime, Meta(tz=True)]


class Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A misspelt field is an error, not a wish that nobody hears."""


class Audience(Strict, frozen=True, kw_only=True):
    """Who: a file or glob (CSV, NDJSON, Parquet), or a ClickHouse query; and which columns say what."""

    file: Text | None = None
    query: Text | None = None
    language: Column | None = None
    timezone: Column | None = None
    country: Column | None = None


class Number(Strict, frozen=True, kw_only=True):
    """A sender number, address or account, and what the provider allows it."""

    id: Annotated[str, Meta(min_length=1, max_length=128)]
    per_s: Rate | None = None


class Template(Strict, frozen=True, kw_only=True):
    """The text, in the file or in one beside it; or the name of a template that the provider keeps.

    `text`, `file`, `subject` and `html` may be one text, or one for each language. `parameters` fill a provider's
    template, in order. All of them are minijinja over the audience's columns.
    """

    name: Token | None = None
    text: Text | dict[str, Text] | None = None
    file: Text | dict[str, Text] | None = None
    subject: Text | dict[str, Text] | None = None
    html: Text | dict[str, Text] | None = None
    parameters: list[Text] = []
    language: Token = "en"


class Route(Strict, frozen=True, kw_only=True):
    """One way to a person: channel, provider, numbers, template; `to` and `consent` are columns of the audience."""

    channel: Channel
    provider: Token
    senders: Annotated[list[Number], Meta(min_length=1, max_length=1000)]
    template: Template
    to: Column = "to"
    consent: Column | None = None
    connection: dict[str, str] = {}


class Fallback(Route, frozen=True, kw_only=True):
    """The other way, and when it is taken."""

    when: tuple[Literal["outage", "rejected"], ...] = ("outage", "rejected")


class Rates(Strict, frozen=True, kw_only=True):
    """Messages per second: of everything this deployment sends, of the provider, of this campaign."""

    overall: Rate | None = None
    provider: Rate | None = None
    campaign: Rate | None = None


class Window(Strict, frozen=True, kw_only=True):
    """When the campaign may send at all."""

    opens: Moment | None = None
    closes: Moment | None = None


class QuietHours(Strict, frozen=True, kw_only=True):
    """No message while it is between these times where the person is; `timezone` for those whose zone is unknown."""

    begin: ClockTime
    end: ClockTime
    timezone: Token = "UTC"


class Retry(Strict, frozen=True, kw_only=True):
    """How often and for how long a message is tried."""

    attempts: Few = 5
    within: Duration = "4h"
    first_wait: Duration = "1s"
    longest_wait: Duration = "5m"


class Canary(Strict, frozen=True, kw_only=True):
    """The first share goes alone; the rest follows after `wait`, if no more than `failures` of it failed."""

    share: Share
    wait: Duration = "5m"
    failures: Share = 0.1


class StopRule(Strict, frozen=True, kw_only=True):
    """Pause when more than this share of the last `over` outcomes are failures."""

    failures: Share
    over: Annotated[int, Meta(ge=10, le=100_000)] = 1000


class FrequencyCap(Strict, frozen=True, kw_only=True):
    """At most so many messages to a person in that time, all campaigns together."""

    messages: Few
    per: Duration


class Campaign(Route, frozen=True, kw_only=True):
    """The file."""

    id: CampaignId
    name: Annotated[str, Meta(max_length=256)] = ""
    audience: Audience
    fallback: Fallback | None = None
    priority: Priority = "standard"
    rates: Rates = Rates()
    concurrency: Annotated[int, Meta(ge=1, le=20_000)] = 2000
    window: Window = Window()
    quiet_hours: QuietHours | None = None
    expires: Duration | None = None
    sla_p95: Duration | None = None
    prices: dict[str, Annotated[float, Meta(ge=0)]] = {}
    canary: Canary | None = None
    stop: StopRule | None = None
    frequency_cap: FrequencyCap | None = None
    retry: Retry = Retry()
    timeout: Duration = "30s"
    in_doubt: Literal["hold", "resend"] = "hold"
    settle: Duration = "30s"

    def routes(self) -> list[Route]:
        return [self, self.fallback] if self.fallback else [self]

    def limit_per_s(self) -> float | None:
        """What the campaign may reach: the least of its own limits and of what its numbers allow together."""
        limits = [limit for limit in (self.rates.overall, self.rates.provider, self.rates.campaign) if limit]
        if all(sender.per_s for sender in self.senders):
            limits.append(sum(sender.per_s or 0 for sender in self.senders))
        return min(limits, default=None)


def seconds(duration: str) -> float:
    return parse_duration_ms(duration) / 1000
