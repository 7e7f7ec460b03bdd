"""The ledger: what records amount to, and that no replay of them changes it."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from flows.sending.ledger import Doubt, Ledger
from schemas.outbound import Accepted, AnyOutbound, InDoubt, Intent, Rejected, Screened, Settled

_BASE: dict[str, Any] = {"at": 5, "campaign_id": "c", "sent_at": 1}
MESSAGES = 3


def lines(*records: AnyOutbound) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def record(says: str, key: int, attempt: int) -> AnyOutbound:
    told: dict[str, Any] = {"message_key": key, "attempt": attempt, **_BASE}
    match says:
        case "intent":
            return Intent(channel="sms", sender="s", **told)
        case "accepted":
            return Accepted(provider="p", **told)
        case "try again" | "given up":
            return Rejected(provider="p", error_code="x", final=says == "given up", **told)
        case "in doubt":
            return InDoubt(**told)
        case "sent" | "lost":
            return Settled(outcome=says, **told)  # type: ignore[arg-type]
    return Screened(message_key=key, attempt=attempt, reason="expired", at=5, campaign_id="c")


NEXT = {
    "": ["intent", "screened"],
    "intent": ["accepted", "try again", "given up", "in doubt", "sent", "lost"],
    "in doubt": ["intent", "sent", "lost"],
    "try again": ["+intent", "+screened"],
    "given up": ["lost"],
    "lost": ["+intent", "+screened", "screened"],
}
"""What may follow; with a + the attempt is the next one."""


@st.composite
def lives(draw: st.DrawFn, key: int) -> list[AnyOutbound]:
    """Of one message, as a sender and people write them."""
    told: list[AnyOutbound] = []
    says, attempt = "", 1
    for _ in range(draw(st.integers(1, 12))):
        if says not in NEXT:
            break
        says = draw(st.sampled_from(NEXT[says]))
        attempt += says.startswith("+")
        says = says.removeprefix("+")
        told.append(record(says, key, attempt))
    return told


@st.composite
def histories(draw: st.DrawFn) -> list[AnyOutbound]:
    """Some messages' lives, which begin one after the other and then go on side by side."""
    rests = [draw(lives(key)) for key in range(MESSAGES)]
    told = [rest.pop(0) for rest in rests]
    while any(rests):
        told.append(draw(st.sampled_from([rest for rest in rests if rest])).pop(0))
    return told


@st.composite
def spans(draw: st.DrawFn, history: list[AnyOutbound]) -> list[AnyOutbound]:
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(history))] * 2)))
    return history[first:last]


def amounts(ledger: Ledger) -> tuple[list[Doubt], dict[int, int], dict[int, int]]:
    return ledger.doubts(), ledger.attempts, ledger.given_up


def test_the_ledger_knows_what_is_settled_what_is_in_doubt_and_what_goes_on() -> None:
    ledger = Ledger("c")
    ledger.add(
        lines(
            *(record("intent", key, 1) for key in range(8)),
            record("accepted", 0, 1),
            record("given up", 1, 1),
            record("try again", 2, 1),
            record("in doubt", 3, 1),
            record("sent", 4, 1),
            record("lost", 5, 1),
            record("screened", 9, 1),
            record("intent", 2, 2),
            Accepted(message_key=7, provider="p", at=6, campaign_id="other", sent_at=6),
        )
        + b'{"campaign_id":"c", torn\n'
    )
    assert ledger.settled == {0, 1, 4, 9}
    assert [(doubt.seq, doubt.attempt) for doubt in ledger.doubts()] == [(2, 2), (3, 1), (6, 1), (7, 1)]
    assert ledger.attempts == {5: 2}


@given(histories())
def test_the_last_record_of_a_message_holds(history: list[AnyOutbound]) -> None:
    """But for those that say nothing new: `in_doubt`, and an intent of an attempt that is known to have ended."""
    ledger = Ledger("c")
    ledger.add(lines(*history))
    last = {told.message_key: told for told in history if not isinstance(told, InDoubt)}  # type: ignore[union-attr]
    assert {doubt.seq for doubt in ledger.doubts()} == {key for key, told in last.items() if isinstance(told, Intent)}
    goes_on = {
        key: told.attempt + 1
        for key, told in last.items()
        if (isinstance(told, Settled) and told.outcome == "lost") or (isinstance(told, Rejected) and not told.final)
    }
    assert ledger.attempts == goes_on
    assert ledger.settled == set(last) - set(goes_on) - {doubt.seq for doubt in ledger.doubts()}


@given(st.data(), histories())
def test_a_replay_of_any_span_leaves_what_it_amounts_to(data: st.DataObject, history: list[AnyOutbound]) -> None:
    ledger = Ledger("c")
    ledger.add(lines(*history))
    before = (amounts(ledger), set(ledger.settled))
    ledger.add(lines(*data.draw(spans(history))))
    assert (amounts(ledger), ledger.settled) == before


@given(st.data(), histories())
def test_nor_does_one_of_what_lies_before_the_checkpoint(data: st.DataObject, history: list[AnyOutbound]) -> None:
    cut = data.draw(st.integers(MESSAGES, len(history)))
    whole, snapshot, resumed = Ledger("c"), Ledger("c"), Ledger("c")
    whole.add(lines(*history))
    snapshot.add(lines(*history[:cut]))
    resumed.remember(MESSAGES, *amounts(snapshot))
    resumed.add(lines(*data.draw(spans(history[:cut])), *history[cut:], *data.draw(spans(history))))
    assert amounts(resumed) == amounts(whole)


def test_who_was_told_to_be_lost_after_the_provider_had_it_is_not_sent_to_again() -> None:
    ledger = Ledger("c")
    ledger.add(lines(record("intent", 0, 1), record("accepted", 0, 1), record("lost", 0, 1)))
    assert (ledger.attempts, ledger.settled) == ({}, {0})
