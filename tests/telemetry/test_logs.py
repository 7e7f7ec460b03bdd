"""Log lines for machines, and what repeats itself."""

import asyncio
import json
import logging

from sql.telemetry.logs import BURST, WITHIN_S, CutOff, JsonLines, Sparing


def record(text: str = "waiting for %s", *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.getLogger("flows.test").makeRecord(
        "flows.test", logging.WARNING, "file", 1, text, arguments, None, extra=extra
    )
    made.created = 1_793_476_800.0
    return made


def test_an_object_a_line_with_event_and_fields() -> None:
    told = json.loads(JsonLines().format(record("waiting for %s", "the brokér", attempts=3)))
    assert told == {
        "at": "2026-10-31T20:00:00Z",
        "level": "warning",
        "logger": "flows.test",
        "event": "waiting for %s",
        "message": "waiting for the brokér",
        "attempts": 3,
    }


def test_what_repeats_itself_is_said_a_few_times_and_then_counted() -> None:
    now = [0.0]
    sparing = Sparing(lambda: now[0])
    assert sum(sparing.filter(record("down: %s", number)) for number in range(100)) == BURST
    assert sparing.filter(record("something else"))
    now[0] = WITHIN_S
    again = record("down: %s", 101)
    assert sparing.filter(again)
    assert json.loads(JsonLines().format(again))["repeated"] == 100 - BURST


def test_a_cancelled_request_is_a_line_and_what_broke_one_shows_its_frames() -> None:
    slow, unnamed, broke = asyncio.CancelledError("too slow a viewer"), asyncio.CancelledError(), ValueError("broken")
    assert as_said(slow) == ["WARNING cut off in the middle of an answer: too slow a viewer"]
    assert as_said(unnamed) == ["WARNING cut off in the middle of an answer: no reason given"]
    assert as_said(broke) == ["ERROR Exception in ASGI application", "ValueError: broken"]


def as_said(error: BaseException) -> list[str]:
    """As uvicorn tells what ended an application."""
    made = logging.getLogger("uvicorn.error").makeRecord(
        "uvicorn.error", logging.ERROR, "file", 1, "Exception in ASGI application", (), (type(error), error, None)
    )
    assert CutOff().filter(made)
    return logging.Formatter("%(levelname)s %(message)s").format(made).splitlines()
