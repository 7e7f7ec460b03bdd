"""When a message may reach a person: quiet hours where the person is, as plain functions over plain values."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from schemas.campaign import QuietHours


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def allowed_at(quiet: QuietHours | None, zone: str, now_ms: int) -> int:
    """The first moment from `now_ms` on that is not within quiet hours; UTC milliseconds.

    Wall clocks that are set forward or back count as they show: the end of quiet hours is the first moment that shows
    that time or a later one.
    """
    if quiet is None:
        return now_ms
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(_zone(zone or quiet.timezone))
    begin, end, minute = _minutes(quiet.begin), _minutes(quiet.end), local.hour * 60 + local.minute
    over_midnight = begin > end
    within = minute >= begin or minute < end if over_midnight else begin <= minute < end
    if not within:
        return now_ms
    day = local.date() + timedelta(days=1) if over_midnight and minute >= begin else local.date()
    opens = datetime(day.year, day.month, day.day, end // 60, end % 60, tzinfo=local.tzinfo)
    return max(now_ms + 1, int(opens.timestamp() * 1000))
