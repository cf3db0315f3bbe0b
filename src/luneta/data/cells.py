"""What the cells of a column hold: strings however deeply nested, or pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from luneta.data.dataset import Indexes
from luneta.data.images import SUFFIXES
from luneta.errors import ConfigError, did_you_mean

_SAMPLE = 200  # cells looked at to tell what a column holds
_UNTYPED = {b"luneta": b"untyped"}
_WHOLE, _DECIMAL = r"0|-?[1-9][0-9]{0,17}", r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}"  # no leading zeros: 007 is a name
_WEB = ("http://", "https://", "s3://", "gs://")


def is_binary(dtype: pa.DataType | None) -> bool:
    """A type of encoded bytes."""
    return dtype is not None and bool(pt.is_binary(dtype) or pt.is_large_binary(dtype) or pt.is_binary_view(dtype))


def is_text(dtype: pa.DataType) -> bool:
    """A type of strings."""
    if pt.is_dictionary(dtype):
        dtype = dtype.value_type
    return bool(pt.is_string(dtype) or pt.is_large_string(dtype) or pt.is_string_view(dtype))


def is_list(dtype: pa.DataType) -> bool:
    """A type of lists."""
    return bool(pt.is_list(dtype) or pt.is_large_list(dtype) or pt.is_fixed_size_list(dtype))


def sample(column: pa.ChunkedArray | pa.Array) -> list[str]:
    """Some of a column's strings that are neither null nor empty."""
    return [value for value in strings(column.drop_null().slice(0, _SAMPLE)) if value]


def strings(column: pa.ChunkedArray | pa.Array) -> list[str]:
    """A column's strings (None where null).

    Arrow does not check that strings from a file are UTF-8. Where they are not, the foreign bytes come out as lone
    surrogates, as in file names: a path with them can be opened, a caption with them is refused.
    """
    values: list[Any]
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:
        encoded = column.cast(pa.large_string()).cast(pa.large_binary()).to_pylist()
        values = [value if value is None else value.decode("utf-8", "surrogateescape") for value in encoded]
    return values


def image_kind(table: pa.Table, name: str) -> str | None:
    """What a column says of pictures.

    Returns:
        "bytes" (encoded pictures, {bytes, path} structs, or members of archives), "path" (names of picture files),
        "url" (web addresses), or None.
    """
    dtype = table.schema.field(name).type
    if pt.is_struct(dtype):
        fields = {dtype.field(i).name: dtype.field(i).type for i in range(dtype.num_fields)}
        archived = {"archive", "offset", "size"} <= set(fields)
        return "bytes" if archived or is_binary(fields.get("bytes")) else None
    if is_binary(dtype):
        return "bytes"
    if not is_text(dtype):
        return None
    values = [value.strip().lower() for value in sample(table.column(name)) if value.strip()]
    if not values:
        return None
    if _share(values, lambda value: value.startswith(_WEB)) > 0.5:
        return "url"
    return "path" if _share(values, lambda value: "." + value.rpartition(".")[2] in SUFFIXES) > 0.5 else None


def untyped(table: pa.Table) -> pa.Table:
    """The table, its columns marked as text that was never said to be text."""
    return table.cast(pa.schema([field.with_metadata(_UNTYPED) for field in table.schema]))


def typed(table: pa.Table) -> pa.Table:
    """The table with numbers for columns that are marked as untyped and hold nothing but usual spellings of numbers."""
    for place, field in enumerate(table.schema):
        if field.metadata == _UNTYPED:
            column, dtype = table.column(place), _number_type(table.column(place))
            bare = pa.field(field.name, dtype or field.type)
            table = table.set_column(place, bare, column if dtype is None else column.cast(dtype))
    return table


def _number_type(column: pa.ChunkedArray) -> pa.DataType | None:
    if column.null_count == len(column):
        return None
    for pattern, dtype in ((_WHOLE, pa.int64()), (f"{_WHOLE}|{_DECIMAL}", pa.float64())):
        if pc.all(pc.match_substring_regex(column, f"^({pattern})$")).as_py():
            return dtype
    return None


def _share(values: Sequence[str], test: Callable[[str], bool]) -> float:
    return sum(map(test, values)) / len(values)


def flat_strings(table: pa.Table, path: str) -> tuple[pa.Array, Indexes]:
    """All strings at a place, lists opened, and the row each came from.

    Args:
        table: the rows.
        path: a column, or a column and fields of structs joined by dots; lists on the way are opened.

    Returns:
        Strings (null where a cell or an entry of a list is null, and once for an empty list, so that every row
        appears) and as many row numbers, ascending.

    Raises:
        ConfigError: there is no such column or field, or it holds no text.
    """
    name, fields = _resolve(table, path)
    column = table.column(name).combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # more than one array can hold
        column = pa.concat_arrays([chunk.cast(_large(chunk.type)) for chunk in column.chunks])
    rows = np.arange(len(column))
    while True:
        if is_list(column.type):
            column, rows = _open_lists(column, rows)
        elif pt.is_struct(column.type) and fields:
            known = [column.type.field(i).name for i in range(column.type.num_fields)]
            if fields[0] not in known:
                raise ConfigError(f"column {name!r} has no field {fields[0]!r}. {did_you_mean(fields[0], known)}")
            column = pc.struct_field(column, fields.pop(0))
        else:
            break
    if not pt.is_null(column.type) and (fields or not is_text(column.type)):
        raise ConfigError(f"{path!r} holds {column.type}, not text{_fields_of(path, column.type)}.")
    return column.cast(pa.large_string()), rows


def _large(dtype: pa.DataType) -> pa.DataType:
    return pa.large_string() if pt.is_string(dtype) else dtype


def _resolve(table: pa.Table, path: str) -> tuple[str, list[str]]:
    if path in table.column_names:
        return path, []
    head, *fields = path.split(".")
    if head not in table.column_names:
        raise ConfigError(f"no column {path!r}. {did_you_mean(path, table.column_names)}")
    return head, fields


def _fields_of(path: str, dtype: pa.DataType) -> str:
    if not pt.is_struct(dtype):
        return ""
    names = (f"{path}.{dtype.field(i).name}" for i in range(dtype.num_fields))
    return f"; its fields can be named: {', '.join(names)}"


def _open_lists(column: pa.Array, rows: Indexes) -> tuple[pa.Array, Indexes]:
    """Lists -> their entries in order, with their rows; a null or empty list -> one null."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    bare = np.flatnonzero(lengths == 0)
    values = pc.list_flatten(column)
    cells = np.concatenate([np.repeat(np.arange(len(lengths)), lengths), bare]).astype(np.int64)
    values = pa.concat_arrays([values, pa.nulls(len(bare), values.type)])
    order = np.argsort(cells, kind="stable")
    return values.take(pa.array(order)), rows[cells[order]]
