"""The k best items of every query, exactly."""

from __future__ import annotations

import numpy as np

from luneta.errors import ShapeError
from luneta.progress import track
from luneta.ranking.scan import block_shape, spans
from luneta.ranking.ties import Floats, Indexes
from luneta.ranking.vectors import (
    check_block,
    check_device,
    check_match,
    check_vectors,
    product,
    rounding,
    score_pairs,
)

SPARE = 256  # candidates kept beyond k where more than k items are too near to one another to be told apart


def top_k(
    queries: Floats, gallery: Floats, k: int, *, device: str | None = None, block_mib: float = 64
) -> tuple[Floats, Indexes]:
    """The k best-scored gallery items of every query.

    A pass over blocks of scores collects candidates; these are scored again in float64, so that order and scores do
    not depend on blocks, device or neighbours, and equal vectors have equal scores.

    Args:
        queries: (n_queries, d) float32.
        gallery: (n_items, d) float32.
        k: how many; at most n_items.
        device, block_mib: as in `rank`.

    Returns:
        scores (n_queries, k) float32 and gallery indexes (n_queries, k) int64; best first, equal scores by lower index.

    Raises:
        ShapeError: vectors of the wrong shape or content, k below 1 or above the size of the gallery.

    >>> images = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    >>> top_k(np.array([[0.8, 0.6]], dtype=np.float32), images, k=2)[1]
    array([[0, 2]])
    """
    check_block(block_mib)
    check_device(device)
    queries, query_lengths = check_vectors("queries", queries)
    gallery, lengths = check_vectors("gallery", gallery)
    check_match(queries, gallery, ("queries", "gallery"))
    if not 1 <= k <= len(gallery):
        raise ShapeError(f"k is {k}; expected 1 to {len(gallery)}, the size of the gallery")
    margin = 2 * rounding(queries.shape[1]) * query_lengths * lengths.max()
    scores, items = np.empty((len(queries), k), dtype=np.float32), np.empty((len(queries), k), dtype=np.int64)
    height, width = block_shape(len(queries), len(gallery), block_mib)
    with track("search", len(queries)) as advance:
        for q0, q1 in spans(len(queries), height):
            found = _Candidates(q1 - q0, k, margin[q0:q1].astype(np.float32))
            for g0, g1 in spans(len(gallery), width):
                found.add(product(queries[q0:q1], gallery[g0:g1], device), g0)
            exact = score_pairs(queries[q0:q1], gallery, np.stack([found.query, found.item], axis=1))
            order = np.lexsort((found.item, -exact, found.query))
            chosen = order[np.searchsorted(found.query[order], np.arange(q1 - q0))[:, None] + np.arange(k)]
            scores[q0:q1], items[q0:q1] = exact[chosen], found.item[chosen]
            advance(q1 - q0)
    return scores, items


class _Candidates:
    """Items that may be among the k best of some queries, as parallel arrays sorted by query and item."""

    def __init__(self, n_queries: int, k: int, margin: Floats) -> None:
        self.k, self.margin = k, margin
        self.query, self.item = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        self.score = np.empty(0, dtype=np.float32)
        self.kth = np.full(n_queries, -np.inf, dtype=np.float32)  # no more than the k-th best score so far

    def add(self, scores: Floats, first_item: int) -> None:
        """Take in the scores (n_queries, n) of the items from `first_item` on."""
        n = scores.shape[1]
        if n >= self.k and not np.isfinite(self.kth[0]):
            self.kth = np.partition(scores, n - self.k, axis=1)[:, n - self.k]
        query, item = np.divmod(np.flatnonzero(scores >= (self.kth - self.margin)[:, None]), n)
        self.score = np.concatenate([self.score, scores[query, item]])
        self.query = np.concatenate([self.query, query])
        self.item = np.concatenate([self.item, item + first_item])
        self._prune()

    def _prune(self) -> None:
        """Drop what cannot be among the k best any more; of those too near to the k-th to say, keep the first ones."""
        order = np.lexsort((-self.score, self.query))
        query = self.query[order]
        starts = np.searchsorted(query, np.arange(len(self.kth) + 1))
        full = np.diff(starts) >= self.k
        self.kth[full] = self.score[order[starts[:-1][full] + self.k - 1]]
        order = np.lexsort((self.item, self.query))
        self._keep(order)
        over = self.score - self.kth[self.query]
        near = np.abs(over) <= self.margin[self.query]
        nth_near = np.cumsum(near)
        before = np.append(0, nth_near)[np.searchsorted(self.query, np.arange(len(self.kth)))]
        self._keep((over > 0) & ~near | near & (nth_near - before[self.query] <= self.k + SPARE))

    def _keep(self, chosen: Indexes | np.ndarray) -> None:
        self.query, self.item, self.score = self.query[chosen], self.item[chosen], self.score[chosen]
