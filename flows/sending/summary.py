"""What a run of the sender came to: for `--json`, and as an exit code."""

from msgspec import Struct

from flows.sending.process import Sender
from flows.sending.session import Session

ALL_SETTLED, IN_DOUBT, PAUSED, CANCELLED = 0, 3, 4, 5


class CampaignSummary(Struct, kw_only=True):
    """Messages of this process's share since it started; `requests` counts every attempt."""

    campaign_id: str
    audience: int
    settled: int
    sent: int
    failed: int
    in_doubt: int
    queued: int
    screened: dict[str, int]
    errors: dict[str, int]
    requests: int
    retried: int
    repeated: int
    fell_back: int
    settled_sent: int
    settled_lost: int
    queue_p99_s: float
    unrenderable: list[str]
    paused: str
    cancelled: bool


class Summary(Struct, kw_only=True):
    """What `--json` prints."""

    campaigns: list[CampaignSummary]


def summarise(sender: Sender) -> Summary:
    return Summary(campaigns=[_of(session) for session in sender.sessions])


def _of(session: Session) -> CampaignSummary:
    run = session.run
    waits = sorted(run.waits)
    return CampaignSummary(
        campaign_id=run.id,
        audience=run.audience,
        settled=run.confirmed - run.again,
        sent=run.counts.sent,
        failed=run.counts.failed,
        in_doubt=len(run.doubts),
        queued=max(run.audience - (run.confirmed - run.again), 0),
        screened=dict(run.counts.screened),
        errors=dict(run.counts.errors.most_common(50)),
        requests=run.counts.handed,
        retried=run.counts.retried,
        repeated=run.counts.repeated,
        fell_back=run.counts.fell_back,
        settled_sent=run.counts.settled_sent,
        settled_lost=run.counts.settled_lost,
        queue_p99_s=round(waits[int(len(waits) * 0.99)], 3) if waits else 0.0,
        unrenderable=session.faults,
        paused=run.paused,
        cancelled=run.cancelled,
    )


def exit_code(summary: Summary) -> int:
    """The worst of its campaigns."""
    return max((_code(campaign) for campaign in summary.campaigns), default=ALL_SETTLED)


def _code(campaign: CampaignSummary) -> int:
    if campaign.cancelled:
        return CANCELLED
    if campaign.paused and campaign.queued:
        return PAUSED
    return IN_DOUBT if campaign.in_doubt or campaign.queued else ALL_SETTLED
