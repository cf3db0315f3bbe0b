"""Records and tables: rows of any keys and any mixture of types as Arrow columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa


def is_unicode(value: Any) -> bool:
    """A JSON value without lone surrogates."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def table_of(records: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Records with any keys, in any mixture of types, as a table: missing keys are null.

    A column that mixes lists with anything else becomes lists of strings; one that mixes other types, strings. There
    are as many rows as records, even where no record has a key.
    """
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = [_array([record.get(name) for record in records]) for name in names]
    counted = pa.table([*columns, pa.nulls(len(records))], names=[*names, "rows"])
    return counted.select(list(range(len(names))))


def unite(tables: Sequence[pa.Table]) -> pa.Table:
    """One table from several whose columns may differ in name and type."""
    names = list(dict.fromkeys(name for table in tables for name in table.column_names))
    return pa.table({name: _united([_column(table, name) for table in tables]) for name in names})


def _column(table: pa.Table, name: str) -> pa.Table:
    return table.select([name]) if name in table.column_names else pa.table({name: pa.nulls(table.num_rows)})


def _united(columns: Sequence[pa.Table]) -> pa.ChunkedArray | pa.Array:
    try:
        return pa.concat_tables(columns, promote_options="permissive").column(0)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return _array([value for column in columns for value in column.column(0).to_pylist()])


def _array(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except UnicodeEncodeError:  # file names may hold bytes that are no text: kept as they are, see cells.strings
        encoded = [value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value for value in values]
        return pa.array(encoded, pa.large_binary()).view(pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        pass
    if any(isinstance(value, list) for value in values):
        lists = [None if value is None else list(_entries(value)) for value in values]
        return pa.array(lists, pa.list_(pa.string()))
    return pa.array([_as_text(value) for value in values], pa.string())


def _entries(value: Any) -> Iterator[str | None]:
    """The entries of a list and of lists within it: a list of captions is never written as one string."""
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, list):
            yield from _entries(entry)
        else:
            yield _as_text(entry)


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
