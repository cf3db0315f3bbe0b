"""The first items of a ranking in another order, held against a ranking of the whole matrix of scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luneta.errors import ShapeError
from luneta.metrics import METRICS
from luneta.ranking import TIE_TOLERANCE, Ranking, rank, reranked, top_k
from twins import dense_ranking

N_QUERIES, N_ITEMS, K = 7, 12, 5


def task(seed: int, n_relevant: int = 3) -> tuple[Ranking, np.ndarray, np.ndarray, list[list[int]]]:
    """Ranking, candidates, their scores and the relevant items of random vectors."""
    rng = np.random.default_rng(seed)
    queries, items = (rng.normal(size=(n, 6)).astype(np.float32) for n in (N_QUERIES, N_ITEMS))
    queries, items = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (queries, items))
    relevant = [sorted(rng.permutation(N_ITEMS)[: rng.integers(1, n_relevant + 1)].tolist()) for _ in range(N_QUERIES)]
    pairs = np.array([(query, item) for query, own in enumerate(relevant) for item in own])
    scores, candidates = top_k(queries, items, K)
    return rank(queries, items, pairs), candidates, scores, relevant


def whole(base: Ranking, candidates: np.ndarray, scores: np.ndarray, below: np.ndarray) -> np.ndarray:
    """A score for every item: new ones for candidates, and beneath them all others as they stood."""
    matrix = below - 10
    for query, (items, new) in enumerate(zip(candidates, scores, strict=True)):
        matrix[query, items] = new
    return matrix


@given(st.integers(0, 10**6), st.booleans())
def test_as_a_ranking_of_all_scores_gives(seed: int, coarse: bool) -> None:
    base, candidates, _, relevant = task(seed)
    rng = np.random.default_rng(seed + 1)
    new = (rng.integers(0, 4, (N_QUERIES, K)) / 4 if coarse else rng.normal(size=(N_QUERIES, K))).astype(np.float32)
    below = np.zeros((N_QUERIES, N_ITEMS))
    for query in range(N_QUERIES):  # where the relevant items stand below says all that metrics ask
        for entry in range(base.offsets[query], base.offsets[query + 1]):
            below[query, base.positives[entry]] = -base.n_better[entry]
        others = [i for i in range(N_ITEMS) if i not in relevant[query]]
        free = [r for r in range(N_ITEMS) if r not in base.n_better[base.query == query]]
        below[query, others] = -np.array(free, dtype=float)
    found = reranked(base, candidates, new)
    twin = dense_ranking(whole(base, candidates, new.astype(np.float64), below), relevant)
    inside = np.isin(np.arange(len(base.positives)), _listed(base, candidates))
    np.testing.assert_array_equal(found.n_better[inside], twin.n_better[inside])
    np.testing.assert_array_equal(found.n_tied[inside], twin.n_tied[inside])
    np.testing.assert_array_equal(found.n_better[~inside], base.n_better[~inside])
    np.testing.assert_array_equal(found.top_score, new.max(axis=1))
    assert (found.top_item == candidates[np.arange(N_QUERIES), new.argmax(axis=1)]).all()


def _listed(base: Ranking, candidates: np.ndarray) -> list[int]:
    return [i for i, (q, item) in enumerate(zip(base.query, base.positives, strict=True)) if item in candidates[q]]


@given(st.integers(0, 10**6))
def test_the_old_scores_give_the_old_ranking(seed: int) -> None:
    base, candidates, scores, _ = task(seed)
    found = reranked(base, candidates, scores)
    for name, metric in METRICS.items():
        np.testing.assert_array_equal(metric(found), metric(base), err_msg=name)


def test_new_scores_that_differ_by_rounding_are_tied() -> None:
    base, candidates, _, _ = task(0)
    step = np.float32(TIE_TOLERANCE / 2)
    near = np.full((N_QUERIES, K), 0.5, dtype=np.float32)
    near[:, 0] += step
    found = reranked(base, candidates, near)
    inside = _listed(base, candidates)
    assert (found.n_tied[inside] == K).all()
    assert (found.n_better[inside] == 0).all()


@pytest.mark.parametrize("right", range(5))
def test_what_is_tied_across_the_edge_stays_whatever_its_index(right: int) -> None:
    """All items are equal, the first three are candidates: which one is right must not matter."""
    items = np.tile(np.array([[1, 0]], dtype=np.float32), (5, 1))
    base = rank(items[:1], items, np.array([[0, right]]))
    _, candidates = top_k(items[:1], items, 3)
    found = reranked(base, candidates, np.array([[0.1, 0.9, 0.5]], dtype=np.float32))
    assert (found.n_better[0], found.n_tied[0]) == (0, 5)
    assert (found.top_item[0], found.top_score[0]) == (base.top_item[0], base.top_score[0])


@pytest.mark.parametrize(("upper", "lower"), [(0, 2), (1, 3), (0, 4)])
def test_those_above_a_tie_across_the_edge_are_put_into_another_order(upper: int, lower: int) -> None:
    """0.9, 0.8 and three times 0.7; four candidates, of which the new scores raise the last."""
    items = np.array([[0.9, 0], [0.8, 0], [0.7, 0], [0.7, 0], [0.7, 0]], dtype=np.float32)
    queries = np.array([[1, 0]], dtype=np.float32)
    base = rank(queries, items, np.array([[0, upper], [0, lower]]))
    _, candidates = top_k(queries, items, 4)
    found = reranked(base, candidates, np.array([[0.1, 0.2, 0.3, 0.9]], dtype=np.float32))
    assert found.n_better.tolist() == [1 - upper, 2]  # the two change places; what is tied overtakes neither
    assert found.n_tied.tolist() == [1, 3]
    assert (found.top_item[0], found.top_score[0]) == (1, np.float32(0.2))


@given(st.integers(0, 10**6))
def test_queries_with_fewer_candidates_are_as_if_each_were_alone(seed: int) -> None:
    base, candidates, _, _ = task(seed)
    rng = np.random.default_rng(seed + 1)
    new = rng.normal(size=(N_QUERIES, K)).astype(np.float32)
    n_there = rng.integers(0, K + 1, N_QUERIES)
    there = np.arange(K) < n_there[:, None]
    found = reranked(base, np.where(there, candidates, -1), np.where(there, new, -np.inf).astype(np.float32))
    for query, n in enumerate(n_there.tolist()):
        mine = slice(base.offsets[query], base.offsets[query + 1])
        alone = reranked(base, candidates[:, :n], new[:, :n]) if n else base
        for name in ("n_better", "n_tied", "scores"):
            np.testing.assert_array_equal(getattr(found, name)[mine], getattr(alone, name)[mine])
        assert (found.top_item[query], found.top_score[query]) == (alone.top_item[query], alone.top_score[query])


def test_what_does_not_fit_is_refused() -> None:
    base, candidates, scores, _ = task(0)
    with pytest.raises(ShapeError, match=r"expected \(n_queries, k\) twice"):
        reranked(base, candidates[:, :2], scores)
    with pytest.raises(ShapeError, match=r"for 7 queries"):
        reranked(base, candidates[:3], scores[:3])
    with pytest.raises(ShapeError, match="no candidates"):
        reranked(base, candidates[:, :0], scores[:, :0])
    with pytest.raises(ShapeError, match="NaN"):
        reranked(base, candidates, np.where(scores == scores.max(), np.nan, scores))
    gap = np.where(np.arange(K) == 2, -1, candidates)
    with pytest.raises(ShapeError, match="behind one that is none"):
        reranked(base, gap, scores)
