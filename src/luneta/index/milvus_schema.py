"""Metadata rows as Milvus keeps them, and back.

Arrow                            Milvus             and so
-------------------------------  -----------------  ---------------------------------------------------------------
whole numbers                    INT64              unsigned ones beyond 2^63 - 1 are refused
dates and times                  INT64              in the column's own unit since 1970, exact on every version
float16, float32                 FLOAT              NaN becomes null, infinities are refused
float64, decimals                DOUBLE             likewise
bool                             BOOL
text, dictionaries of it         VARCHAR            at most 65,535 bytes
lists of text                    ARRAY of VARCHAR   at most 4,096 texts; nulls among them are left out

All are nullable. Columns of other types are refused. Milvus knows neither dates nor names with accents, so the Arrow
schema goes along with the collection: Milvus Lite keeps a collection's properties but not its description.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from luneta.errors import ArtifactError, ConfigError
from luneta.filters import milvus_name
from luneta.filters.binding import column_of
from luneta.index.checks import Ids
from luneta.types import Vectors

if TYPE_CHECKING:
    from pymilvus import CollectionSchema, MilvusClient

ID, VECTOR = "id", "vector"
PROPERTY = "luneta.schema"
LONGEST_TEXT = 65_535
"""Bytes of a VARCHAR; what a field may hold costs nothing, only what it holds does."""
LONGEST_LIST = 4_096


def kept_schema(schema: pa.Schema) -> pa.Schema:
    """The columns as a Milvus collection gives them back.

    Raises:
        ConfigError: there are none, or Milvus has no type for one.
    """
    if not len(schema):
        raise ConfigError("a collection in Milvus needs at least one metadata column")
    if len(set(schema.names)) < len(schema):
        raise ConfigError(f"a column stands twice among {', '.join(schema.names)}")
    return pa.schema([pa.field(field.name, _kept_type(field)) for field in schema])


def _kept_type(field: pa.Field) -> pa.DataType:
    column = column_of(field.name, field.type)
    if column.kind == "other":
        raise ConfigError(
            f"column {field.name!r} holds {field.type}, which Milvus has no type for; leave the column out or cast it "
            f"to numbers, text, lists of text, true and false, dates or times"
        )
    return pa.int64() if column.type == pa.uint64() else column.type


def milvus_schema(client: MilvusClient, dim: int, schema: pa.Schema) -> CollectionSchema:
    """The schema of a collection of vectors of that dimension with these (kept) columns."""
    from pymilvus import DataType

    made = client.create_schema(auto_id=False, enable_dynamic_field=False)
    made.add_field(ID, DataType.INT64, is_primary=True)
    made.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dim)
    text = {"max_length": LONGEST_TEXT}
    for field in schema:
        kind = column_of(field.name, field.type).kind
        if kind == "texts":
            listed = {"element_type": DataType.VARCHAR, "max_capacity": LONGEST_LIST, **text}
            made.add_field(milvus_name(field.name), DataType.ARRAY, nullable=True, **listed)
        elif kind == "text":
            made.add_field(milvus_name(field.name), DataType.VARCHAR, nullable=True, **text)
        else:
            number = DataType.FLOAT if field.type == pa.float32() else DataType.DOUBLE
            types = {"integer": DataType.INT64, "time": DataType.INT64, "bool": DataType.BOOL, "float": number}
            made.add_field(milvus_name(field.name), types[kind], nullable=True)
    return made


def written_schema(schema: pa.Schema) -> str:
    """A schema as a collection's property."""
    return base64.b64encode(schema.serialize()).decode("ascii")


def read_schema(properties: dict[str, Any], name: str) -> pa.Schema:
    """
    Raises:
        ArtifactError: the collection is none of ours.
    """
    try:
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(properties[PROPERTY])))
    except (KeyError, ValueError, pa.ArrowInvalid) as error:
        raise ArtifactError(
            f"the collection {name!r} was not made by Luneta: it has no property {PROPERTY!r}; make another one"
        ) from error


def to_entities(ids: Ids, vectors: Vectors, rows: pa.Table) -> list[dict[str, Any]]:
    """What pymilvus sends: a dictionary for each item; the rows are of the kept schema.

    Raises:
        ConfigError: a cell holds what Milvus does not take.
    """
    columns = {milvus_name(field.name): _sent(field, rows.column(field.name)) for field in rows.schema}
    names = [ID, VECTOR, *columns]
    cells = zip(ids.tolist(), vectors, *columns.values(), strict=True)
    return [dict(zip(names, row, strict=True)) for row in cells]


def from_entities(entities: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows of the kept schema from what pymilvus gives."""
    columns = []
    for field in schema:
        cells = [entity[milvus_name(field.name)] for entity in entities]
        time = column_of(field.name, field.type).kind == "time"
        if column_of(field.name, field.type).kind == "texts":
            cells = [None if cell is None else list(cell) for cell in cells]
        columns.append(_as_time(pa.array(cells, pa.int64()), field.type) if time else pa.array(cells, field.type))
    return pa.table(columns, schema=schema)


def _sent(field: pa.Field, cells: pa.ChunkedArray) -> list[Any]:
    kind = column_of(field.name, field.type).kind
    if kind == "time":
        cells = _as_number(cells)
    elif kind == "float":
        if pc.any(pc.is_inf(cells)).as_py():
            raise ConfigError(f"column {field.name!r} holds an infinity, which Milvus does not take; use null")
        cells = pc.if_else(pc.is_nan(cells), None, cells)
    elif kind == "text":
        _check_lengths(field.name, cells)
    elif kind == "texts":
        if (pc.max(pc.list_value_length(cells)).as_py() or 0) > LONGEST_LIST:
            raise ConfigError(f"column {field.name!r} holds a list of more than {LONGEST_LIST:,} texts")
        _check_lengths(field.name, pc.list_flatten(cells))
    sent: list[Any] = cells.to_pylist()
    if kind == "texts":
        return [None if one is None else [text for text in one if text is not None] for one in sent]
    return sent


def _check_lengths(name: str, texts: pa.ChunkedArray) -> None:
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest > LONGEST_TEXT:
        raise ConfigError(
            f"column {name!r} holds a text of {longest:,} bytes; Milvus takes {LONGEST_TEXT:,}. Shorten it or leave "
            f"the column out"
        )


def _as_number(times: pa.ChunkedArray) -> pa.ChunkedArray:
    return (times.cast(pa.int32()) if pa.types.is_date32(times.type) else times).cast(pa.int64())


def _as_time(numbers: pa.Array, type: pa.DataType) -> pa.Array:
    return (numbers.cast(pa.int32()) if pa.types.is_date32(type) else numbers).cast(type)


def row_numbers(ids: Ids, found: list[dict[str, Any]]) -> Ids:
    """(n,) at which place among the entities each id stands; -1 where none has it."""
    there = np.array([entity[ID] for entity in found], dtype=np.int64)
    order = np.argsort(there)
    if not len(there):
        return np.full(len(ids), -1, dtype=np.int64)
    places = order[np.minimum(np.searchsorted(there[order], ids), len(there) - 1)]
    return np.where(there[places] == ids, places, -1)
