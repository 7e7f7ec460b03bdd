"""Fields of bodies that are forms, queries or flat JSON, and times as providers write them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import msgspec

from flows.providers.bodies import Reason, body_text, decode_json
from flows.providers.provider import Request
from flows.providers.signing import query_in
from schemas.echo import ECHO_NAME
from schemas.errors import BadRecord

MAX_FIELDS = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FIRST_MS = 10**11
"""A number of seconds below it lies before the year 5138, a number of milliseconds before 1973."""
_OFFSET = re.compile(r"(?:\s*([+-])|\s+)([0-9]{2}):?([0-9]{2})$")
_scalars = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text_or_number = msgspec.json.Decoder(str | int | float | None)

Fields = Mapping[str, str]


def fields_of(request: Request) -> Fields:
    """What a status callback says by name: its form or flat JSON, else its query. Raises BadRecord.

    Values of JSON that are no text are written as JSON writes them; null is left out.
    """
    text = body_text(request)
    if not text.strip():
        return query_of(request)
    if is_json(request, text):
        return {name: value for name, raw in decode_json(_scalars, text).items() if (value := _scalar(raw)) is not None}
    return _form(text, "the form")


def is_json(request: Request, text: str) -> bool:
    """A form that is called JSON, or the reverse, is read as what it is."""
    return text.lstrip()[:1] in ("{", "[") or "json" in request.content_type


def query_of(request: Request) -> Fields:
    return _form(query_in(request.url), "the query")


def echo_of(request: Request) -> str | None:
    """Our text, where the address that we gave for callbacks carries it."""
    return echo_in(request.url) if ECHO_NAME in request.url else None


def echo_in(url: str) -> str | None:
    return _form(query_in(url), "the query").get(ECHO_NAME)


def _form(text: str, where: str) -> dict[str, str]:
    """The first of several values holds."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except UnicodeDecodeError:
        raise BadRecord(Reason.INVALID_UTF8, f"{where} holds bytes that are no UTF-8") from None
    except ValueError:
        raise BadRecord(Reason.TOO_LARGE, f"{where} has more than {MAX_FIELDS} fields") from None
    return dict(reversed(pairs))


def _scalar(raw: msgspec.Raw) -> str | None:
    if bytes(raw)[:1] in (b"{", b"["):
        return bytes(raw).decode()
    value = _text_or_number.decode(raw) if bytes(raw) not in (b"true", b"false") else bytes(raw).decode()
    return None if value is None else str(value)


def needed(fields: Fields, *names: str) -> str:
    """The first of `names` that says something; raises BadRecord that names the first."""
    for name in names:
        if fields.get(name):
            return fields[name]
    raise BadRecord(Reason.WRONG_SHAPE, f"{names[0]} is missing")


def iso_ms(text: str | None, name: str) -> int | None:
    """ISO 8601, or `2020-01-01 12:00:00 +0000`, with UTC for no offset; a plus sign that a form has eaten is put back.

    Raises BadRecord that names the field.
    """
    if not text:
        return None
    try:
        return _milliseconds(_parsed(text.strip()))
    except (ValueError, OverflowError):
        raise BadRecord(Reason.WRONG_SHAPE, f"{name} is no time: {text[:40]!r}") from None


def _parsed(text: str) -> datetime:
    head, tail = text[:19], text[19:].removesuffix(" UTC")
    if offset := _OFFSET.search(tail):
        tail = f"{tail[: offset.start()]}{offset[1] or '+'}{offset[2]}:{offset[3]}"
    return datetime.fromisoformat(head + tail)


def _milliseconds(time: datetime) -> int:
    whole = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    milliseconds = whole // _MILLISECOND
    if milliseconds < 0:
        raise ValueError("before 1970")
    return milliseconds


def epoch_ms(value: str | int | float | None, name: str) -> int | None:
    """Seconds or milliseconds since the epoch, told apart by their size, as number or text. Raises BadRecord."""
    if value is None or value == "":
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        raise BadRecord(Reason.WRONG_SHAPE, f"{name} is no time: {str(value)[:40]!r}") from None
    if not 0 <= number <= 2**53:
        raise BadRecord(Reason.OUT_OF_RANGE, f"{name} is beyond what a status event may hold")
    return number if number >= _FIRST_MS else number * 1000


def text_of(value: str | int | float | None) -> str | None:
    """A code that some send as a number."""
    return None if value is None or value == "" else str(value)
