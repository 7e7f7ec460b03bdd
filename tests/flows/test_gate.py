"""Who reads next where lanes share a process."""

import pytest

from flows.gate import RESERVED_SHARE, Brought, Gate, Pace

LANES = ["delivered", "outbound", "other", "read"]


def test_all_read_while_nothing_waits() -> None:
    gate = Gate(LANES)
    assert all(gate.opens(lane) for lane in LANES for _ in range(30))


def test_a_lane_waits_for_all_before_it_and_for_none_behind_it() -> None:
    gate = Gate(LANES)
    gate.polled("outbound", full=True)
    assert {lane: gate.opens(lane) for lane in LANES} == dict(zip(LANES, [True, True, False, False], strict=True))
    assert gate.floods("outbound")
    gate.polled("outbound", full=False)
    assert all(gate.opens(lane) for lane in LANES)


def test_a_lane_kept_waiting_has_its_reserved_share() -> None:
    """Each lane its own, whichever of those before it floods."""
    gate = Gate(LANES)
    gate.polled("delivered", full=True)
    for lane in ("outbound", "read"):
        turns = [gate.opens(lane) for _ in range(10 * RESERVED_SHARE)]
        assert turns.count(True) == 10
        assert turns[: RESERVED_SHARE - 1].count(True) == 0


def test_a_lane_whose_writer_is_behind_is_not_polled() -> None:
    """Nor by its reserved share; the others are, as they would be."""
    gate, behind = Gate(LANES), [False, True]
    gate.watch("read", lambda: behind[0])
    gate.watch("read", lambda: behind[1])
    assert not any(gate.opens("read") for _ in range(5 * RESERVED_SHARE))
    assert all(gate.opens(lane) for lane in LANES[:-1])
    behind[1] = False
    assert gate.opens("read")


def test_a_lane_that_is_not_polled_keeps_no_other_waiting() -> None:
    """Its writer is behind, perhaps for hours: what it had waiting last says nothing of the others."""
    gate = Gate(LANES)
    gate.polled("delivered", full=True)
    gate.watch("delivered", lambda: True)
    assert all(gate.opens(lane) for lane in LANES[1:])


def test_the_less_a_poll_brought_the_longer_is_the_wait_and_next_to_nothing_has_one_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [100.0]
    monkeypatch.setattr("flows.gate.time.monotonic", lambda: now_s[0])
    pace = Pace(0.5, 0.25)
    assert pace.opens()
    for brought, waits_s in ((Brought.SOME, 0.5), (Brought.LITTLE, 0.25), (Brought.MUCH, 0.0)):
        pace.polled(brought)
        assert pace.opens() == (waits_s == 0)
        now_s[0] += waits_s
        assert pace.opens()
    pace = Pace(0.5)
    pace.polled(Brought.LITTLE)
    now_s[0] += 0.25
    assert not pace.opens()
