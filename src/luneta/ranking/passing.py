"""Items that are passed over: for a query they are neither right nor wrong, as if the gallery did not hold them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from luneta.errors import ShapeError
from luneta.ranking.ranks import Ranking
from luneta.ranking.search import top_k
from luneta.ranking.ties import TIE_TOLERANCE, Floats, Indexes, tie_classes
from luneta.ranking.vectors import check_vectors, exact_scores


def passed_over(ranking: Ranking, queries: Floats, gallery: Floats, ignored: Indexes) -> Ranking:
    """The ranking as it is when some items of some queries do not count.

    Args:
        ranking: of these queries in this gallery.
        queries: (n_queries, d) float32.
        gallery: (n_items, d) float32.
        ignored: (n, 2) of (query index, gallery index), without repeats; none is relevant.

    Raises:
        ShapeError: a pair names no query or no item, or is relevant.

    >>> from luneta.ranking import rank
    >>> queries, gallery = np.eye(1, 2, dtype=np.float32), np.array([[0.9, 0], [0.8, 0], [0.7, 0]], dtype=np.float32)
    >>> before = rank(queries, gallery, np.array([[0, 1]]))
    >>> before.n_better, passed_over(before, queries, gallery, np.array([[0, 0]])).n_better
    (array([1]), array([0]))
    """
    queries, lengths = check_vectors("queries", queries)
    gallery, longest = check_vectors("gallery", gallery)
    _check(ranking, ignored)
    classes = tie_classes(ranking.query, ranking.scores, TIE_TOLERANCE * lengths * longest.max())
    scores = exact_scores(queries, gallery, *ignored.T)
    above, at_least = (np.zeros(len(classes.query), dtype=np.int64) for _ in range(2))
    for query in np.unique(ignored[:, 0]):
        own, mine = np.sort(scores[ignored[:, 0] == query]), np.flatnonzero(classes.query == query)
        above[mine] = len(own) - np.searchsorted(own, classes.upper[mine], side="right")
        at_least[mine] = len(own) - np.searchsorted(own, classes.lower[mine], side="left")
    n_passed = np.bincount(ignored[:, 0], minlength=ranking.n_queries)
    n_negatives = ranking.n_queries * ranking.gallery_size - len(ranking.positives)
    left = n_negatives - len(ignored)
    mean = (ranking.mean_negative_similarity * n_negatives - scores.sum()) / left if left else float("nan")
    top_score, top_item = top_k_of_others(queries, gallery, ignored, 1)
    return replace(
        ranking,
        n_better=ranking.n_better - above[classes.of_positive],
        n_tied=ranking.n_tied - (at_least - above)[classes.of_positive],
        top_item=top_item[:, 0],
        top_score=top_score[:, 0],
        mean_negative_similarity=float(mean),
        n_passed=n_passed,
    )


def top_k_of_others(
    queries: Floats, gallery: Floats, ignored: Indexes, k: int, *, device: str | None = None
) -> tuple[Floats, Indexes]:
    """As `top_k`, of the items that are not passed over.

    Args:
        queries, gallery, device: as in `top_k`.
        ignored: (n, 2) of (query index, gallery index), without repeats.
        k: how many. Of a query with fewer items that count all are taken; behind them stands index -1 with score minus
            infinity.

    Raises:
        ShapeError: as `top_k`.
    """
    if not 1 <= k <= len(gallery):
        raise ShapeError(f"k is {k}; expected 1 to {len(gallery)}, the size of the gallery")
    most = int(np.bincount(ignored[:, 0], minlength=1).max())
    scores, items = top_k(queries, gallery, min(k + most, len(gallery)), device=device)
    numbers = np.arange(len(items))[:, None] * len(gallery) + items
    counts = ~np.isin(numbers, ignored[:, 0] * len(gallery) + ignored[:, 1])
    scores, items = np.where(counts, scores, np.float32(-np.inf)), np.where(counts, items, -1)
    kept = np.argsort(~counts, axis=1, kind="stable")[:, :k]  # those that count, in their order
    return np.take_along_axis(scores, kept, axis=1), np.take_along_axis(items, kept, axis=1)


def _check(ranking: Ranking, ignored: Indexes) -> None:
    if ignored.ndim != 2 or ignored.shape[1:] != (2,):
        raise ShapeError(f"ignored have shape {ignored.shape}; expected (n, 2) of (query index, item index)")
    if not len(ignored):
        return
    if ignored.min() < 0 or ignored[:, 0].max() >= ranking.n_queries or ignored[:, 1].max() >= ranking.gallery_size:
        raise ShapeError(f"ignored name a query outside 0..{ranking.n_queries - 1} or no item of the gallery")
    size = ranking.gallery_size
    if np.isin(ignored[:, 0] * size + ignored[:, 1], ranking.query * size + ranking.positives).any():
        raise ShapeError("an item cannot be both relevant and passed over")
