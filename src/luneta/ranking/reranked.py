"""A ranking whose first items were put into another order; what stands below them stays where it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luneta.errors import ShapeError
from luneta.ranking.ranks import Ranking
from luneta.ranking.ties import TIE_TOLERANCE, Floats, Indexes, TieClasses, tie_classes

_AT_ONCE = 2**22


def reranked(base: Ranking, candidates: Indexes, scores: Floats) -> Ranking:
    """The ranking after the first k items of every query were scored anew.

    Candidates are ordered by their new scores under the tie rule, all other items follow as they did in `base`. A
    positive that was tied with items on both sides of the k-th place stays where it stood, and so do those it was tied
    with: only their index decided which of them were taken.

    Args:
        base: where the positives of every query stood.
        candidates: (n_queries, k) the first k gallery items of each query; -1 behind them where there are fewer.
        scores: (n_queries, k) their new scores, of about the size of cosines.

    Raises:
        ShapeError: the arrays do not fit one another, a candidate behind one that is none, or scores that are not
            finite.

    >>> from luneta.ranking import rank
    >>> queries, gallery = np.eye(1, 2, dtype=np.float32), np.array([[0.9, 0], [0.8, 0], [0.7, 0]], dtype=np.float32)
    >>> before = rank(queries, gallery, np.array([[0, 1]]))
    >>> before.n_better, reranked(before, np.array([[0, 1]]), np.array([[0.1, 0.3]], dtype=np.float32)).n_better
    (array([1]), array([0]))
    """
    _check(base, candidates, scores)
    query = base.query
    places = _places(candidates, base, query)
    better, tied, own = base.n_better.copy(), base.n_tied.copy(), base.scores.copy()
    edge = (candidates >= 0).sum(axis=1)
    divided = (better < edge[query]) & (better + tied > edge[query])
    np.minimum.at(edge, query[divided], better[divided])
    scores = np.where(np.arange(candidates.shape[1]) < edge[:, None], scores, np.float32(-np.inf))
    listed = (places >= 0) & (places < edge[query])
    if listed.any():
        own[listed] = scores[query[listed], places[listed]]
        better[listed], tied[listed] = _counts(query[listed], own[listed], scores)
    first = scores.argmax(axis=1)
    rows = np.arange(len(scores))
    top_item = np.where(edge > 0, candidates[rows, first], base.top_item)
    top_score = np.where(edge > 0, scores[rows, first], base.top_score)
    return replace(base, n_better=better, n_tied=tied, scores=own, top_item=top_item, top_score=top_score)


def _check(base: Ranking, candidates: NDArray[Any], scores: NDArray[Any]) -> None:
    if candidates.shape != scores.shape or candidates.ndim != 2 or len(candidates) != base.n_queries:
        raise ShapeError(
            f"candidates have shape {candidates.shape} and scores {scores.shape} for {base.n_queries} queries; "
            "expected (n_queries, k) twice"
        )
    if not candidates.shape[1]:
        raise ShapeError("there are no candidates; expected at least one for every query")
    there = candidates >= 0
    if (there[:, 1:] & ~there[:, :-1]).any():
        raise ShapeError("a candidate stands behind one that is none (-1); expected them at the end")
    if not np.isfinite(scores[there]).all():
        raise ShapeError("new scores hold NaN or infinite numbers")


def _places(candidates: Indexes, base: Ranking, query: Indexes) -> Indexes:
    """(n_positives,) the column in which each positive is a candidate of its query; -1 where it is none."""
    numbers = np.arange(len(candidates))[:, None] * base.gallery_size + candidates
    keys = np.where(candidates >= 0, numbers, -1).reshape(-1)
    order = np.argsort(keys, kind="stable")
    wanted = query * base.gallery_size + base.positives
    at = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    found = order[at]
    return np.where(keys[found] == wanted, found % candidates.shape[1], -1)


def _counts(query: Indexes, own: Floats, scores: Floats) -> tuple[Indexes, Indexes]:
    """How many candidates are better than each positive, and how many are tied with it."""
    # the classes are of the queries that have a positive among their candidates
    classes: TieClasses = tie_classes(query, own, np.full(len(scores), TIE_TOLERANCE))
    above, at_least = (np.empty(len(classes.query), dtype=np.int64) for _ in range(2))
    step = max(1, _AT_ONCE // scores.shape[1])
    for start in range(0, len(classes.query), step):
        here = slice(start, start + step)
        rows = scores[classes.query[here]].astype(np.float64)
        above[here] = (rows > classes.upper[here, None]).sum(axis=1)
        at_least[here] = (rows >= classes.lower[here, None]).sum(axis=1)
    return above[classes.of_positive], (at_least - above)[classes.of_positive]
