"""The nearest vectors of every vector, without comparing all with all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import Indexes
from luneta.progress import track

Floats = NDArray[np.float32]

EXACT = 4096
"""So few vectors are all compared."""

_PROBES = 16  # cells searched for a query: those whose centres are nearest to it
_ROUNDS = 3  # of k-means, on a sample
_SAMPLED = 32  # vectors a cell in that sample
_BLOCK = 2**23  # scores held at a time
_QUERIES = 2**16  # whose candidates are held at a time


def neighbours(
    queries: Floats, items: Floats, least: float, k: int, *, seed: int = 0, stage: str = "neighbours"
) -> tuple[Indexes, Floats]:
    """Pairs of a query and an item whose cosine is at least `least`, the k best of each query.

    Above `EXACT` items they are divided into 2 * sqrt(n) cells around centres (k-means on a sample), and a query looks
    into the 16 cells whose centres are nearest to it. So n items cost about 10 * n ** 1.5 comparisons. Near ones are
    missed seldom, and the more seldom the nearer they are.

    Args:
        queries: (n_queries, d) unit vectors.
        items: (n_items, d) unit vectors.
        least: smallest cosine.
        k: how many items a query has at most.
        seed: of the sample.
        stage: what the progress is called.

    Returns:
        (n_pairs, 2) int64 of (query, item), ordered by query, and (n_pairs,) float32 cosines.
    """
    if not len(items) or not len(queries):
        return np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.float32)
    centres = _centres(items, seed) if len(items) > EXACT else items[:1]
    members, starts = _by_cell(_nearest(items, centres, 1)[:, 0], len(centres))
    found, cosines = [], []
    with track(stage, len(queries)) as advance:
        for first in range(0, len(queries), _QUERIES):
            pairs, cosine = _in_cells(queries[first : first + _QUERIES], items, centres, members, starts, least, k)
            found.append(pairs + np.array([first, 0]))
            cosines.append(cosine)
            advance(min(_QUERIES, len(queries) - first))
    return np.concatenate(found), np.concatenate(cosines)


def _in_cells(
    queries: Floats, items: Floats, centres: Floats, members: Indexes, starts: Indexes, least: float, k: int
) -> tuple[Indexes, Floats]:
    """The pairs of some queries, by looking through one cell after another."""
    n_probes = min(_PROBES, len(centres))
    asking, asked = _by_cell(_nearest(queries, centres, n_probes).reshape(-1), len(centres))
    asking //= n_probes
    found, cosines = [np.empty((0, 2), dtype=np.int64)], [np.empty(0, dtype=np.float32)]
    for cell in range(len(centres)):
        mine, theirs = asking[asked[cell] : asked[cell + 1]], members[starts[cell] : starts[cell + 1]]
        step = max(1, _BLOCK // max(len(theirs), 1))
        for start in range(0, len(mine) if len(theirs) else 0, step):
            block = mine[start : start + step]
            row, column, cosine = _best(queries[block] @ items[theirs].T, least, k)
            found.append(np.stack([block[row], theirs[column]], axis=1))
            cosines.append(cosine)
    pairs, cosine = np.concatenate(found), np.concatenate(cosines)
    order = np.lexsort((pairs[:, 1], -cosine, pairs[:, 0]))
    pairs, cosine = pairs[order], cosine[order]
    place = np.arange(len(pairs)) - np.searchsorted(pairs[:, 0], pairs[:, 0])
    pairs, cosine = pairs[place < k], cosine[place < k]
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], cosine[order]


def _best(scores: Floats, least: float, k: int) -> tuple[Indexes, Indexes, Floats]:
    """Rows, columns and values of at least the k largest of every row, as far as they are `least` or more."""
    near = np.flatnonzero(scores >= least)
    if len(near) <= 2 * k * len(scores):
        row, column = np.divmod(near, scores.shape[1])
        return row, column, scores[row, column]
    largest = np.argpartition(scores, -k, axis=1)[:, -k:]
    values = np.take_along_axis(scores, largest, axis=1)
    row, column = np.nonzero(values >= least)
    return row, largest[row, column].astype(np.int64), values[row, column]


def _centres(items: Floats, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    n_cells = 2 * int(np.sqrt(len(items)))
    sample = items[np.sort(rng.choice(len(items), min(len(items), _SAMPLED * n_cells), replace=False))]
    centres = sample[rng.choice(len(sample), n_cells, replace=False)]
    for _ in range(_ROUNDS):
        members, starts = _by_cell(_nearest(sample, centres, 1)[:, 0], n_cells)
        filled = np.flatnonzero(np.diff(starts))
        sums = np.add.reduceat(sample[members], starts[filled], axis=0)
        centres[filled] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return centres


def _nearest(vectors: Floats, centres: Floats, n: int) -> Indexes:
    """(n_vectors, n) the nearest centres of each, in no order."""
    found = np.empty((len(vectors), n), dtype=np.int64)
    step = max(1, _BLOCK // len(centres))
    for start in range(0, len(vectors), step):
        scores = vectors[start : start + step] @ centres.T
        best = scores.argmax(axis=1)[:, None] if n == 1 else np.argpartition(scores, -n, axis=1)[:, -n:]
        found[start : start + step] = best
    return found


def _by_cell(cells: Indexes, n_cells: int) -> tuple[Indexes, Indexes]:
    """Indexes ordered by their cell, and where each cell starts (one more entry than there are cells)."""
    order = np.argsort(cells, kind="stable")
    return order, np.searchsorted(cells[order], np.arange(n_cells + 1))
