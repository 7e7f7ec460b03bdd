"""Shared limits through a real Redis: never above the rate, whoever asks, leaves, is cut off or comes back."""

import random
import time

import pytest

from flows.sending.leases import Lease, Leases, Wanted, check_address
from flows.sending.limits import Limit
from schemas.errors import UsageError
from tests.parts.redis import RedisServer, redis_server

__all__ = ["redis_server"]

RATE = 1000.0


class Asker:
    """One process: what it wants, and the limit as it stands in it."""

    def __init__(self, url: str, of: int) -> None:
        self.demand = (0.0, RATE, 0.0)
        self.limit = Limit(RATE, time.monotonic(), of)
        self.leases = Leases(url, lambda: [Wanted("overall", RATE, of, self.demand)], self._take)

    def _take(self, leases: list[Lease]) -> None:
        for lease in leases:
            self.limit.lease(lease.per_s, lease.until, time.monotonic())

    def rate(self) -> float:
        self.limit.available(time.monotonic())
        return self.limit.effective() or 0.0


def _rounds(askers: list[Asker], seconds: float) -> list[float]:
    """Sums of all rates over that time, while everyone asks."""
    until, sums = time.monotonic() + seconds, []
    while time.monotonic() < until:
        for asker in askers:
            asker.leases.ask()
            sums.append(sum(one.rate() for one in askers))
        time.sleep(0.02)
    return sums


def test_two_that_want_all_get_half_each_and_never_more_together(redis_server: RedisServer) -> None:
    askers = [Asker(redis_server.url, 2), Asker(redis_server.url, 2)]
    sums = _rounds(askers, 0.6)
    assert max(sums) <= RATE * 1.001
    assert [round(asker.rate()) for asker in askers] == [500, 500]


def test_what_one_does_not_want_the_other_gets(redis_server: RedisServer) -> None:
    askers = [Asker(redis_server.url, 2), Asker(redis_server.url, 2)]
    askers[0].demand = (0.0, 100.0, 0.0)
    sums = _rounds(askers, 0.6)
    assert max(sums) <= RATE * 1.001
    assert askers[1].rate() >= 850


def test_who_was_never_heard_of_keeps_its_static_share(redis_server: RedisServer) -> None:
    alone = Asker(redis_server.url, 2)
    _rounds([alone], 0.3)
    assert alone.rate() == pytest.approx(RATE / 2, rel=0.01)


def test_who_leaves_leaves_its_share_to_the_others(redis_server: RedisServer) -> None:
    askers = [Asker(redis_server.url, 2), Asker(redis_server.url, 2)]
    _rounds(askers, 0.3)
    askers[0].leases.close()
    askers[0].leases._leave()
    _rounds(askers[1:], 0.3)
    assert askers[1].rate() == pytest.approx(RATE, rel=0.01)


def test_redis_killed_and_back_is_never_above_the_rate(redis_server: RedisServer) -> None:
    askers, chance = [Asker(redis_server.url, 2), Asker(redis_server.url, 2)], random.Random(1)
    sums = _rounds(askers, 0.3)
    for _ in range(3):
        redis_server.kill()
        sums += _rounds(askers, chance.uniform(1.3, 1.5))
        assert [asker.rate() for asker in askers] == [500, 500], "on the static share"
        redis_server.start()
        for asker in chance.sample(askers, 2):  # they don't come back at one moment
            sums += _rounds([asker], 0.15) and [sum(one.rate() for one in askers)]
        sums += _rounds(askers, 0.3)
    assert max(sums) <= RATE * 1.001
    assert sum(asker.rate() for asker in askers) == pytest.approx(RATE, rel=0.01)


def test_classes_are_served_in_their_order_and_bulk_has_its_reserve(redis_server: RedisServer) -> None:
    critical, standard, bulk = (Asker(redis_server.url, 3) for _ in range(3))
    critical.demand, standard.demand, bulk.demand = (600.0, 0.0, 0.0), (0.0, RATE, 0.0), (0.0, 0.0, RATE)
    sums = _rounds([critical, standard, bulk], 0.8)
    assert max(sums) <= RATE * 1.001
    assert critical.rate() == pytest.approx(600, rel=0.02)
    assert bulk.rate() == pytest.approx(100, rel=0.05)
    assert standard.rate() == pytest.approx(300, rel=0.05)


@pytest.mark.parametrize("url", ["localhost:6379", "http://x", "redis://", "redis://[::1"])
def test_a_wrong_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="TIDEMARK_REDIS"):
        check_address(url)
