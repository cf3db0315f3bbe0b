"""Items that a query passes over: ranks and answers are those of a gallery that does not hold them."""

from __future__ import annotations

import numpy as np
import pytest

from luneta.errors import ShapeError
from luneta.metrics import METRICS, average_precision, chance, normalized_recall_at
from luneta.ranking import passed_over, rank, top_k, top_k_of_others


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def task(seed: int = 0, n_queries: int = 12, n_items: int = 60) -> tuple[np.ndarray, ...]:
    """Queries, a gallery with equal items, three positives a query, and up to 25 items that do not count."""
    rng = np.random.default_rng(seed)
    queries, gallery = unit(rng.normal(size=(n_queries, 6))), unit(rng.normal(size=(n_items, 6)))
    gallery[20:40] = gallery[:20]  # ties
    pairs, ignored = [], []
    for query in range(n_queries):
        chosen = rng.permutation(n_items)
        pairs += [(query, item) for item in sorted(chosen[:3])]
        ignored += [(query, item) for item in chosen[3 : 3 + rng.integers(26)]]
    return queries, gallery, np.array(pairs), np.array(ignored)


def test_as_if_the_gallery_did_not_hold_them() -> None:
    queries, gallery, pairs, ignored = task()
    found = passed_over(rank(queries, gallery, pairs), queries, gallery, ignored)
    changed = 0
    for query in range(len(queries)):
        left = np.setdiff1d(np.arange(len(gallery)), ignored[ignored[:, 0] == query, 1])
        new = {int(item): place for place, item in enumerate(left)}
        own = np.array([(0, new[int(item)]) for item in pairs[pairs[:, 0] == query, 1]])
        alone = rank(queries[query : query + 1], gallery[left], own)
        mine = slice(found.offsets[query], found.offsets[query + 1])
        np.testing.assert_array_equal(found.n_better[mine], alone.n_better)
        np.testing.assert_array_equal(found.n_tied[mine], alone.n_tied)
        assert found.top_score[query] == alone.top_score[0]
        assert found.n_items[query] == len(left)
        for name, metric in {**METRICS, "map": average_precision}.items():
            assert metric(found)[query] == pytest.approx(metric(alone)[0]), name
            assert metric(chance(found))[query] == pytest.approx(metric(chance(alone))[0]), name
        ours, theirs = normalized_recall_at(found, 2, 20), normalized_recall_at(alone, 2, 20)
        assert ours is not None
        assert theirs is not None
        assert ours[query] == pytest.approx(theirs[0])
        scores, items = top_k_of_others(queries, gallery, ignored, 10)
        expected = top_k(queries[query : query + 1], gallery[left], 10)
        np.testing.assert_array_equal(scores[query], expected[0][0])
        np.testing.assert_array_equal(items[query], left[expected[1][0]])
        changed += int((found.n_better[mine] != rank(queries, gallery, pairs).n_better[mine]).any())
    assert changed > 6


def test_the_mean_of_what_is_wrong() -> None:
    queries, gallery, pairs, ignored = task(1)
    found = passed_over(rank(queries, gallery, pairs), queries, gallery, ignored)
    wrong = np.ones((len(queries), len(gallery)), dtype=bool)
    for some in (pairs, ignored):
        wrong[some[:, 0], some[:, 1]] = False
    assert found.mean_negative_similarity == pytest.approx((queries @ gallery.T)[wrong].mean(), abs=1e-6)


def test_nothing_to_pass_over_changes_nothing_but_is_known() -> None:
    queries, gallery, pairs, _ = task(2)
    before = rank(queries, gallery, pairs)
    after = passed_over(before, queries, gallery, np.empty((0, 2), dtype=np.int64))
    np.testing.assert_array_equal(before.n_better, after.n_better)
    assert before.n_passed is None
    assert (after.n_passed == 0).all()


def test_what_cannot_be_is_refused() -> None:
    queries, gallery, pairs, ignored = task()
    before = rank(queries, gallery, pairs)
    with pytest.raises(ShapeError, match="both relevant and passed over"):
        passed_over(before, queries, gallery, pairs[:1])
    with pytest.raises(ShapeError, match="no item of the gallery"):
        passed_over(before, queries, gallery, np.array([[0, 60]]))
    with pytest.raises(ShapeError, match=r"expected \(n, 2\)"):
        passed_over(before, queries, gallery, np.array([0, 1]))
    for k in (0, 61):
        with pytest.raises(ShapeError, match="expected 1 to 60"):
            top_k_of_others(queries, gallery, ignored, k)


def test_of_a_query_with_fewer_that_count_all_are_taken() -> None:
    queries, gallery, _, ignored = task(3)
    scores, items = top_k_of_others(queries, gallery, ignored, 50)
    n_left = 60 - np.bincount(ignored[:, 0], minlength=12)
    assert (n_left < 50).any()
    assert (n_left > 50).any()
    for query, n in enumerate(n_left):
        left = np.setdiff1d(np.arange(60), ignored[ignored[:, 0] == query, 1])
        expected = top_k(queries[query : query + 1], gallery[left], min(50, n))
        np.testing.assert_array_equal(scores[query, :n], expected[0][0])
        np.testing.assert_array_equal(items[query, :n], left[expected[1][0]])
        assert (items[query, n:] == -1).all()
        assert (scores[query, n:] == -np.inf).all()
