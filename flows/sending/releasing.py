"""The starting line: who goes now, as far as every limit on the way lets through.

Campaigns go in the order critical, standard, bulk. While bulk waits for a limit that others share with it, those get no
more than nine tenths of it.
"""

from collections.abc import Callable, Iterable

from flows.sending.desk import Desk
from flows.sending.limits import Limit, free
from flows.sending.message import Message
from flows.sending.runs import Number, Run, Way

RESERVE = 0.1
RANKS = {"critical": 0, "standard": 1, "bulk": 2}

Launch = Callable[[Run, Way, Number, Message], None]


class Releaser:
    def __init__(self, desk: Desk, launch: Launch) -> None:
        self._desk = desk
        self._launch = launch
        self._unreserved: dict[Limit, Limit] = {}

    def release(self, runs: Iterable[Run], now: float) -> int:
        """How many went; `runs` in the order of their priority."""
        runs = [run for run in runs if not run.paused and not run.cancelled]
        reserved = {limit for run in runs if run.campaign.priority == "bulk" for limit in _wanted(run)}
        return sum(self._release(run, reserved, now) for run in runs)

    def _release(self, run: Run, reserved: set[Limit], now: float) -> int:
        went = 0
        for way in run.ways:
            if self._desk.orders.kills(way.route.provider, way.route.channel):
                continue
            count = len(way.numbers)
            for turn in range(count):
                number = way.numbers[(run.turn + turn) % count]
                if number.ready:
                    went += self._release_number(run, way, number, reserved, now)
        return went

    def _release_number(self, run: Run, way: Way, number: Number, reserved: set[Limit], now: float) -> int:
        limits = number.path
        if run.campaign.priority != "bulk" and reserved:
            limits = [*limits, *(self._share(limit, now) for limit in limits if limit in reserved)]
        count = min(len(number.ready), run.campaign.concurrency - run.in_flight, free(limits, now))
        probes = number.breaker.room(now)
        if probes is not None:
            count = min(count, probes)
        if count <= 0:
            return 0
        for limit in limits:
            limit.take(count, now)
        number.breaker.sent(count)
        number.staged -= count
        run.in_flight += count
        run.counts.handed += count
        for _ in range(count):
            message = number.ready.popleft()
            if message.tries == 1:
                run.waits.append(now - message.queued_at)
            self._launch(run, way, number, message)
        return count

    def _share(self, limit: Limit, now: float) -> Limit:
        """What of a limit is not kept for bulk."""
        rate = limit.effective()
        share = None if rate is None else rate * (1 - RESERVE)
        known = self._unreserved.get(limit)
        if known is None:
            known = self._unreserved[limit] = Limit(share, now)
        elif known.per_s != share:
            known.set_rate(share, now)
        return known


def _wanted(run: Run) -> Iterable[Limit]:
    """The shared limits that this campaign waits for."""
    return (limit for way in run.ways for number in way.numbers if number.ready for limit in number.path[:3])
