"""What a flow's lanes say of its health: from what they counted, and when they last did."""

import time
from collections.abc import Sequence

from flows.stats import LaneStats
from flows.stopping import Stop
from sql.telemetry.health import State, Verdict

SILENT_AFTER_S = 60.0
"""Sources tell their lag once a second, whatever there is to read."""
BEHIND_AFTER_MS = 30_000


def flow_verdict(lanes: Sequence[LaneStats], stop: Stop, broker: str = "") -> Verdict:
    """The worst that holds; `broker` says why it does not answer, if so."""
    if stop.failure:
        return Verdict(State.BROKEN, str(stop.failure))
    if waits := [f"{lane.name}: {lane.waits_for}" for lane in lanes if lane.waits_for]:
        return Verdict(State.BROKEN, "; ".join(waits))
    if broker:
        return Verdict(State.BROKEN, broker)
    heard = [lane.heard_s for lane in lanes]
    if not all(heard):
        return Verdict(State.STARTING)
    if (silent_s := time.monotonic() - min(heard)) > SILENT_AFTER_S:
        return Verdict(State.SILENT, f"nothing was read or looked for in {silent_s:.0f} s")
    late = [f"{lane.name}: {lane.lag_ms() / 1000:.0f} s" for lane in lanes if lane.lag_ms() > BEHIND_AFTER_MS]
    return Verdict(State.BEHIND, "; ".join(late)) if late else Verdict(State.READY)
