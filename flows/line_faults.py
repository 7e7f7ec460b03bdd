"""What is wrong with a line that was refused, in words; and, quicker than trying it, whether it will be refused."""

from typing import Any, NamedTuple

import msgspec
import polars as pl

_ESCAPE = b"\\u"
"""Half a surrogate pair by its escape is refused by msgspec and taken by Polars."""


class Fault(NamedTuple):
    """Why a line can't be used: the reason of its dead letter, and the detail."""

    reason: str
    detail: str


def sure_fault(text: bytes, schema: pl.Schema) -> Fault | None:
    """A fault for which Polars refuses the line as well; None where there is none, or only Polars can tell."""
    try:
        return _fault_of_fields(_decoded(text), schema)
    except UnicodeDecodeError as error:
        return Fault("invalid_utf8", str(error))
    except msgspec.DecodeError as error:
        return None if _ESCAPE in text else Fault("invalid_json", str(error))
    except RecursionError:
        return None


def any_fault(text: bytes, schema: pl.Schema) -> Fault:
    """The fault of a line that Polars refused."""
    try:
        return _fault_of_fields(_decoded(text), schema) or Fault("wrong_shape", "a value of another type than is due")
    except UnicodeDecodeError as error:
        return Fault("invalid_utf8", str(error))
    except (msgspec.DecodeError, RecursionError) as error:
        return Fault("invalid_json", str(error))


def _decoded(text: bytes) -> Any:
    text.decode()
    return msgspec.json.decode(text)


def _fault_of_fields(decoded: Any, schema: pl.Schema) -> Fault | None:
    if not isinstance(decoded, dict):
        return Fault("wrong_shape", f"an object is due, not {type(decoded).__name__}")
    for name, value in decoded.items():
        kind = schema.get(name)
        if kind == pl.Int64 and value is not None:
            if type(value) is not int:
                return Fault("wrong_shape", f"{name}: a whole number is due")
            if not -(2**63) <= value < 2**63:
                return Fault("out_of_range", f"{name}: beyond 64 bits")
        elif kind == pl.Boolean and not isinstance(value, bool | None):
            return Fault("wrong_shape", f"{name}: true or false is due")
    return None
