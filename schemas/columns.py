"""The columnar side of the contracts: Polars schemas, derived from the msgspec types and nowhere repeated."""

from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
import polars as pl
from msgspec import Struct

from schemas.events import Envelope, StatusEvent
from schemas.outbound import MESSAGE_RECORDS


def columns_of(*structs: type[Struct]) -> pl.Schema:
    """The columns that hold any of `structs`, in order of first appearance; a tagged type gives its tag first.

    Every integer is Int64: Polars panics when NDJSON is read into narrower ones.
    """
    columns: dict[str, pl.DataType] = {}
    for struct in structs:
        tag_field = struct.__struct_config__.tag_field
        if tag_field:
            columns.setdefault(tag_field, pl.String())
        for field in msgspec.structs.fields(struct):
            columns.setdefault(field.encode_name, _column_type(field.type))
    return pl.Schema(columns)


def _column_type(annotation: Any) -> pl.DataType:
    plain = _plain_type(annotation)
    if get_origin(plain) is Literal or issubclass(plain, str | Enum):
        return pl.String()
    if issubclass(plain, bool):
        return pl.Boolean()
    if issubclass(plain, int):
        return pl.Int64()
    if issubclass(plain, float):
        return pl.Float64()
    raise TypeError(f"no column type for {annotation!r}")


def _plain_type(annotation: Any) -> Any:
    """`Annotated[int, …] | None` is an int column."""
    if hasattr(annotation, "__metadata__"):
        return _plain_type(annotation.__origin__)
    if get_origin(annotation) in (Union, UnionType):
        return _plain_type(next(arg for arg in get_args(annotation) if arg is not type(None)))
    return annotation


STATUS_COLUMNS = columns_of(StatusEvent)
OUTBOUND_COLUMNS = columns_of(*MESSAGE_RECORDS)
ENVELOPE_COLUMNS = [field.encode_name for field in msgspec.structs.fields(Envelope)]
