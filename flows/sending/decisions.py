"""What follows from an outcome: plain values in, a decision out."""

from enum import Enum
from typing import NamedTuple

from flows.sending.outgoing import Outcome, Reaction, Refused, Taken


class Verdict(Enum):
    TAKEN = "taken"
    RETRY = "retry"
    FALL_BACK = "fall_back"
    GIVE_UP = "give_up"
    DOUBT = "doubt"


class Policy(NamedTuple):
    """Seconds; `attempts` counts every time that a message was handed to a provider."""

    attempts: int
    within_s: float
    first_wait_s: float
    longest_wait_s: float
    falls_back: bool


class Decision(NamedTuple):
    verdict: Verdict
    wait_s: float = 0.0
    reason: str = ""
    """Of a message given up: what its dead letter says."""


def decide(outcome: Outcome, tries: int, age_s: float, policy: Policy, chance: float) -> Decision:
    """`tries`: attempts made so far, this one included; `age_s`: since the first; `chance`: from 0 to 1."""
    if isinstance(outcome, Taken):
        return Decision(Verdict.TAKEN)
    if not isinstance(outcome, Refused):
        return Decision(Verdict.DOUBT)
    match outcome.reaction:
        case Reaction.RETRY | Reaction.THROTTLED | Reaction.PAGE | Reaction.STOP:
            return _again(outcome, tries, age_s, policy, chance)
        case Reaction.FALLBACK | Reaction.SUPPRESS if policy.falls_back:
            return Decision(Verdict.FALL_BACK)
    return Decision(Verdict.GIVE_UP, reason="refused")


def _again(outcome: Refused, tries: int, age_s: float, policy: Policy, chance: float) -> Decision:
    """What stops a campaign, or calls for a person, was no fault of the message: it is kept for when that is mended."""
    if outcome.reaction in (Reaction.PAGE, Reaction.STOP):
        return Decision(Verdict.RETRY, policy.first_wait_s)
    if tries >= policy.attempts or age_s >= policy.within_s:
        return Decision(Verdict.FALL_BACK if policy.falls_back else Verdict.GIVE_UP, reason="retries_exhausted")
    wait_s = backoff_s(tries, policy.first_wait_s, policy.longest_wait_s, chance)
    return Decision(Verdict.RETRY, max(wait_s, outcome.retry_after_s))


def backoff_s(tries: int, first_s: float, longest_s: float, chance: float) -> float:
    """Full jitter: anywhere from 0 to a ceiling that doubles with each try.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return chance * min(first_s * 2.0 ** min(tries - 1, 60), longest_s)
