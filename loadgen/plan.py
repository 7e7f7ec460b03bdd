"""What a run is like: its campaigns, how many messages, from when to when, and how often things go wrong."""

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct

from loadgen.providers import PROVIDERS, Provider
from schemas.errors import UsageError
from schemas.times import DAY_MS, EARLIEST_MS, HOUR_MS, LATEST_MS, MINUTE_MS, SECOND_MS

WINDOW_MS = 6 * HOUR_MS
"""Length of the dedup window that a campaign is made to fit into."""

PILOT_LEAD_MS = 8 * HOUR_MS
"""How long before the start the pilot goes out: older than the window when its statuses come in."""

_LARGEST_AUDIENCE = 100_000_000
"""Recipients have eight digits of their own."""

_CAMPAIGN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OTHERS = "night-survey"
_NOBODYS = "elsewhere"


class Campaign(Struct, frozen=True, kw_only=True):
    """One campaign of a run. Shares are of the audience, unless said otherwise."""

    id: str
    name: str
    number: int
    """Its own in the run, 0 to 7."""
    messages: int
    """Size of the audience; keys are 0 to `messages - 1`."""
    keyed: bool = True
    """Whether records carry the key, and webhooks can."""
    recorded: float = 1.0
    """Messages that the topic `outbound` tells of."""
    providers: tuple[str, ...]
    pilot: int = 0
    """The first keys, sent long before the others and reported late."""
    reached: float = 1.0
    """The part that the sender got to before the end."""
    screened: float = 0.0
    rejected: float = 0.0
    """Of the attempts: refused for now; tried again if it was the first."""
    refused: float = 0.0
    """Of the attempts: refused for good."""
    doubtful: float = 0.0
    """Of the attempts: no answer came."""
    interrupted: float = 0.0
    """Of the attempts: the sender stopped between asking and hearing."""
    retried: float = 0.0
    """Of the first attempts that failed."""
    late_records: float = 0.0
    """Records of acceptance written only seconds to minutes later, behind statuses."""
    repeated_records: float = 0.0


class Plan(Struct, frozen=True, kw_only=True):
    """Everything a run follows from: the same plan gives the same bytes.

    `start_ms` and `end_ms` (the clock for the flows that read the run) are UTC milliseconds. Two campaigns of ours,
    of which the second comes from another team's sender that numbers nothing, and strays: statuses of messages
    that nobody sent through us.
    """

    seed: int = 1
    messages: int = 300_000
    start_ms: int
    duration_ms: int = 5 * HOUR_MS + 30 * MINUTE_MS
    campaign_id: str = "autumn-sale"
    campaign_name: str = "Autumn sale"
    alone: bool = False
    """Without the other team's campaign, and without strays."""
    providers: tuple[Provider, ...] = ()
    haste: float = 1.0
    """Every wait is this many times shorter."""
    pilot: bool = True
    statuses_per_body: float = 5.0
    """The mean: half of the bodies hold one."""
    exact_bodies: bool = False
    """Every body holds `statuses_per_body`."""
    repeated_bodies: float = 0.09
    retimed: float = 0.0022
    """Of the statuses: told again with another event time."""
    recoded: float = 0.04
    """Of the failures: told again with another reason."""
    delayed: float = 0.005
    """Of the statuses: told up to two hours later."""
    corrupt: float = 0.0003
    """Spoiled lines and bodies, of the audience; above 0, at least one of each kind."""
    progress_ms: int = SECOND_MS

    def __post_init__(self) -> None:
        """Raises UsageError where the plan cannot be carried out."""
        _require(1 <= self.messages <= _LARGEST_AUDIENCE, f"messages: from 1 to {_LARGEST_AUDIENCE}")
        _require(SECOND_MS <= self.duration_ms < WINDOW_MS, "duration: from a second to less than six hours")
        _require(EARLIEST_MS + DAY_MS <= self.start_ms < LATEST_MS, "start: a time from 2015 to 2099")
        _require(self.start_ms % SECOND_MS == 0, "start: a whole second")
        _require(_CAMPAIGN_ID.fullmatch(self.campaign_id) is not None, "campaign: 1 to 64 letters, digits, . _ -")
        _require(self.campaign_id not in (_OTHERS, _NOBODYS), f"campaign: neither {_OTHERS} nor {_NOBODYS}")
        mean = self.statuses_per_body
        _require(1 <= mean <= 1000, "statuses per body: from 1 to 1000")
        _require(
            self.exact_bodies or mean == 1 or mean >= 1.5, "statuses per body: 1, or from 1.5 on, as half hold one"
        )
        _require(not self.exact_bodies or mean == int(mean), "statuses per body: a whole number, to be exact")

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.duration_ms

    @property
    def sending_ms(self) -> int:
        """How long it takes from the first message to the last."""
        return self.duration_ms * 17 // 20

    @property
    def mix(self) -> tuple[Provider, ...]:
        return self.providers or PROVIDERS

    @property
    def campaigns(self) -> tuple[Campaign, ...]:
        return tuple(_campaigns(self))


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise UsageError(what)


def _campaigns(plan: Plan) -> Iterator[Campaign]:
    names = tuple(provider.name for provider in plan.mix)
    yield Campaign(
        id=plan.campaign_id,
        name=plan.campaign_name,
        number=0,
        messages=plan.messages,
        recorded=0.999,
        providers=names,
        pilot=min(60, 1 + plan.messages // 5_000) if plan.pilot and plan.messages >= 100 else 0,
        reached=0.997,
        screened=0.02,
        rejected=0.01,
        refused=0.004,
        doubtful=0.004,
        interrupted=0.0005,
        retried=0.4,
        late_records=0.02,
        repeated_records=0.005,
    )
    if plan.alone:
        return
    yield Campaign(
        id=_OTHERS,
        name="Night survey of another team",
        number=1,
        messages=max(1, plan.messages // 80),
        keyed=False,
        providers=names[1:] or names,
        reached=0.99,
        late_records=0.1,
        repeated_records=0.05,
    )
    yield Campaign(
        id=_NOBODYS,
        name="Not ours",
        number=2,
        messages=max(1, plan.messages // 1_000),
        keyed=False,
        recorded=0.0,
        providers=names[1:2] or names,
    )


def default_start_ms(now_ms: int) -> int:
    """20:00 UTC of the last day of the month before `now_ms`, so that a campaign crosses the month's end."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    year, month = (now.year, now.month - 1) if now.month > 1 else (now.year - 1, 12)
    last = datetime(year, month, monthrange(year, month)[1], 20, tzinfo=UTC)
    return int(last.timestamp()) * 1000


def earlier_plans(before_ms: int, messages: int) -> list[Plan]:
    """Two small campaigns of the days before, whole: what a live one of so many messages is compared with."""
    named = (("summer-sale", "Summer sale", 3), ("parcel-lockers", "Parcel lockers, new hours", 1))
    return [
        Plan(
            seed=days,
            messages=max(messages * 3 // 100, 100) * (1 + days),
            start_ms=(before_ms - days * DAY_MS) // HOUR_MS * HOUR_MS,
            duration_ms=5 * MINUTE_MS,
            haste=25.0,
            pilot=False,
            campaign_id=campaign_id,
            campaign_name=name,
            alone=True,
        )
        for campaign_id, name, days in named
    ]
