"""The k best items of every query, exactly."""

from __future__ import annotations

from contextlib import nullcontext

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
WIDE = 2**18  # scores of a block of few queries: what a block costs beside its product is small then
FEW = 8  # queries up to which a product waits for memory and not for arithmetic
DENSE = (0.25, 0.5)  # share of neighbouring items from which all are multiplied: of few queries, of many


class Gallery:
    """Vectors to search in, checked once for any number of searches.

    Attributes:
        vectors: (n_items, d) float32.
        longest: length of the longest.
    """

    __slots__ = ("longest", "vectors")

    def __init__(self, vectors: Floats) -> None:
        """
        Args:
            vectors: (n_items, d) float32; a memory-mapped array stays on the disk.

        Raises:
            ShapeError: not a table of finite real numbers with at least one row and one column.
        """
        self.vectors, lengths = check_vectors("gallery", vectors)
        self.longest = float(lengths.max())

    def __len__(self) -> int:
        return len(self.vectors)


def top_k(
    queries: Floats,
    gallery: Floats | Gallery,
    k: int,
    *,
    among: Indexes | None = None,
    device: str | None = None,
    block_mib: float = 64,
) -> tuple[Floats, Indexes]:
    """The k best-scored gallery items of every query.

    A pass over blocks of scores collects candidates; these are scored again in float64, so that order and scores do
    not depend on blocks, device or neighbours, and equal vectors have equal scores.

    Args:
        queries: (n_queries, d) float32.
        gallery: (n_items, d) float32; or a `Gallery`, which is not checked again.
        k: how many; at most n_items, or as many as there are in `among`.
        among: (n,) gallery indexes, ascending, of the items that are searched; None searches all.
        device, block_mib: as in `rank`.

    Returns:
        scores (n_queries, k) float32 and gallery indexes (n_queries, k) int64; best first, equal scores by lower index.

    Raises:
        ShapeError: vectors of the wrong shape or content, k below 1 or above the size of the gallery, or what is
            searched is not ascending indexes of it.

    >>> images = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    >>> top_k(np.array([[0.8, 0.6]], dtype=np.float32), images, k=2)[1]
    array([[0, 2]])
    """
    check_block(block_mib)
    check_device(device)
    queries, query_lengths = check_vectors("queries", queries)
    if not isinstance(gallery, Gallery):
        gallery = Gallery(gallery)
    vectors = gallery.vectors
    check_match(queries, vectors, ("queries", "gallery"))
    n_items = len(vectors) if among is None else _checked(among, len(vectors))
    if not 1 <= k <= n_items:
        raise ShapeError(f"k is {k}; expected 1 to {n_items}, the size of the gallery")
    margin = (2 * rounding(queries.shape[1]) * query_lengths * gallery.longest).astype(np.float32)
    scores, items = np.empty((len(queries), k), dtype=np.float32), np.empty((len(queries), k), dtype=np.int64)
    height, width = block_shape(len(queries), n_items, block_mib)
    if among is None:
        width = min(n_items, max(width, min(WIDE, int(block_mib * 2**18)) // height))
    blocks = list(spans(len(queries), height))
    # one block has nothing to tell on its way, and a bar would cost more than a query
    with track("search", len(queries)) if len(blocks) > 1 else nullcontext(_ignore) as advance:
        for q0, q1 in blocks:
            found = _Candidates(q1 - q0, k, margin[q0:q1])
            for g0, g1 in spans(n_items, width):
                if among is None:
                    found.add(product(queries[q0:q1], vectors[g0:g1], device), g0)
                else:
                    found.add(_product_among(queries[q0:q1], vectors, among[g0:g1], device), g0)
            if among is not None:
                found.item = among[found.item]
            exact = score_pairs(queries[q0:q1], vectors, np.stack([found.query, found.item], axis=1))
            order = np.lexsort((found.item, -exact, found.query))
            chosen = order[np.searchsorted(found.query[order], np.arange(q1 - q0))[:, None] + np.arange(k)]
            scores[q0:q1], items[q0:q1] = exact[chosen], found.item[chosen]
            advance(q1 - q0)
    return scores, items


def _ignore(n: int) -> None:
    return


def _checked(among: Indexes, n_items: int) -> int:
    """How many items are searched."""
    if among.ndim != 1 or among.dtype != np.int64 or (np.diff(among) <= 0).any():
        raise ShapeError(f"among has shape {among.shape} and dtype {among.dtype}; expected (n,) int64, ascending")
    if len(among) and not 0 <= among[0] <= among[-1] < n_items:
        raise ShapeError(f"among names items {among[0]} to {among[-1]} of {n_items}; expected 0 to {n_items - 1}")
    return len(among)


def _product_among(queries: Floats, vectors: Floats, rows: Indexes, device: str | None) -> Floats:
    """(n_queries, n_rows) scores. Where the rows are close together, a product with all there is between them is
    faster than collecting them."""
    first, last = int(rows[0]), int(rows[-1]) + 1
    if len(rows) < DENSE[len(queries) > FEW] * (last - first):
        return product(queries, vectors[rows], device)
    scores = product(queries, vectors[first:last], device)
    return scores if len(rows) == last - first else scores[:, rows - first]


class _Candidates:
    """Items that may be among the k best of some queries, as parallel arrays sorted by query and item."""

    def __init__(self, n_queries: int, k: int, margin: Floats) -> None:
        self.k, self.margin = k, margin
        self.query, self.item = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        self.score = np.empty(0, dtype=np.float32)
        self.kth = np.full(n_queries, -np.inf, dtype=np.float32)  # no more than the k-th best score so far
        self.n_kept = 0  # of all queries, when last there were too many

    def add(self, scores: Floats, first_item: int) -> None:
        """Take in the scores (n_queries, n) of the items from `first_item` on."""
        n = scores.shape[1]
        if n >= self.k and not np.isfinite(self.kth[0]):
            self.kth = _no_more_than_kth(scores, self.k)
        query, item = np.divmod(np.flatnonzero(scores >= (self.kth - self.margin)[:, None]), n)
        self.score = np.concatenate([self.score, scores[query, item]])
        self.query = np.concatenate([self.query, query])
        self.item = np.concatenate([self.item, item + first_item])
        if len(self.item) > 2 * self.n_kept:
            self._prune()
            self.n_kept = len(self.item)

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


def _no_more_than_kth(scores: Floats, k: int) -> Floats:
    """(n_queries,) of scores (n_queries, n): at least k are no less, and few more than k where k is small beside n.

    The k-th best of the maxima of groups: finding these is several times faster than to sort all scores about.
    """
    n = scores.shape[1]
    width = max(n // 32, min(n, 16 * k))
    best = scores[:, :width].copy()
    for start in range(width, n - width + 1, width):
        np.maximum(best, scores[:, start : start + width], out=best)
    return np.asarray(np.partition(best, width - k, axis=1)[:, width - k])
