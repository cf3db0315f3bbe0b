"""Exact search: every vector is looked at."""

from __future__ import annotations

import os

import numpy as np

from luneta.index.base import KeptIndex, Scored, best
from luneta.index.checks import Ids
from luneta.index.rows import Part, Rows
from luneta.ranking import top_k
from luneta.types import Vectors


class ExactIndex(KeptIndex):
    """The true nearest items. One query costs reading all vectors once; many at a time share the reading."""

    kind = "exact"

    @property
    def parameters(self) -> dict[str, int]:
        return {}

    @property
    def memory_mib(self) -> float:
        return len(self) * (4 * self.dim + 8) / 2**20

    def _search(self, queries: Vectors, k: int, allowed: Ids | None) -> Scored:
        return nearest(self._rows, queries, k, allowed)

    def _added(self, ids: Ids, vectors: Vectors) -> None:
        pass

    def _removed(self, ids: Ids) -> None:
        pass

    def write(self, path: str | os.PathLike[str]) -> None:
        """Nothing: it is its ids and vectors."""


def nearest(rows: Rows, queries: Vectors, k: int, allowed: Ids | None) -> Scored:
    """The k best of all rows, or of those allowed; fewer where there are fewer."""
    found = [_of_part(part, queries, k, allowed) for part in rows.parts]
    return found[0] if len(found) == 1 else best(found, k)


def _of_part(part: Part, queries: Vectors, k: int, allowed: Ids | None) -> Scored:
    """The k best of one part, exactly; its rows are in the order of their ids, and so are equal scores."""
    among = part.among(allowed)
    n = min(k, len(part.ids) if among is None else len(among))
    if not n:
        return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    scores, rows = top_k(queries, part.gallery, n, among=among)
    return scores, part.ids[rows]
