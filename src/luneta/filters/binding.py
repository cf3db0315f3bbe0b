"""A predicate, once it is known what its column holds: values in the column's own type and unit, or a refusal.

Integers, dates and times are compared exactly: `year < 1899.5` asks for ``year <= 1899`` and never goes through a
float, and a value that no cell can hold decides the predicate for every cell. Floats are compared in their own
precision, so that 0.1 equals a float32 cell that was written as 0.1.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from luneta.errors import did_you_mean
from luneta.filters.tree import Filter, Operator, Predicate, Word, complaint

Kind = Literal["integer", "time", "float", "text", "bool", "texts", "other"]

HOLDS: dict[Kind, str] = {
    "integer": "whole numbers", "time": "dates or times (as text: '1889-06-18', '2024-01-31T12:30:00')",
    "float": "numbers", "text": "text (in single quotes)", "bool": "true and false", "texts": "lists of text",
}  # fmt: skip
ORDERED: frozenset[Operator] = frozenset({"<", "<=", ">", ">="})
UNITS_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Column:
    """A column and how it is read.

    Attributes:
        type: what it is cast to before it is compared; its own where that can be.
    """

    name: str
    kind: Kind
    type: pa.DataType


@dataclass(frozen=True, slots=True)
class Bound:
    """A predicate with values that its column can hold; "always" and "never" are so wherever the cell is not null."""

    column: Column
    operator: Operator | Literal["always", "never"]
    values: tuple[Any, ...] = ()


def column_of(name: str, type: pa.DataType) -> Column:
    """How a column of this type is read."""
    if pa.types.is_dictionary(type):
        return column_of(name, type.value_type)
    if pa.types.is_integer(type):
        return Column(name, "integer", type)
    if pa.types.is_date(type) or pa.types.is_timestamp(type):
        return Column(name, "time", type)
    if pa.types.is_float16(type):
        return Column(name, "float", pa.float32())
    if pa.types.is_floating(type):
        return Column(name, "float", type)
    if pa.types.is_decimal(type):
        return Column(name, "float", pa.float64())
    if _is_text(type):
        return Column(name, "text", pa.large_string() if pa.types.is_large_string(type) else pa.string())
    if pa.types.is_boolean(type):
        return Column(name, "bool", type)
    if _is_list(type) and _is_text(type.value_type):
        return Column(name, "texts", pa.list_(pa.string()))
    return Column(name, "other", type)


def bind(condition: Filter, predicate: Predicate, schema: pa.Schema) -> Bound:
    """Raises ConfigError for a column that is not there, and for values that it cannot be compared with."""
    at = schema.get_all_field_indices(predicate.column)
    if len(at) != 1:
        said = f"there are {len(at)} columns" if at else "there is no column"
        hint = "" if at else " " + did_you_mean(predicate.column, schema.names)
        raise complaint(condition.text, predicate.at, f"{said} {predicate.column!r}.{hint}")
    column = column_of(predicate.column, schema.field(at[0]).type)
    if predicate.operator == "null":
        return Bound(column, "null")
    _check_operator(condition, predicate, column)
    values = [_value(condition, column, word) for word in predicate.values]
    exact = column.kind in ("integer", "time")
    if predicate.operator != "in":
        operator = predicate.operator
        return _exact(column, operator, values[0]) if exact else Bound(column, operator, tuple(values))
    if exact:
        low, high = _range(column.type)
        values = [int(value) for value in values if value.denominator == 1 and low <= value <= high]
    elif column.type == pa.float32():
        values = [value for value in values if abs(value) <= LARGEST_FLOAT32]
    return Bound(column, "in", tuple(values)) if values else Bound(column, "never")


def _check_operator(condition: Filter, predicate: Predicate, column: Column) -> None:
    """That the column can be asked this at all."""
    kind, operator = column.kind, predicate.operator
    instead = ""
    if kind == "texts" and operator != "contains":
        instead = "Write: ... contains 'value'."
    elif kind == "text" and operator == "contains":
        instead = "Write: ... like '%value%'."
    elif kind == "bool" and operator not in ("=", "!=", "in"):
        instead = "Write: ... = true."
    elif kind == "other":
        instead = "It can be asked for is null and is not null only."
    elif (operator == "like" and kind != "text") or (operator == "contains" and kind != "texts"):
        instead = "Write a comparison: = != < <= > >=, in or between."
    if instead:
        holds = HOLDS.get(kind, str(column.type))
        said = f"{predicate.column!r} holds {holds}, which {operator} cannot be asked of. {instead}"
        raise complaint(condition.text, predicate.at, said)


def _value(condition: Filter, column: Column, word: Word) -> Any:
    """A value as the column would hold it; a Fraction of the column's unit for whole numbers and times."""
    value, kind = word.value, column.kind
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "time" and isinstance(value, str):
        return _time(condition, column, word)
    if kind == "integer" and number:
        return Fraction(value)
    if kind == "float" and number:
        return _rounded(float(value), column.type)
    if (kind in ("text", "texts") and isinstance(value, str)) or (kind == "bool" and isinstance(value, bool)):
        return value
    shown = f"'{value[:40]}'" if isinstance(value, str) else str(value).lower()
    raise complaint(condition.text, word.at, f"{column.name!r} holds {HOLDS[kind]}, and {shown} is none of it.")


def _rounded(value: float, type: pa.DataType) -> float:
    """The nearest value of the column's precision; the value itself where it is beyond its range."""
    return float(np.float32(value)) if type == pa.float32() and abs(value) <= LARGEST_FLOAT32 else value


def _time(condition: Filter, column: Column, word: Word) -> Fraction:
    try:
        moment = datetime.datetime.fromisoformat(str(word.value))
    except ValueError:
        raise complaint(
            condition.text, word.at, f"{column.name!r} holds {HOLDS['time']}, and this is none in ISO 8601."
        ) from None
    zoned = pa.types.is_timestamp(column.type) and column.type.tz is not None
    if moment.tzinfo is not None and not zoned:
        raise complaint(condition.text, word.at, f"{column.name!r} holds times without a zone: leave the zone out.")
    since = (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)) - EPOCH
    microseconds = (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds
    return Fraction(microseconds * 1000, _unit_ns(column.type))


def _unit_ns(type: pa.DataType) -> int:
    if pa.types.is_timestamp(type):
        return UNITS_NS[type.unit]
    return 86_400 * 10**9 if pa.types.is_date32(type) else 10**6


def _exact(column: Column, operator: Operator, value: Fraction) -> Bound:
    """A comparison of whole numbers, whatever it is compared with."""
    whole = math.floor(value)
    if whole != value:
        if operator in ("=", "!="):
            return Bound(column, "never" if operator == "=" else "always")
        operator = "<=" if operator in ("<", "<=") else ">"
    low, high = _range(column.type)
    if low <= whole <= high:
        return Bound(column, operator, (whole,))
    beyond = operator == "!=" or (operator in ("<", "<=") if whole > high else operator in (">", ">="))
    return Bound(column, "always" if beyond else "never")


def _range(type: pa.DataType) -> tuple[int, int]:
    """The smallest and largest number that a cell can hold."""
    bits = type.bit_width
    return (0, 2**bits - 1) if pa.types.is_unsigned_integer(type) else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _is_text(type: pa.DataType) -> bool:
    if pa.types.is_dictionary(type):
        return _is_text(type.value_type)
    return bool(pa.types.is_string(type) or pa.types.is_large_string(type) or pa.types.is_string_view(type))


def _is_list(type: pa.DataType) -> bool:
    return bool(pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type))
