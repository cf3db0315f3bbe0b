"""Vectors with what is known of them: metadata rows under the same ids, so that a search can ask for both."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from luneta.errors import ConfigError, ShapeError, did_you_mean
from luneta.filters import Filter
from luneta.index import checks
from luneta.index.checks import Ids
from luneta.types import Found, VectorIndex, Vectors


@runtime_checkable
class Collection(Protocol):
    """Unit vectors and rows of metadata under ids of one's own, wherever they are kept."""

    @property
    def dim(self) -> int: ...

    @property
    def schema(self) -> pa.Schema:
        """The metadata columns, and what they hold."""
        ...

    @property
    def ids(self) -> Ids:
        """(n,) of everything in it, ascending."""
        ...

    def __len__(self) -> int: ...

    def search(self, queries: Vectors, k: int, *, where: Filter | None = None) -> Found:
        """The k nearest items of each query among those that a filter chooses; fewer where there are fewer.

        Args:
            queries: (n_queries, dim) unit vectors.
            k: at least 1.
            where: on the metadata columns; None allows all.

        Raises:
            ShapeError: queries of another dimension, not finite; k below 1.
            ConfigError: the filter asks for what the columns do not hold.
        """
        ...

    def upsert(self, ids: Ids, vectors: Vectors, rows: pa.Table) -> None:
        """Put vectors and rows under ids, in the place of what was there.

        Args:
            ids: (n,) int64, none twice, from 0 on.
            vectors: (n, dim) unit vectors.
            rows: n rows of the metadata columns, in any order of columns.

        Raises:
            ShapeError: they do not fit one another.
            ConfigError: columns are missing, are not known or hold something else.
        """
        ...

    def delete(self, ids: Ids) -> int:
        """How many were there."""
        ...

    def rows(self, ids: Ids) -> pa.Table:
        """n rows of metadata, in the order of the ids.

        Raises:
            ShapeError: one is not there.
        """
        ...


class LocalCollection:
    """A `VectorIndex` and a table, both in memory or mapped into it.

    Many threads may search at the same time, but not while one changes it.
    """

    def __init__(self, index: VectorIndex, rows: pa.Table) -> None:
        """
        Args:
            index: the vectors.
            rows: one row for each of `index.ids`, in that order.

        Raises:
            ShapeError: more or fewer rows than vectors.
        """
        if len(rows) != len(index):
            raise ShapeError(
                f"{len(rows):,} rows for {len(index):,} vectors; expected one for each, in the order of ids"
            )
        self.index = index
        self._rows = rows

    @property
    def dim(self) -> int:
        return self.index.dim

    @property
    def schema(self) -> pa.Schema:
        return self._rows.schema

    @property
    def ids(self) -> Ids:
        return self.index.ids

    def __len__(self) -> int:
        return len(self.index)

    def search(self, queries: Vectors, k: int, *, where: Filter | None = None) -> Found:
        """See `Collection`."""
        allowed = None if where is None else self.ids[where.mask(self._rows)]
        return self.index.search(queries, k, allowed=allowed)

    def upsert(self, ids: Ids, vectors: Vectors, rows: pa.Table) -> None:
        """See `Collection`."""
        vectors = checks.unit_vectors("vectors", vectors, self.dim)
        ids = checks.new_ids(ids, len(vectors))
        rows = fitted(rows, self.schema, len(ids))
        kept = ~np.isin(self.ids, ids)
        table, all_ids = pa.concat_tables([self._rows.filter(pa.array(kept)), rows]), np.append(self.ids[kept], ids)
        self.index.remove(ids)
        self.index.add(ids, vectors)
        self._rows = table.take(pa.array(np.argsort(all_ids)))

    def delete(self, ids: Ids) -> int:
        """See `Collection`."""
        kept = ~np.isin(self.ids, checks.whole_numbers("ids", ids))
        self._rows = self._rows.filter(pa.array(kept))
        return self.index.remove(ids)

    def rows(self, ids: Ids) -> pa.Table:
        """See `Collection`."""
        ids = checks.whole_numbers("ids", ids)
        there = self.ids
        places = np.searchsorted(there, ids)
        check_there(ids, np.isin(ids, there))
        return self._rows.take(pa.array(places))


def check_there(ids: Ids, there: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
    """Raises ShapeError for the first id that is not there."""
    missing = ids[~there]
    if len(missing):
        raise ShapeError(f"id {missing[0]} is not in the collection")


def fitted(rows: pa.Table, schema: pa.Schema, n: int) -> pa.Table:
    """Rows as a collection keeps them: its columns, its types.

    Raises:
        ShapeError: not n rows.
        ConfigError: columns are missing, are not known or hold something else.
    """
    if len(rows) != n:
        raise ShapeError(f"{len(rows):,} rows of metadata for {n:,} vectors; expected one for each")
    strange = [name for name in rows.column_names if name not in schema.names]
    if strange or len(set(rows.column_names)) < rows.num_columns:
        hint = did_you_mean(strange[0], schema.names) if strange else "Every column stands once."
        raise ConfigError(f"the collection has no place for the columns {', '.join(rows.column_names)}. {hint}")
    missing = [name for name in schema.names if name not in rows.column_names]
    if missing:
        raise ConfigError(f"the rows have no column {missing[0]!r}, which the collection has; nulls will do")
    try:
        return rows.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise ConfigError(f"the rows do not fit the collection's columns: {error}") from error
