"""The nearest vectors of every vector, without comparing all with all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from luneta.data.dataset import Indexes
from luneta.progress import track

Floats = NDArray[np.float32]

EXACT = 4096
"""So few vectors are all compared."""

_PROBES = 16  # cells searched for a query: its own and those around it
_ROUNDS = 3  # of k-means, on a sample
_SAMPLED = 32  # vectors a cell in that sample
_BLOCK = 2**23  # scores held at a time


def neighbours(
    queries: Floats, items: Floats, least: float, k: int, *, seed: int = 0, stage: str = "neighbours"
) -> tuple[Indexes, Floats]:
    """Pairs of a query and an item whose cosine is at least `least`, the k best of each query.

    Above `EXACT` items they are divided into 2 * sqrt(n) cells around centres (k-means on a sample), and a query looks
    into the 16 cells nearest to the one it falls into. So n items cost about 8 * n ** 1.5 comparisons. Near ones
    are missed seldom, and the less the nearer they are.

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
    around = _around(centres)
    members, starts = _by_cell(_nearest(items, centres), len(centres))
    asking, query_starts = _by_cell(_nearest(queries, centres), len(centres))
    found, cosines = [], []
    with track(stage, len(queries)) as advance:
        for cell, near in enumerate(around):
            mine = asking[query_starts[cell] : query_starts[cell + 1]]
            theirs = np.concatenate([members[starts[c] : starts[c + 1]] for c in near])
            step = max(1, _BLOCK // max(len(theirs), 1))
            for start in range(0, len(mine) if len(theirs) else 0, step):
                block = mine[start : start + step]
                row, column, cosine = _best(queries[block] @ items[theirs].T, least, k)
                found.append(np.stack([block[row], theirs[column]], axis=1))
                cosines.append(cosine)
            advance(len(mine))
    pairs = np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], np.concatenate([*cosines, np.empty(0, dtype=np.float32)])[order]


def _best(scores: Floats, least: float, k: int) -> tuple[Indexes, Indexes, Floats]:
    """Rows, columns and values of the k largest of every row that are at least `least`."""
    if k < scores.shape[1] and (crowded := np.flatnonzero((scores >= least).sum(axis=1) > k)).size:
        kept = np.argpartition(scores[crowded], -k, axis=1)[:, -k:]
        best = np.full((len(crowded), scores.shape[1]), -np.inf, dtype=np.float32)
        np.put_along_axis(best, kept, np.take_along_axis(scores[crowded], kept, axis=1), axis=1)
        scores[crowded] = best
    row, column = np.nonzero(scores >= least)
    return row, column, scores[row, column]


def _centres(items: Floats, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    n_cells = 2 * int(np.sqrt(len(items)))
    sample = items[np.sort(rng.choice(len(items), min(len(items), _SAMPLED * n_cells), replace=False))]
    centres = sample[rng.choice(len(sample), n_cells, replace=False)]
    for _ in range(_ROUNDS):
        members, starts = _by_cell(_nearest(sample, centres), n_cells)
        filled = np.flatnonzero(np.diff(starts))
        sums = np.add.reduceat(sample[members], starts[filled], axis=0)
        centres[filled] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return centres


def _around(centres: Floats) -> Indexes:
    """(n_cells, n_probes): the cells nearest to each, itself among them."""
    n_probes = min(_PROBES, len(centres))
    scores = centres @ centres.T
    np.fill_diagonal(scores, np.inf)
    return np.argpartition(-scores, n_probes - 1, axis=1)[:, :n_probes].astype(np.int64)


def _nearest(vectors: Floats, centres: Floats) -> Indexes:
    step = max(1, _BLOCK // len(centres))
    parts = [(vectors[i : i + step] @ centres.T).argmax(axis=1) for i in range(0, len(vectors), step)]
    return np.concatenate(parts).astype(np.int64)


def _by_cell(cells: Indexes, n_cells: int) -> tuple[Indexes, Indexes]:
    """Indexes ordered by their cell, and where each cell starts (one more entry than there are cells)."""
    order = np.argsort(cells, kind="stable")
    return order, np.searchsorted(cells[order], np.arange(n_cells + 1))
