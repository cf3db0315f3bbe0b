"""Closed forms against averages over all orders of tied items, exact fractions for large numbers, chance, bad input."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twins
from luneta import metrics
from luneta.errors import ConfigError
from luneta.ranking import Ranking

# name -> (the function under test, its definition on one order of the items); both take k
TWINS: dict[str, tuple[Callable[[Ranking, int], np.ndarray], Callable[[list[bool], int], float]]] = {
    "recall": (metrics.recall_at, twins.recall),
    "set_recall": (metrics.set_recall_at, twins.set_recall),
    "mrr_at": (metrics.reciprocal_rank_at, twins.reciprocal_rank),
    "mrr": (lambda r, _: metrics.reciprocal_rank(r), lambda hits, _: twins.reciprocal_rank(hits, len(hits))),
    "best_rank": (lambda r, _: metrics.best_rank(r), lambda hits, _: twins.rank_of_best(hits)),
    "ndcg": (metrics.ndcg_at, twins.ndcg),
    "map": (metrics.average_precision_at, twins.average_precision),
}


@st.composite
def small_tasks(draw: st.DrawFn) -> tuple[np.ndarray, list[set[int]]]:
    """A few queries over up to seven items, with few distinct scores, so that most of them are tied."""
    n_queries, n_items = draw(st.integers(1, 3)), draw(st.integers(1, 7))
    line = st.lists(st.integers(0, 2), min_size=n_items, max_size=n_items)
    scores = draw(st.lists(line, min_size=n_queries, max_size=n_queries))
    relevant = [draw(st.sets(st.integers(0, n_items - 1), min_size=1)) for _ in range(n_queries)]
    return np.array(scores, dtype=np.float64), relevant


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=40)
@given(task=small_tasks(), k=st.integers(1, 9))
def test_is_the_mean_over_all_orders_of_equal_scores(
    name: str, task: tuple[np.ndarray, list[set[int]]], k: int
) -> None:
    scores, relevant = task
    ours, definition = TWINS[name]
    found = ours(twins.dense_ranking(scores, [sorted(r) for r in relevant]), k)
    expected = [
        twins.expectation(lambda hits: definition(hits, k), line, own)
        for line, own in zip(scores.tolist(), relevant, strict=True)
    ]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@settings(max_examples=60)
@given(task=small_tasks(), k=st.integers(1, 6), gallery_size=st.integers(1, 6))
def test_normalized_recall_is_the_mean_over_draws_and_orders(
    task: tuple[np.ndarray, list[set[int]]], k: int, gallery_size: int
) -> None:
    scores, relevant = task
    ranking = twins.dense_ranking(scores, [sorted(r) for r in relevant])
    found = metrics.normalized_recall_at(ranking, k, gallery_size)
    if min(scores.shape[1] - len(own) for own in relevant) < gallery_size - 1:
        assert found is None
        return
    expected = [
        twins.expectation(lambda hits: twins.normalized_recall(hits, k, gallery_size), line, own)
        for line, own in zip(scores.tolist(), relevant, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def one_query(n_better: int, n_tied: int, gallery_size: int, n_relevant: int = 1) -> Ranking:
    """A query whose positives all stand in one tie block."""
    return Ranking(
        offsets=np.array([0, n_relevant]),
        positives=np.arange(n_relevant),
        n_better=np.full(n_relevant, n_better),
        n_tied=np.full(n_relevant, n_tied),
        scores=np.zeros(n_relevant, dtype=np.float32),
        top_item=np.zeros(1, dtype=np.int64),
        top_score=np.zeros(1, dtype=np.float32),
        gallery_size=gallery_size,
        mean_negative_similarity=0.0,
    )


@pytest.mark.parametrize(
    ("better", "tied", "relevant", "k"),
    [(0, 10**6, 5, 50), (0, 10**6, 1, 10**6), (0, 10**6, 300_000, 3), (7, 999_000, 400, 1000), (0, 10**6, 5000, 200)],
)
def test_recall_is_exact_for_a_million_tied_items(better: int, tied: int, relevant: int, k: int) -> None:
    inside = min(max(k - better, 0), tied)
    missed = Fraction(1)
    fewer, more = sorted((inside, relevant))
    for j in range(fewer):
        missed *= Fraction(max(tied - more - j, 0), tied - j)
    found = metrics.recall_at(one_query(better, tied, 10**6, relevant), k)[0]
    assert found == pytest.approx(float(1 - missed), rel=1e-11)


@pytest.mark.parametrize(("tied", "relevant"), [(10**6, 1), (10**6, 5), (10**6, 1000)])
def test_reciprocal_rank_for_a_million_tied_items(tied: int, relevant: int) -> None:
    found = metrics.reciprocal_rank(one_query(0, tied, tied, relevant))[0]
    if relevant == 1:
        expected = math.fsum(1 / i for i in range(1, tied + 1)) / tied
    else:  # sum of P(best rank >= i) * (1 / i - 1 / (i - 1)), another way round than the code
        survivors, chance, terms = 1.0, 1.0, [1.0]
        for i in range(2, tied - relevant + 2):
            chance *= 1 - relevant / (tied - i + 2)
            survivors = chance
            terms.append(survivors * (1 / i - 1 / (i - 1)))
            if survivors < 1e-30:
                break
        expected = math.fsum(terms)
    assert found == pytest.approx(expected, rel=1e-9)
    assert metrics.best_rank(one_query(0, tied, tied, relevant))[0] == (tied + 1) / (relevant + 1)


@pytest.mark.parametrize(
    ("n", "ahead", "k", "size"),
    [
        (10**6, 3000, 1, 1000), (10**6, 10_000, 10, 1000), (10**6, 60_000, 50, 1000), (10**6, 500_000, 480, 1000),
        (999, 20, 10, 1000), (1005, 15, 10, 1000), (1005, 11, 10, 1000), (50_000, 49_999, 999, 1000),
    ],
)  # fmt: skip
def test_normalized_recall_is_exact_for_large_galleries(n: int, ahead: int, k: int, size: int) -> None:
    drawn = size - 1
    ways = sum(math.comb(ahead, x) * math.comb(n - ahead, drawn - x) for x in range(k))
    found = metrics.normalized_recall_at(one_query(ahead, 1, n + 1), k, size)
    assert found is not None
    assert found[0] == pytest.approx(float(Fraction(ways, math.comb(n, drawn))), rel=1e-8, abs=1e-11)


def test_normalized_recall_to_the_same_size_is_recall_itself() -> None:
    rng = np.random.default_rng(0)
    ranking = twins.dense_ranking(rng.integers(0, 40, (30, 200)).astype(float), [[int(i)] for i in range(30)])
    for k in (1, 7, 250):
        same = metrics.normalized_recall_at(ranking, k, gallery_size=200)
        np.testing.assert_allclose(same, metrics.recall_at(ranking, k), rtol=1e-10)


def test_normalized_recall_never_extrapolates() -> None:
    assert metrics.normalized_recall_at(one_query(0, 1, 999), 10) is None
    assert metrics.normalized_recall_at(one_query(0, 1, 1000), 10) is not None
    assert metrics.normalized_recall_at(one_query(0, 5, 1003, n_relevant=5), 10) is None


def test_chance_is_the_level_of_random_orders() -> None:
    rng = np.random.default_rng(1)
    relevant = [rng.choice(40, size=n, replace=False).tolist() for n in (1, 2, 5, 40)]
    ranking = twins.dense_ranking(rng.standard_normal((4, 40)), relevant)
    found = metrics.compute(metrics.chance(ranking))
    assert found["recall@1"] == pytest.approx([1 / 40, 2 / 40, 5 / 40, 1])
    assert found["best_rank"] == pytest.approx([41 / 2, 41 / 3, 41 / 6, 1])
    draws = [
        metrics.compute(twins.dense_ranking(rng.permuted(np.tile(np.arange(40.0), (4, 1)), axis=1), relevant))
        for _ in range(400)
    ]
    for name in ("recall@5", "recall@10", "mrr", "ndcg@5", "ndcg@10", "map@10", "best_rank"):
        samples = np.array([draw[name] for draw in draws])
        margin = 5 * samples.std(axis=0) / math.sqrt(len(draws)) + 1e-12
        assert (np.abs(samples.mean(axis=0) - found[name]) <= margin).all(), name


def test_standard_set() -> None:
    assert list(metrics.METRICS) == [
        "recall@1", "recall@5", "recall@10", "recall@50", "mrr", "ndcg@5", "ndcg@10", "map@10", "best_rank",
        "positive_similarity",
    ]  # fmt: skip
    ranking = twins.dense_ranking(np.array([[0.5, 0.25, 1.0]]), [[0, 1]])
    found = metrics.compute(ranking)
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(metrics.METRICS, (1,))
    assert found["positive_similarity"] == [0.5]
    assert found["recall@50"] == [1.0]  # k beyond the gallery is the whole gallery
    assert found["map@10"] == pytest.approx([(1 / 2 + 2 / 3) / 2])


def test_map_divides_by_all_relevant_items() -> None:
    ranking = twins.dense_ranking(np.array([[3.0, 2.0, 1.0]]), [[0, 1, 2]])
    assert metrics.average_precision_at(ranking, 1) == pytest.approx([1 / 3])


@pytest.mark.parametrize(
    "metric",
    [
        metrics.recall_at, metrics.set_recall_at, metrics.reciprocal_rank_at, metrics.ndcg_at,
        metrics.average_precision_at, metrics.normalized_recall_at,
    ],
)  # fmt: skip
def test_k_below_one_is_refused(metric: Callable[[Ranking, int], object]) -> None:
    with pytest.raises(ConfigError, match="k is 0; expected 1 or more"):
        metric(one_query(0, 1, 5), 0)
