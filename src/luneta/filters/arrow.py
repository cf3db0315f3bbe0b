"""A condition over Arrow columns. One walk serves tables in memory and expressions: pyarrow's functions take both."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from luneta.filters.binding import LARGEST_FLOAT32, Bound, Column, bind
from luneta.filters.tree import Filter, Node, Not, Predicate

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": pc.equal, "!=": pc.not_equal, "<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal,
}  # fmt: skip
UNKNOWN = pa.scalar(None, pa.bool_())


def mask(condition: Filter, table: pa.Table) -> NDArray[np.bool_]:
    found = _walk(condition.tree, lambda leaf: _predicate(bind(condition, leaf, table.schema), table.column))
    chosen: NDArray[np.bool_] = np.asarray(pc.fill_null(found, False), dtype=np.bool_)
    return chosen


def expression(condition: Filter, schema: pa.Schema) -> pc.Expression:
    return _walk(condition.tree, lambda leaf: _predicate(bind(condition, leaf, schema), pc.field))


def _walk(node: Node, leaf: Callable[[Predicate], Any]) -> Any:
    """True, false or unknown of every row, by Kleene's rules, which are SQL's."""
    if isinstance(node, Predicate):
        return leaf(node)
    if isinstance(node, Not):
        return pc.invert(_walk(node.part, leaf))
    join = pc.and_kleene if node.kind == "and" else pc.or_kleene
    return functools.reduce(join, [_walk(part, leaf) for part in node.parts])


def _predicate(bound: Bound, columns: Callable[[str], Any]) -> Any:
    cells = _cells(bound.column, columns)
    known = pc.is_valid(cells)
    if bound.operator == "null":
        return pc.invert(known)
    if bound.operator in ("always", "never"):
        return pc.if_else(known, pa.scalar(bound.operator == "always"), UNKNOWN)
    if bound.operator == "like":
        return pc.match_substring_regex(cells, like_as_regex(bound.values[0]))
    if bound.operator == "contains":
        return _contains(cells, bound.values[0])
    if bound.operator == "in":  # is_in says false, not unknown, of null
        return pc.if_else(known, pc.is_in(cells, value_set=pa.array(bound.values, bound.column.type)), UNKNOWN)
    return COMPARE[bound.operator](cells, pa.scalar(bound.values[0], _value_type(bound)))


def _value_type(bound: Bound) -> pa.DataType:
    """A float beyond a float32 column's range is compared as a double."""
    beyond = bound.column.type == pa.float32() and abs(bound.values[0]) > LARGEST_FLOAT32
    return pa.float64() if beyond else bound.column.type


def _cells(column: Column, columns: Callable[[str], Any]) -> Any:
    cells = columns(column.name)
    if column.kind == "other":
        return cells
    if isinstance(cells, pc.Expression) or cells.type != column.type:
        cells = cells.cast(column.type)
    if column.kind == "float":
        cells = pc.if_else(pc.is_nan(cells), pa.scalar(None, column.type), cells)
    return cells


def like_as_regex(pattern: str) -> str:
    """A pattern of SQL as one of RE2."""
    found = re.sub(
        r"\\([%_\\])|(%)|(_)|(.)",
        lambda m: re.escape(m[1]) if m[1] else ".*" if m[2] else "." if m[3] else re.escape(m[4]),
        pattern,
        flags=re.DOTALL,
    )
    return rf"(?s)\A{found}\z"


def _contains(cells: Any, text: str) -> Any:
    if isinstance(cells, pc.Expression):
        return cells._call(_registered(), [cells, pc.scalar(text)])  # the way pyarrow documents
    return pa.chunked_array([_array_contains(chunk, text) for chunk in cells.chunks], pa.bool_())


def _array_contains(lists: pa.Array, text: str) -> pa.Array:
    known = np.flatnonzero(np.asarray(pc.is_valid(lists)))
    present = lists.drop_null()  # a null may have values under it, which pyarrow's functions count or do not
    hits = np.asarray(pc.fill_null(pc.equal(pc.list_flatten(present), text), False))
    found = np.zeros(len(lists), dtype=np.bool_)
    found[known[np.asarray(pc.list_parent_indices(present))[hits]]] = True
    return pa.array(found, mask=np.asarray(pc.is_null(lists)))


@functools.cache
def _registered() -> str:
    """pyarrow has no function that looks into lists, so it is given one; its name."""
    name = "luneta_list_contains"
    pc.register_scalar_function(
        lambda _, lists, text: _array_contains(lists, text.as_py()),
        name,
        {"summary": "whether a list holds a text", "description": "null where the list is null"},
        {"lists": pa.list_(pa.string()), "text": pa.string()},
        pa.bool_(),
    )
    return name
