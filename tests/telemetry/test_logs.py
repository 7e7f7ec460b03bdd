"""Log lines for machines, and what repeats itself."""

import json
import logging

from sql.telemetry.logs import BURST, WITHIN_S, JsonLines, Sparing


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
