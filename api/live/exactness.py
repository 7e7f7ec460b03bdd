"""The last word of sql/checks, as `check_runs` holds it."""

from typing import Any

from api.context import Context
from api.live.snapshot import Exactness


def read_exactness(context: Context) -> Exactness:
    return exactness_of(context.rows("check_runs"))


def exactness_of(runs: list[dict[str, Any]]) -> Exactness:
    """`runs`: the last of each check. A figure is exact when all checks say so; the oldest tells when."""
    if not runs:
        return Exactness(exact=None, checked_at=None, seconds=None, wrong=[], note="not checked yet")
    wrong = [f"{run['name']}: {run['wrong']} rows, the first {run['first_wrong']}" for run in runs if run["wrong"]]
    return Exactness(
        exact=not wrong,
        checked_at=min(run["at"] for run in runs),
        seconds=round(sum(run["seconds"] for run in runs), 3),
        wrong=wrong,
    )
