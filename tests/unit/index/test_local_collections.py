"""Vectors with metadata rows, in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from luneta.errors import ConfigError, ShapeError
from luneta.filters import parse_filter
from luneta.index import build_index
from luneta.index.collections import Collection, LocalCollection

AXES = np.eye(4, dtype=np.float32)
ROWS = pa.table({"style": ["cubism", None, "dada"], "year": [1910, 1920, None]})


@pytest.fixture
def collection() -> LocalCollection:
    """Items 2, 5 and 9 on the first three axes."""
    return LocalCollection(build_index(np.array([2, 5, 9]), AXES[:3], kind="exact"), ROWS)


def found(collection: LocalCollection, query: Any, k: int, where: str | None = None) -> list[int]:
    answer = collection.search(np.array([query], np.float32), k, where=parse_filter(where) if where else None)
    return answer.ids[0].tolist()


def test_is_a_collection(collection: LocalCollection) -> None:
    assert isinstance(collection, Collection)
    assert (len(collection), collection.dim, collection.ids.tolist()) == (3, 4, [2, 5, 9])
    assert collection.schema == ROWS.schema


def test_a_filter_leaves_only_what_it_chooses(collection: LocalCollection) -> None:
    assert found(collection, AXES[1], 2) == [5, 2]
    assert found(collection, AXES[1], 2, "style = 'dada' or year < 1915") == [2, 9]
    assert found(collection, AXES[1], 2, "style = 'dada'") == [9, -1]
    assert found(collection, AXES[1], 1, "year > 3000") == [-1]


def test_upsert_replaces_and_adds_vector_and_row_together(collection: LocalCollection) -> None:
    rows = pa.table({"year": [1, 2], "style": ["new", "also"]})
    collection.upsert(np.array([7, 2]), AXES[[3, 3]], rows)
    assert collection.ids.tolist() == [2, 5, 7, 9]
    assert collection.rows(np.array([7, 9, 2, 5])).to_pylist() == [
        {"style": "new", "year": 1}, {"style": "dada", "year": None},
        {"style": "also", "year": 2}, {"style": None, "year": 1920},
    ]  # fmt: skip
    assert found(collection, AXES[3], 2) == [2, 7]
    assert found(collection, AXES[0], 4, "style = 'cubism'") == [-1] * 4


def test_delete_takes_vector_and_row_together(collection: LocalCollection) -> None:
    assert collection.delete(np.array([5, 77])) == 1
    assert found(collection, AXES[1], 3, "year is null or year > 0") == [2, 9, -1]
    assert collection.rows(np.array([9]))["style"].to_pylist() == ["dada"]
    with pytest.raises(ShapeError, match="id 5 is not in the collection"):
        collection.rows(np.array([2, 5]))


def no_change(collection: LocalCollection) -> None:
    assert collection.ids.tolist() == [2, 5, 9]
    assert collection.rows(np.array([2, 5, 9])).equals(ROWS)


@pytest.mark.parametrize(
    ("ids", "vectors", "rows", "error", "said"),
    [
        ([1], AXES[:1], {"style": ["x"]}, ConfigError, "no column 'year'"),
        ([1], AXES[:1], {"style": ["x"], "year": [1], "yaer": [1]}, ConfigError, "Did you mean year"),
        ([1], AXES[:1], {"style": ["x"], "year": ["y"]}, ConfigError, "do not fit"),
        ([1], AXES[:1], {"style": ["x", "y"], "year": [1, 2]}, ShapeError, "2 rows of metadata for 1 vectors"),
        ([1, 1], AXES[:2], {"style": ["x", "y"], "year": [1, 2]}, ShapeError, "twice"),
        ([2], AXES[:1] * 2, {"style": ["x"], "year": [1]}, ShapeError, "length 1"),
        ([2], np.eye(3, dtype=np.float32)[:1], {"style": ["x"], "year": [1]}, ShapeError, "dimension"),
    ],
)
def test_what_does_not_fit_changes_nothing(
    collection: LocalCollection, ids: list[int], vectors: NDArray[np.float32], rows: Any, error: type, said: str
) -> None:
    with pytest.raises(error, match=said):
        collection.upsert(np.array(ids), vectors, pa.table(rows))
    no_change(collection)


def test_rows_of_another_number_than_vectors_are_refused() -> None:
    with pytest.raises(ShapeError, match="2 rows for 3 vectors"):
        LocalCollection(build_index(np.array([2, 5, 9]), AXES[:3], kind="exact"), ROWS.slice(1))


def test_a_filter_on_what_is_not_there_is_refused(collection: LocalCollection) -> None:
    with pytest.raises(ConfigError, match="Did you mean style"):
        found(collection, AXES[0], 1, "stile = 'x'")
