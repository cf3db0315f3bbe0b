"""What every index has that keeps its vectors: ids, vectors by id, and the checks at the door."""

from __future__ import annotations

import abc
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from luneta.errors import ShapeError
from luneta.index import checks
from luneta.index.checks import Ids
from luneta.index.rows import Rows
from luneta.types import Found, Vectors

if TYPE_CHECKING:
    from luneta.index.tuning import Report

Scored = tuple[NDArray[np.float32], Ids]
"""(n_queries, m) scores and ids, best first, equal scores by ascending id; minus infinity and -1 where nothing is."""


class KeptIndex(abc.ABC):
    """A `VectorIndex` that keeps the vectors it was given.

    Many threads may search at the same time, but not while one adds or removes.

    Attributes:
        kind: exact, hnsw, ivf-sq8 or ivf-pq.
        report: how it was chosen and what was measured, where it has just been built.
    """

    kind: str
    report: Report | None = None

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    @property
    def rows(self) -> Rows:
        """Its ids and vectors."""
        return self._rows

    @property
    def dim(self) -> int:
        return self._rows.dim

    @property
    def ids(self) -> Ids:
        return self._rows.ids

    def __len__(self) -> int:
        return len(self._rows)

    def vectors_of(self, ids: Ids) -> Vectors:
        """(n, dim) of some ids, in the order given.

        Raises:
            ShapeError: one is not there.
        """
        ids = checks.whole_numbers("ids", ids)
        missing = ids[~self._rows.holds(ids)]
        if len(missing):
            raise ShapeError(f"id {missing[0]} is not in the index")
        return self._rows.vectors_of(ids)

    def search(self, queries: Vectors, k: int, *, allowed: Ids | None = None) -> Found:
        """The k nearest items of each query; see `VectorIndex`."""
        k = checks.check_k(k)
        queries = checks.unit_vectors("queries", queries, self.dim)
        if allowed is not None:
            allowed = checks.allowed_ids(allowed)
        n = min(k, len(self) if allowed is None else min(len(self), len(allowed)))
        if not n or not len(queries):
            return padded(np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64), k)
        return padded(*self._search(queries, n, allowed), k)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Take in vectors; best many at a time. See `VectorIndex`."""
        vectors = checks.unit_vectors("vectors", vectors, self.dim)
        ids = checks.new_ids(ids, len(vectors))
        known = ids[self._rows.holds(ids)]
        if len(known):
            raise ShapeError(f"id {known[0]} is there already; remove it first")
        if not len(ids):
            return
        self._rows.add(ids, vectors)
        try:
            self._added(ids, vectors)
        except BaseException:
            self._rows.remove(ids)
            raise

    def remove(self, ids: Ids) -> int:
        """How many of the ids were there; see `VectorIndex`."""
        ids = checks.whole_numbers("ids", ids)
        there = self._rows.remove(ids)
        if len(there):
            self._removed(there)
        return len(there)

    @property
    @abc.abstractmethod
    def parameters(self) -> dict[str, int]:
        """What decides what a search finds, beside the vectors."""

    @property
    @abc.abstractmethod
    def memory_mib(self) -> float:
        """That searches touch; of FAISS's indexes without the vectors themselves."""

    @abc.abstractmethod
    def write(self, path: str | os.PathLike[str]) -> None:
        """Write to one file, atomically, what the index has beyond ids and vectors; nothing where that is nothing.

        Raises:
            ArtifactError: it cannot be written.
        """

    @abc.abstractmethod
    def _search(self, queries: Vectors, k: int, allowed: Ids | None) -> Scored:
        """The k best, or fewer, where k is no more than there are items."""

    @abc.abstractmethod
    def _added(self, ids: Ids, vectors: Vectors) -> None:
        """Called when `_rows` has them."""

    @abc.abstractmethod
    def _removed(self, ids: Ids) -> None:
        """Called when `_rows` has them no more."""


def padded(scores: NDArray[np.float32], ids: Ids, k: int) -> Found:
    """k columns."""
    n, m = scores.shape
    if m == k:
        return Found(scores, ids)
    wide = Found(np.full((n, k), -np.inf, dtype=np.float32), np.full((n, k), -1, dtype=np.int64))
    wide.scores[:, :m], wide.ids[:, :m] = scores, ids
    return wide


def best(found: Sequence[Scored], k: int) -> Scored:
    """The k best of several answers to the same queries, equal scores by id."""
    scores, ids = found[0] if len(found) == 1 else (np.concatenate(side, axis=1) for side in zip(*found, strict=True))
    order = np.lexsort((ids, -scores), axis=1)[:, :k]
    rows = np.arange(len(order))[:, None]  # numpy.take_along_axis makes the same, in three times the time
    return scores[rows, order], ids[rows, order]
