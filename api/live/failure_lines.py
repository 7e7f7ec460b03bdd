"""Lines of the failure table: a reason, how many messages failed for it, and how fast they become more."""

from itertools import pairwise
from typing import Any

from api.live.snapshot import FailureLine
from api.reports.failures import Failing


def failure_line(failure: Failing, trends: list[dict[str, Any]]) -> FailureLine:
    """`trends`: rows of reason_trends, in order of time."""
    key = reason_key(failure.provider, failure.error_code)
    grown = [row["messages"] for row in trends if row["reason"] == key]
    return FailureLine(**failure.model_dump(), trend=[max(0, now - then) for then, now in pairwise(grown)])


def reason_key(provider: str, error_code: str) -> str:
    """As `pulse.reasons` names it."""
    return f"{provider} {error_code}"
