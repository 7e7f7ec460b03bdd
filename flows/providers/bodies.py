"""From a request's body to text or JSON, with every way that can go wrong named once."""

import base64
from enum import StrEnum
from typing import TypeVar

import msgspec

from flows.providers.provider import Request
from schemas.errors import BadRecord

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_REPORTS = 100_000
"""Statuses in one body. Meta promises at most 1,000."""

_SURELY_FITS = MAX_BODY_BYTES // 4
"""Characters; one has up to 4 bytes."""

T = TypeVar("T")


class Reason(StrEnum):
    """Why a line of topic `webhook` gave no events: the `reason` of its dead letter, here and nowhere else."""

    BAD_ENVELOPE = "bad_envelope"
    """Not one of our envelopes: torn, not JSON, a field missing or of the wrong type."""
    UNKNOWN_PROVIDER = "unknown_provider"
    """No file in `flows.providers` has that name."""
    INVALID_UTF8 = "invalid_utf8"
    """The body should be text and is not."""
    INVALID_JSON = "invalid_json"
    """The body should be JSON and is not, or is nested too deeply."""
    WRONG_SHAPE = "wrong_shape"
    """Well-formed, but a field we need is missing or of another type."""
    OUT_OF_RANGE = "out_of_range"
    """A number, a time or the length of a text is beyond what a status event may hold."""
    TOO_LARGE = "too_large"
    """More than `MAX_BODY_BYTES` or `MAX_REPORTS`."""
    PARSER_FAILED = "parser_failed"
    """A bug of ours. The body is kept: mend the parser and replay."""


def body_text(request: Request) -> str:
    """The body; empty where there is none, as with GET. Raises BadRecord."""
    text = request.body
    if text is None:
        text = _text_of_bytes(request.body_base64 or "")
    if len(text) > _SURELY_FITS and len(text.encode()) > MAX_BODY_BYTES:
        raise BadRecord(Reason.TOO_LARGE, f"a body may have {MAX_BODY_BYTES} bytes")
    return text


def _text_of_bytes(body_base64: str) -> str:
    try:
        return base64.b64decode(body_base64, validate=True).decode()
    except UnicodeDecodeError as error:
        raise BadRecord(Reason.INVALID_UTF8, f"{error.reason} at byte {error.start} of the body") from None
    except ValueError as error:
        raise BadRecord(Reason.BAD_ENVELOPE, f"body_base64: {error}") from None


def decode_json(decoder: msgspec.json.Decoder[T], text: str | msgspec.Raw) -> T:
    """`text` in the decoder's type; raises BadRecord."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise BadRecord(Reason.WRONG_SHAPE, str(error)) from None
    except msgspec.DecodeError as error:
        raise BadRecord(Reason.INVALID_JSON, str(error)) from None
    except RecursionError:
        raise BadRecord(Reason.INVALID_JSON, "nested too deeply") from None
