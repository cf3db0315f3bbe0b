"""Vectors under ids: those an index was opened around, which stay where they are, and what changed since.

The first part may be memory-mapped and is never written or copied: what is removed from it is only left out. What is
added stands in parts of its own, each at least twice as large as the next, so that many small additions cost no more
than n log n copied rows.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from luneta.errors import ShapeError
from luneta.index.checks import Ids
from luneta.ranking import Gallery
from luneta.ranking.vectors import score_lists
from luneta.types import Vectors

AT_ONCE = 2**17  # numbers of vectors that are scored at a time: they stay in the cache


class Part:
    """Some vectors in the order of their ids, and which of them are left.

    Attributes:
        ids: (n,) int64, ascending.
        vectors: (n, dim) float32.
        left: (n,) bool; None while nothing was removed.
    """

    def __init__(self, ids: Ids, vectors: Vectors) -> None:
        self.ids, self.vectors = ids, vectors
        self.left: NDArray[np.bool_] | None = None
        self._left_rows: NDArray[np.int64] | None = None
        self._unbroken = len(ids) > 0 and int(ids[-1]) - int(ids[0]) == len(ids) - 1

    def __len__(self) -> int:
        return len(self.ids) if self._left_rows is None else len(self._left_rows)

    @cached_property
    def gallery(self) -> Gallery:
        """The vectors, checked when they are first searched."""
        return Gallery(self.vectors)

    @property
    def left_ids(self) -> Ids:
        return self.ids if self.left is None else self.ids[self.left]

    def rows_of(self, ids: Ids) -> NDArray[np.int64]:
        """(n,) where each id stands; -1 where it does not or does not any more."""
        if not len(self.ids):
            return np.full(len(ids), -1, dtype=np.int64)
        rows = self.ids.searchsorted(ids)
        rows[rows == len(self.ids)] = 0
        there = self.ids[rows] == ids
        if self.left is not None:
            there &= self.left[rows]
        return np.where(there, rows, -1)

    def vectors_of(self, ids: Ids) -> Vectors:
        """(n, dim) of ids that stand here; of others, anything."""
        rows = ids - self.ids[0] if self._unbroken else self.ids.searchsorted(ids)
        found: Vectors = self.vectors.take(rows, axis=0, mode="clip")
        return found

    def among(self, allowed: Ids | None) -> NDArray[np.int64] | None:
        """Rows that may be found, ascending; None where all may."""
        if allowed is not None:
            rows = self.rows_of(allowed)
            return rows[rows >= 0]
        return self._left_rows

    def drop(self, rows: NDArray[np.int64]) -> None:
        left = np.ones(len(self.ids), dtype=np.bool_) if self.left is None else self.left.copy()
        left[rows] = False
        self.left, self._left_rows = left, np.flatnonzero(left)


class Rows:
    """Vectors under ids.

    Attributes:
        parts: the first is what it was opened around.
        dim: of a vector.
    """

    def __init__(self, ids: Ids, vectors: Vectors) -> None:
        """
        Args:
            ids: (n,) int64, ascending.
            vectors: (n, dim) float32 in the same order; kept, not copied.

        Raises:
            ShapeError: the ids do not fit or are not ascending.
        """
        if ids.shape != (len(vectors),) or ids.dtype != np.int64:
            raise ShapeError(f"ids of shape {ids.shape} and dtype {ids.dtype} for {len(vectors)} vectors")
        if (ids[1:] <= ids[:-1]).any() or (len(ids) and ids[0] < 0):
            raise ShapeError("ids are not ascending numbers from 0 on")
        self.parts = [Part(ids, vectors)]
        self.dim = int(vectors.shape[1])

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    @property
    def ids(self) -> Ids:
        """(n,) ascending."""
        if len(self.parts) == 1:
            return self.parts[0].left_ids
        return np.sort(np.concatenate([part.left_ids for part in self.parts]))

    def holds(self, ids: Ids) -> NDArray[np.bool_]:
        there = np.zeros(len(ids), dtype=np.bool_)
        for part in self.parts:
            there |= part.rows_of(ids) >= 0
        return there

    def vectors_of(self, ids: Ids) -> Vectors:
        """(n, dim) of ids that are there, in the order given."""
        if len(self.parts) == 1:
            return self.parts[0].vectors_of(ids)
        vectors = np.empty((len(ids), self.dim), dtype=np.float32)
        for part in self.parts:
            rows = part.rows_of(ids)
            here = rows >= 0
            vectors[here] = part.vectors[rows[here]]
        return vectors

    def scores(self, queries: Vectors, ids: Ids) -> NDArray[np.float32]:
        """(n_queries, m) cosines of queries and the m ids of each; minus infinity where an id is -1."""
        n, m = ids.shape
        scores, step = np.empty((n, m), dtype=np.float32), max(1, AT_ONCE // (m * self.dim))
        for start in range(0, n, step):
            here = slice(start, start + step)
            vectors = self.vectors_of(ids[here].reshape(-1)).reshape(-1, m, self.dim)
            scores[here] = score_lists(queries[here], vectors)
        missing = ids < 0
        if missing.any():
            scores[missing] = -np.inf
        return scores

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Take in copies of vectors whose ids are not there."""
        if not len(ids):
            return
        order = np.argsort(ids)
        ids, vectors = ids[order], vectors[order]
        while len(self.parts) > 1 and len(self.parts[-1]) < 2 * len(ids):
            last = self.parts.pop()
            ids = np.concatenate([last.left_ids, ids])
            vectors = np.concatenate([last.vectors if last.left is None else last.vectors[last.left], vectors])
            order = np.argsort(ids)
            ids, vectors = ids[order], vectors[order]
        self.parts.append(Part(ids, vectors))

    def remove(self, ids: Ids) -> Ids:
        """Leave out the ids that are there; they are returned, ascending."""
        ids = np.unique(ids)
        gone = np.zeros(len(ids), dtype=np.bool_)
        for part in self.parts:
            rows = part.rows_of(ids)
            here = rows >= 0
            if here.any():
                part.drop(rows[here])
                gone |= here
        return ids[gone]
