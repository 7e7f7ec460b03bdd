"""The bounds of `StatusEvent`'s fields, as Polars expressions: derived from the contract, nowhere repeated."""

import msgspec
import polars as pl
from msgspec.inspect import IntType, NoneType, StrType, Type, UnionType

from schemas.events import StatusEvent

_INT64_MAX = 2**63 - 1


def beyond_contract(name: str) -> pl.Expr:
    """True where column `name` holds what the contract does not allow; false for null."""
    kind = _TYPES[name]
    checks = (
        _int_checks(pl.col(name), kind, largest(name)) if isinstance(kind, IntType) else _str_checks(pl.col(name), kind)
    )
    return pl.any_horizontal(pl.lit(value=False), *checks).fill_null(value=False).alias(name)


def pattern_of(name: str) -> str:
    """The regular expression of a text field, without its anchors."""
    kind = _TYPES[name]
    assert isinstance(kind, StrType)
    assert kind.pattern
    return kind.pattern.removeprefix("^").removesuffix("$")


def largest(name: str) -> int:
    """The highest value of a number, the most characters of a text."""
    kind = _TYPES[name]
    if isinstance(kind, IntType):
        return min(bound for bound in (kind.le, kind.lt and kind.lt - 1, _INT64_MAX) if bound is not None)
    most = kind.max_length if isinstance(kind, StrType) else None
    return _INT64_MAX if most is None else most


def smallest(name: str) -> int:
    """The lowest value of a number from 0 on; 0 for a text."""
    kind = _TYPES[name]
    return kind.ge or 0 if isinstance(kind, IntType) else 0


def _int_checks(value: pl.Expr, kind: IntType, highest: int) -> list[pl.Expr]:
    """Int64 holds no more than its maximum, so a bound beyond it needs no check."""
    checks = [] if kind.ge is None else [value < kind.ge]
    return checks if highest == _INT64_MAX else [*checks, value > highest]


def _str_checks(value: pl.Expr, kind: Type) -> list[pl.Expr]:
    """Rust's `$` matches at the very end only, Python's before a last newline too."""
    if not isinstance(kind, StrType):
        return []
    checks = [] if kind.max_length is None else [value.str.len_chars() > kind.max_length]
    return checks if kind.pattern is None else [*checks, ~value.str.contains(kind.pattern)]


def _plain(kind: Type) -> Type:
    return next(part for part in kind.types if not isinstance(part, NoneType)) if isinstance(kind, UnionType) else kind


def _field_types() -> dict[str, Type]:
    info = msgspec.inspect.type_info(StatusEvent)
    assert isinstance(info, msgspec.inspect.StructType)
    return {field.encode_name: _plain(field.type) for field in info.fields}


_TYPES = _field_types()
